"""On ordinary mails our parser says what two independent ones say: the standard library's and fast-mail-parser."""

import email
import hashlib
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime

import fast_mail_parser
import pytest

from services.ingest.domain.mail import ParsedMail, parse_mail, to_json
from tests.support.mails import ordinary_mails

_MAILS = list(ordinary_mails(60, seed=20))


def _variants(raw: bytes) -> list[bytes]:
    return [raw, raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")]


def _words(text: str) -> list[str]:
    return text.split()


def _by_stdlib(raw: bytes) -> dict[str, object]:
    message = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body is not None
    (sender,) = getaddresses([str(message["From"])])
    return {
        "from": sender[1],
        "from_name": sender[0],
        "to": [address for _, address in getaddresses([str(message["To"])])],
        "cc": [address for _, address in getaddresses([str(message["Cc"] or "")]) if address],
        "subject": str(message["Subject"]),
        "message_id": str(message["Message-ID"]),
        "in_reply_to": message["In-Reply-To"] and str(message["In-Reply-To"]),
        "references": str(message["References"] or "").split(),
        "date": parsedate_to_datetime(str(message["Date"])).isoformat(),
        "text": _words(body.get_content()),
        "attachments": [
            {
                "filename": part.get_filename(),
                "content_type": part.get_content_type(),
                "size": len(part.get_content()),
                "sha256": hashlib.sha256(part.get_content()).hexdigest(),
            }
            for part in message.iter_attachments()
        ],
        "auto_submitted": False,
    }


@pytest.mark.requirement("COM-3")
def test_an_ordinary_mail_is_read_as_the_standard_library_reads_it() -> None:
    for mail in _MAILS:
        expected = _by_stdlib(mail)
        for raw in _variants(mail):
            ours = to_json(parse_mail(raw))
            ours["text"] = _words(str(ours["text"]))
            assert ours == expected


def test_an_ordinary_mail_is_read_as_fast_mail_parser_reads_it() -> None:
    for raw in _MAILS:
        theirs = fast_mail_parser.parse_email(raw)
        ours: ParsedMail = parse_mail(raw)
        assert theirs.from_ is not None
        assert (ours.from_name, ours.from_address) == (theirs.from_.display_name, theirs.from_.address)
        assert ours.to == tuple(one.address for one in theirs.to)
        assert ours.subject == theirs.subject
        assert ours.date == theirs.date_parsed
        assert _words(ours.text) == _words(theirs.text_plain[0])
        assert _words(ours.html or "") == _words(theirs.text_html[0])
        assert [(a.filename, a.content) for a in ours.attachments] == [(a.filename, a.content) for a in theirs.attachments]
