"""The mail that stands in for one that cannot be taken whole."""

from __future__ import annotations

import pytest

from services.ingest.domain.mail import parse_mail
from services.ingest.gateways.standin import stand_in

pytestmark = pytest.mark.requirement("COM-3")


def test_it_has_the_fields_of_the_mail_and_the_note_as_its_text() -> None:
    header = (
        b"From: =?utf-8?q?J=C3=B6rg?= <joerg@tenant.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=b\r\n"
        b"Subject: Photos\r\n of the leak\r\nContent-Transfer-Encoding: base64\r\nMessage-ID: <1@t.example>\r\n\r\nnot the header"
    )
    mail = parse_mail(stand_in(header, "Too large: 70 MiB – look there."))
    assert mail.subject == "Photos of the leak"
    assert mail.message_id == "<1@t.example>"
    assert mail.text.strip() == "Too large: 70 MiB – look there."
    assert b"not the header" not in stand_in(header, "")


@pytest.mark.parametrize("header", [b"", b"\r\n", b" folded at once\r\n", b"Subject: cut in the mid"])
def test_whatever_is_left_of_the_header_the_note_can_be_read(header: bytes) -> None:
    assert parse_mail(stand_in(header, "The note.")).text.strip() == "The note."
