"""Our own MIME writer, read back with the standard library's parser."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.domain.message import Address, Message, UnusableAddress, numbered, wire_address, write

AT = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
PLAIN = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")))


def a_message(**changes: object) -> Message:
    values: dict[str, object] = {
        "message_id": "<thread.delivery@housing.example>",
        "sender": Address("contact@housing.example", "Harbour Homes"),
        "to": Address("ann@mail.example", "Ann Bell"),
        "subject_line": "[C-2026-000123] Your leak",
        "date": AT,
        "text": "Hello\n\nWe come.\n",
    }
    return Message(**(values | changes))  # type: ignore[arg-type]


def read(message: Message) -> EmailMessage:
    content = write(message).content
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    parsed = message_from_bytes(content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def content(part: object) -> str:
    assert isinstance(part, EmailMessage)
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def test_headers_say_that_a_machine_wrote_it_and_name_the_thread() -> None:
    parsed = read(a_message(references=("<a@b>", "<c@d>"), reply_to=Address("desk@housing.example", "The desk")))
    assert parsed["Message-ID"] == "<thread.delivery@housing.example>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["X-Auto-Response-Suppress"] == "All"
    assert parsed["Subject"] == "[C-2026-000123] Your leak"
    assert parsed["References"] == "<a@b> <c@d>"
    assert parsed["Reply-To"].addresses[0].addr_spec == "desk@housing.example"
    assert parsed["Date"].datetime == AT
    assert content(parsed) == "Hello\n\nWe come.\n"


@settings(deadline=None)
@given(PLAIN, PLAIN)
def test_any_subject_and_name_read_back_the_same(subject: str, name: str) -> None:
    parsed = read(a_message(subject_line=subject[:200], to=Address("ann@mail.example", name[:60])))
    assert str(parsed["Subject"]) == " ".join(subject[:200].split())
    (to,) = parsed["To"].addresses
    assert to.addr_spec == "ann@mail.example"
    # The parser puts a space between two encoded words of a name, which RFC 2047 (6.2) says are joined without one.
    assert to.display_name.replace(" ", "") == "".join(name[:60].split())


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@y.example", "a\nb", "a\r\n\r\nbody", "a\x00b", "a\u2028b"])
def test_no_header_can_be_smuggled_in(subject: str) -> None:
    parsed = read(a_message(subject_line=subject, to=Address("ann@mail.example", subject), message_id=f"<a{subject}@b>"))
    assert parsed["Bcc"] is None
    assert str(parsed["Subject"]).startswith("a ")
    assert content(parsed) == "Hello\n\nWe come.\n"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r")), st.none() | PLAIN)
def test_any_text_reads_back_the_same(text: str, html: str | None) -> None:
    parsed = read(a_message(text=text, html=html))
    assert content(parsed.get_body(("plain",))).removesuffix("\n") == text.removesuffix("\n")
    if html is not None:
        assert content(parsed.get_body(("html",))).removesuffix("\n") == html


def test_a_very_long_line_is_broken_for_the_wire_only() -> None:
    text = "word " * 1000
    assert content(read(a_message(text=text))) == text + "\n"


def test_a_long_subject_is_clipped() -> None:
    subject = str(read(a_message(subject_line="x" * 5000))["Subject"])
    assert len(subject) == 250
    assert subject.endswith("…")


def test_the_same_message_is_the_same_to_the_byte() -> None:
    message = a_message(text="ä", html="<b>ä</b>")
    assert write(message).content == write(message).content


def test_a_boundary_that_a_part_contains_is_not_used() -> None:
    first = write(a_message(html="x"))
    boundary = first.content.split(b'boundary="')[1].split(b'"')[0].decode()
    parsed = read(a_message(text=f"--{boundary}\nnot the end", html="x"))
    assert content(parsed.get_body(("plain",))) == f"--{boundary}\nnot the end\n"


def test_an_international_domain_goes_out_in_ascii() -> None:
    written = write(a_message(to=Address("ann@bücher.example")))
    assert written.recipient == "ann@xn--bcher-kva.example"
    assert not written.international
    assert write(a_message(to=Address("änn@mail.example"))).international


@pytest.mark.parametrize(
    "address",
    ["", "ann", "@mail.example", "ann@", "a b@c.example", "ann@mail.example\r\nRCPT TO:<x@y>", "a@b@c", "<a@b.example>", "a,b@c.example"],
)
def test_what_is_no_address_is_not_written_to(address: str) -> None:
    with pytest.raises(UnusableAddress):
        wire_address(address)


def test_the_number_is_put_before_the_subject_once() -> None:
    assert numbered("Your leak", "C-1") == "[C-1] Your leak"
    assert numbered("About [C-1]", "C-1") == "About [C-1]"
    assert numbered("C-1: Your leak", "C-1") == "[C-1]: Your leak"
    assert numbered("C-12: Your leak", "C-1") == "[C-1] C-12: Your leak"
    assert numbered("C-12, as C-1 and C-1", "C-1") == "C-12, as [C-1] and C-1"
    assert numbered("About XC-1", "C-1") == "[C-1] About XC-1"
    assert numbered("About C-1", "C-1") == "About [C-1]"
    assert numbered("Your leak", "") == "Your leak"
