"""Files that go with a message, read back by the standard library."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from services.notify.domain.enclosing import Enclosed, enclose
from services.notify.domain.message import Address, Message, write

pytestmark = pytest.mark.requirement("NOTE-2")
PHOTO = bytes(range(256)) * 40
LONG = "Überlaufventil der Zisterne im Hof, von Süden gesehen, " * 4 + "é.pdf"


def a_message(html: str | None = None) -> bytes:
    return write(
        Message(
            message_id="<a.b@housing.example>",
            sender=Address("contact@housing.example", "Test Homes"),
            to=Address("ann@customer.example", "Ann Bell"),
            subject_line="Grüße " + "wort " * 30,
            date=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
            text="Dear Ann,\n\nsee the photo. Größe: 1.\n",
            html=html,
            references=("<thread@housing.example>", "<question@customer.example>"),
            is_automatic=False,
        )
    ).content


def read(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not [part.defects for part in message.walk() if part.defects]
    return message


@pytest.mark.parametrize("html", [None, "<p>Dear Ann</p>"])
def test_a_message_comes_with_its_files_and_says_what_it_said_without(html: str | None) -> None:
    before = read(a_message(html))
    files = [
        Enclosed("ceiling.jpg", "image/jpeg", PHOTO),
        Enclosed(LONG, "application/pdf", b"%PDF"),
        Enclosed('a "quoted".txt', "text/plain", b"\xff\r\n.\r\nFrom here"),
        Enclosed("empty.bin", "nonsense", b""),
        Enclosed("mail.eml", "message/rfc822", b"Subject: x\n\nbody"),
    ]
    content = enclose(a_message(html), files)
    message = read(content)
    body, kept = message.get_body(("plain",)), before.get_body(("plain",))
    assert body is not None
    assert kept is not None
    assert body.get_content() == kept.get_content()
    assert (message.get_body(("html",)) is not None) == (html is not None)
    for name in ("Message-ID", "Subject", "From", "To", "Date", "In-Reply-To"):
        assert message[name] == before[name]
        assert len(message.get_all(name)) == 1
    assert "Auto-Submitted" not in message, "a person wrote it"
    found = [(part.get_filename(), part.get_content_type(), part.get_payload(decode=True)) for part in message.iter_attachments()]
    assert found == [
        ("ceiling.jpg", "image/jpeg", PHOTO),
        (LONG, "application/pdf", b"%PDF"),
        ('a "quoted".txt', "text/plain", b"\xff\r\n.\r\nFrom here"),
        ("empty.bin", "application/octet-stream", b""),
        ("mail.eml", "application/octet-stream", b"Subject: x\n\nbody"),
    ]
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert enclose(a_message(html), files) == content, "sent again it is the same"


def test_without_files_nothing_changes_and_a_text_cannot_end_its_part() -> None:
    message = a_message()
    assert enclose(message, []) == message
    boundary = b"=_maHoused"
    inner = enclose(message, [Enclosed("a.txt", "text/plain", b"a")])
    nested = message.replace(b"see the photo", inner.split(b'boundary="')[1].split(b'"')[0])
    assert boundary not in nested
    (file,) = read(enclose(nested, [Enclosed("b.txt", "text/plain", b"b")])).iter_attachments()
    assert file.get_payload(decode=True) == b"b"
