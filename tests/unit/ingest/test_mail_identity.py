"""The digest that recognises a mail delivered again."""

import pytest

from services.ingest.domain.mail import content_digest, parse_mail
from tests.support.mails import multipart, raw_mail

_PARTS = ("Content-Type: text/plain\n\nHello", "Content-Type: application/pdf; name=a.pdf\n\n%PDF")


def _digest(raw: bytes) -> str:
    return content_digest(parse_mail(raw))


@pytest.mark.requirement("COM-7")
@pytest.mark.parametrize(
    "head",
    [
        "Received: from a by b with ESMTP id 1; Mon, 02 Mar 2026 09:30:01 +0100",
        "Return-Path: <ann@tenant.example>\nDelivered-To: other@housing.example",
        "DKIM-Signature: v=1; a=rsa-sha256; b=abc",
        "X-Spam-Score: 3",
    ],
)
def test_the_same_mail_delivered_another_way_has_the_same_digest(head: str) -> None:
    raw = multipart(*_PARTS)
    assert _digest((head + "\n").replace("\n", "\r\n").encode() + raw) == _digest(raw)


def test_a_mail_stored_with_other_line_ends_has_the_same_digest() -> None:
    raw = multipart(_PARTS[0], "Content-Type: text/html\n\n<p>Hello</p>\n<p>more</p>", kind="alternative")
    assert _digest(raw.replace(b"\r\n", b"\n")) == _digest(raw)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"Hello", b"Hullo"),
        (b"%PDF", b"%PDf"),
        (b"a.pdf", b"b.pdf"),
        (b"Subject: Leak", b"Subject: Leaks"),
        (b"<m1@", b"<m2@"),
        (b"ann@tenant", b"bob@tenant"),
        (b"09:30:00", b"09:30:01"),
        (b"To: contact@", b"To: repairs@"),
        (b"To: contact@", b"Cc: contact@"),
    ],
)
def test_another_mail_has_another_digest(was: bytes, becomes: bytes) -> None:
    raw = multipart(*_PARTS)
    assert _digest(raw.replace(was, becomes)) != _digest(raw)


def test_the_digest_of_a_mail_stays_what_it_is() -> None:
    # Communications already stored were identified by it: changing it makes redelivered mail look new.
    assert _digest(raw_mail(body="Hello")) == "aecf8035424848fe3558c26cec971bab694057727d73301dbb856c2c9e136377"


def test_a_digest_is_taken_of_any_bytes() -> None:
    assert len(_digest(b"\xff\x00")) == 64
