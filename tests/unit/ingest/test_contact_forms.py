"""Forms with a contact and its files, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.contacts import Upload
from services.ingest.gateways.forms import BadForm, Form, FormLimits, FormTooLarge

LIMITS = FormLimits(field_bytes=100, files=3, file_bytes=50, files_bytes=120)
FORM = "multipart/form-data; boundary=edge"


def part(name: str, content: bytes = b"", filename: str | None = None, *more: str) -> bytes:
    """One part as it stands in a form."""
    named = f'; filename="{filename}"' if filename is not None else ""
    head = "\r\n".join([f'Content-Disposition: form-data; name="{name}"{named}', *more])
    return b"--edge\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + b"--edge--\r\n"


CONTACT = part("contact", b"{}")


def read(body: bytes, content_type: str = FORM, step: int = 0) -> tuple[bytes, tuple[Upload, ...]]:
    """`body` read in pieces of `step` bytes."""
    reader = Form(content_type, LIMITS, ("contact",))
    for at in range(0, len(body), step or len(body) or 1):
        reader.feed(body[at : at + (step or len(body))])
    fields, files = reader.finish()
    return fields.get("contact", b""), files


@pytest.mark.requirement("COM-6")
@pytest.mark.parametrize("step", [0, 1, 7])
def test_contact_and_files_are_read_however_they_come_in(step: int) -> None:
    files = [("file", ("Räume.pdf", b"%PDF\r\n--edg", "application/pdf")), ("file", ("scan", b"\x00\xff", "Image/PNG; x=1"))]
    request = httpx.Request("POST", "http://ingest.example", data={"contact": '{"a": "ä"}'}, files=files)

    contact, uploads = read(request.read(), request.headers["content-type"], step)

    assert contact.decode() == '{"a": "ä"}'
    assert uploads == (Upload("Räume.pdf", "application/pdf", b"%PDF\r\n--edg"), Upload("scan", "image/png", b"\x00\xff"))


@pytest.mark.parametrize(
    ("filename", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\Users\\\\ann\\\\letter.pdf", "letter.pdf"),
        ("/", "attachment.pdf"),
        ("..", "attachment.pdf"),
        (".", "attachment.pdf"),
        ("a\x00b\x1b[31m.pdf", "ab[31m.pdf"),
        ("\u202egpj.exe", "gpj.exe"),
        ("x" * 3000 + ".pdf", "x" * 196 + ".pdf"),
        ("", "attachment.pdf"),
    ],
)
def test_hostile_names_of_files_become_plain_ones(filename: str, kept: str) -> None:
    _, (upload,) = read(form(CONTACT, part("file", b"%PDF", filename, "Content-Type: application/pdf")))

    assert upload.filename == kept


@pytest.mark.parametrize("given_type", ["", "text", "text/html\x00", "a/" + "b" * 300, "../etc/passwd", "\u00e4/\u00e4"])
def test_what_is_no_media_type_is_not_kept(given_type: str) -> None:
    _, (upload,) = read(form(CONTACT, part("file", b"x", "x", f"Content-Type: {given_type}")))

    assert upload.content_type == "application/octet-stream"


def test_a_field_of_a_browser_without_a_file_is_no_file_and_an_empty_file_is_one() -> None:
    assert read(form(CONTACT, part("file", b"", "")))[1] == ()
    assert read(form(CONTACT, part("file", b"", "empty.txt")))[1] == (Upload("empty.txt", "application/octet-stream", b""),)


def test_files_up_to_the_limits_are_read() -> None:
    contact, uploads = read(
        form(part("contact", b"c" * 100), part("file", b"f" * 50, "1"), part("file", b"f" * 50, "2"), part("file", b"f" * 20, "3"))
    )

    assert (len(contact), [len(upload.content) for upload in uploads]) == (100, [50, 50, 20])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (form(part("contact", b"c" * 101)), "contact is longer than 100"),
        (form(CONTACT, part("file", b"f" * 51, "1")), "file is longer than 50"),
        (form(CONTACT, *[part("file", b"f" * 41, "1") for _ in range(3)]), "120 bytes together"),
        (form(CONTACT, *[part("file", b"", "1") for _ in range(4)]), "more than 3 files"),
    ],
)
@pytest.mark.parametrize("step", [0, 3])
def test_what_goes_over_a_limit_is_refused(body: bytes, why: str, step: int) -> None:
    with pytest.raises(FormTooLarge, match=why):
        read(body, step=step)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "breaks off"),
        (form(CONTACT)[:-6], "breaks off"),
        (CONTACT + part("file", b"half", "1")[:-2], "breaks off"),
        (form(CONTACT, CONTACT), "several parts"),
        (form(CONTACT, part("password", b"x")), "neither contact nor file"),
        (form(part("contact", b"e30=", None, "Content-Transfer-Encoding: base64")), "Transfer-Encoding"),
        (form(b"--edge\r\nX: y\r\n\r\n{}\r\n"), "has no name"),
        (form(part("contact", b"{}", None, "X: " + "y" * 9000)), "not written as"),
        (form(part("contact", b"{}", None, *[f"X{n}: y" for n in range(20)])), "not written as"),
        (b'{"source_system": "desk"}', "not written as"),
    ],
)
def test_what_is_no_form_of_a_contact_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadForm, match=why):
        read(body)


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"]
)
def test_a_form_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadForm, match="boundary"):
        read(form(CONTACT), content_type)


def pieces() -> Iterator[st.SearchStrategy[bytes]]:
    """What forms are made of, whole and broken."""
    yield st.binary(max_size=60)
    yield st.sampled_from(
        [b"\r\n", b"--edge", b"--edge\r\n", b"--edge--", b"\r\n--edge", b"--edge \r\n", b"\r", b"--", CONTACT, part("file", b"x", "y")]
    )
    headers = [
        b"Content-Disposition: ",
        b"form-data",
        b'; name="file"',
        b'; name="contact"',
        b'; filename="',
        b'"',
        b"Content-Type: ",
        b"\xff\xfe",
        b"\\",
    ]
    yield st.sampled_from(headers)


@given(st.lists(st.one_of(*pieces()), max_size=30).map(b"".join), st.integers(1, 40), st.booleans())
def test_no_form_whatever_it_holds_raises_anything_but_its_refusals(body: bytes, step: int, ended: bool) -> None:
    body = CONTACT + body + b"\r\n--edge--" if ended else body
    try:
        contact, uploads = read(body, step=step)
    except (BadForm, FormTooLarge):
        return
    assert len(contact) <= LIMITS.field_bytes
    assert len(uploads) <= LIMITS.files
    assert all(upload.filename and "/" not in upload.filename for upload in uploads)


@given(st.text(max_size=300), st.sampled_from(["application/pdf", "text/plain", "x/y"]))
def test_every_name_of_a_file_becomes_a_plain_one(filename: str, kind: str) -> None:
    encoded = filename.encode("utf-8", "ignore").translate(None, b'\r\n"')
    body = form(
        CONTACT,
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="'
        + encoded
        + b'"\r\nContent-Type: '
        + kind.encode()
        + b"\r\n\r\nx\r\n",
    )
    try:
        _, (upload,) = read(body)
    except BadForm:
        return
    assert 0 < len(upload.filename) <= 200
    assert upload.filename.isprintable()
    assert "/" not in upload.filename
    assert upload.filename not in (".", "..")
