"""Bodies and files out of MIME, whole or broken."""

import base64
import hashlib

import pytest

from services.ingest.domain.mail import Robot, parse_mail, to_json
from tests.support.mails import multipart, raw_mail

PDF = bytes(range(256)) * 3
PDF_PART = "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(PDF).decode()
TEXT_PART = "Content-Type: text/plain; charset=utf-8\n\nHello"
HTML_PART = "Content-Type: text/html; charset=utf-8\n\n<p>Hello in <b>HTML</b></p>"
IMAGE_PART = "Content-Type: image/png\nContent-ID: <logo@x>\nContent-Disposition: inline\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo="


def _nested(kind: str, *parts: str, boundary: str = "b2") -> str:
    inner = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{inner}--{boundary}--\n"


def _files(raw: bytes) -> list[tuple[str, str, bytes]]:
    return [(file.filename, file.content_type, file.content) for file in parse_mail(raw).attachments]


@pytest.mark.requirement("COM-3")
def test_a_plain_mail_gives_subject_body_and_sender() -> None:
    out = to_json(parse_mail(raw_mail(body="Hello\nthere\n")))
    assert out == {
        "from": "ann@tenant.example",
        "from_name": "Ann Lee",
        "to": ["contact@housing.example"],
        "cc": [],
        "subject": "Leak",
        "message_id": "<m1@tenant.example>",
        "in_reply_to": None,
        "references": [],
        "date": "2026-03-02T09:30:00+01:00",
        "text": "Hello\nthere",
        "attachments": [],
        "auto_submitted": False,
    }


@pytest.mark.requirement("COM-3")
def test_every_file_of_a_mail_is_captured() -> None:
    related = _nested("related", HTML_PART, IMAGE_PART, boundary="b3")
    raw = multipart(_nested("alternative", TEXT_PART, related), PDF_PART, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR")
    mail = parse_mail(raw)
    assert mail.text == "Hello"
    assert mail.html == "<p>Hello in <b>HTML</b></p>"
    assert _files(raw) == [
        ("attachment.png", "image/png", b"\x89PNG\r\n\x1a\n"),
        ("a.pdf", "application/pdf", PDF),
        ("attachment.ics", "text/calendar", b"BEGIN:VCALENDAR"),
    ]
    assert [(file.inline, file.content_id) for file in mail.attachments] == [(True, "logo@x"), (False, ""), (False, "")]
    assert mail.attachments[1].sha256 == hashlib.sha256(PDF).hexdigest()


@pytest.mark.requirement("COM-3")
def test_a_nested_message_is_one_file_of_its_raw_bytes() -> None:
    inner = multipart(TEXT_PART, PDF_PART, boundary="b1x", head="Subject: inner")
    raw = multipart(TEXT_PART, b"Content-Type: message/rfc822\r\n\r\n" + inner)
    assert _files(raw) == [("inner.eml", "message/rfc822", inner)]
    assert parse_mail(raw).subject == "Leak"
    assert parse_mail(raw).text == "Hello"


def test_a_digest_holds_messages() -> None:
    raw = multipart("\nSubject: one\n\nOne", "Content-Type: text/plain\n\nTwo", kind="digest")
    assert [kind for _, kind, _ in _files(raw)] == ["message/rfc822"]
    assert parse_mail(raw).text == "Two"


def test_a_bounce_gives_its_report_and_the_returned_mail() -> None:
    raw = multipart(
        TEXT_PART,
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example",
        "Content-Type: message/rfc822\n\nSubject: returned\n\nx",
        kind="report; report-type=delivery-status",
    )
    mail = parse_mail(raw)
    assert (mail.robot, mail.auto_submitted, mail.text) == (Robot.BOUNCE, True, "Hello")
    assert [file.content_type for file in mail.attachments] == ["message/delivery-status", "message/rfc822"]


def test_text_parts_are_joined_and_named_ones_are_files() -> None:
    raw = multipart(
        TEXT_PART,
        "Content-Type: text/plain\nContent-Disposition: attachment; filename=log.txt\n\nlog",
        "Content-Type: text/plain; name=notes.txt\nContent-Disposition: inline; filename=notes.txt\n\nnotes",
        "Content-Type: text/plain\n\nA list's footer",
    )
    assert parse_mail(raw).text == "Hello\n\nA list's footer"
    assert [name for name, _, _ in _files(raw)] == ["log.txt", "notes.txt"]


def test_html_beside_plain_text_is_not_lost_nor_said_twice() -> None:
    raw = multipart(TEXT_PART, PDF_PART, "Content-Type: text/html\n\n<p>More below</p>", "Content-Type: text/html\n\n<p>Hello</p>")
    assert parse_mail(raw).text == "Hello\n\nMore below"


def test_an_empty_plain_part_leaves_the_html_to_read() -> None:
    mail = parse_mail(multipart("Content-Type: text/plain\n\n \n", HTML_PART, kind="alternative"))
    assert (mail.text, mail.text_from_html) == ("Hello in HTML", True)


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_every_line_end_is_read(line_end: str) -> None:
    raw = multipart(TEXT_PART, PDF_PART).replace(b"\r\n", line_end.encode())
    assert parse_mail(raw).text == "Hello"
    assert _files(raw) == [("a.pdf", "application/pdf", PDF)]


def test_line_ends_may_be_mixed() -> None:
    raw = (
        b"From: a@x.example\nSubject: s\r\nContent-Type: multipart/mixed; boundary=q\n\r\n"
        b"--q\r\n\nHello\r--q--x\n--q\nContent-Type: a/b\r\n\nX\r\n--q--"
    )
    assert parse_mail(raw).subject == "s"
    assert _files(raw) == [("attachment.bin", "a/b", b"X")]


@pytest.mark.parametrize(
    "raw",
    [
        multipart(TEXT_PART, PDF_PART, ending=""),
        multipart(TEXT_PART, PDF_PART).replace(b'; boundary="b1"', b""),
        multipart(TEXT_PART, PDF_PART).replace(b'; boundary="b1"', b"; boundary=other"),
        multipart(TEXT_PART, PDF_PART).replace(b'boundary="b1"', b"boundary=b1 "),
        multipart(TEXT_PART, PDF_PART).replace(b"--b1\r\n", b"--b1 \t\r\n"),
        multipart(TEXT_PART, PDF_PART).replace(b"Hello\r\n--b1", b"Hello\r\n--b1--\r\n--b1"),
        multipart(TEXT_PART, PDF_PART).replace(b"multipart/mixed", b"multipart"),
        b"\xef\xbb\xbf" + multipart(TEXT_PART, PDF_PART),
        b"From ann Mon Mar  2 09:30:00 2026\r\n" + multipart(TEXT_PART, PDF_PART),
        b"\r\n\r\n" + multipart(TEXT_PART, PDF_PART),
        multipart(TEXT_PART, PDF_PART).replace(b"MIME-Version", b"a line that is no field\r\nMIME-Version"),
        multipart(TEXT_PART, PDF_PART).replace(b"base64\r\n", b"BASE64 (sic)\r\n"),
        multipart(TEXT_PART, PDF_PART).decode().encode("utf-16"),
    ],
    ids=["no end", "no boundary", "wrong boundary", "blank after", "blanks in line", "early end", "bare type", "bom",
         "mbox", "blank lines first", "line without colon", "odd encoding name", "utf-16"],
)  # fmt: skip
@pytest.mark.requirement("COM-3")
def test_a_broken_multipart_still_gives_its_text_and_file(raw: bytes) -> None:
    mail = parse_mail(raw)
    assert (mail.subject, mail.text, mail.error) == ("Leak", "Hello", None)
    assert _files(raw) == [("a.pdf", "application/pdf", PDF)]


def test_a_boundary_that_begins_like_another_is_told_apart() -> None:
    assert parse_mail(multipart(_nested("alternative", TEXT_PART, HTML_PART, boundary="b1-inner"), PDF_PART)).text == "Hello"


def test_a_multipart_without_parts_is_text() -> None:
    mail = parse_mail(raw_mail("Content-Type: multipart/mixed; boundary=zz", "Just text"))
    assert (mail.text, mail.attachments) == ("Just text", ())


@pytest.mark.parametrize("kind", ["", "nonsense", "text", "text/", "plain", ";", "text/plain; charset"])
def test_a_wrong_type_is_text(kind: str) -> None:
    assert parse_mail(raw_mail(f"Content-Type: {kind}", "Hello")).text == "Hello"


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        ("SGVs\nbG8=", b"Hello"),
        ("SGVsbG8", b"Hello"),
        ("SGVsbG8====", b"Hello"),
        ("S!GV s*bG8=", b"Hello"),
        ("SGU=\nbGxv", b"Hello"),
        ("SGVsbG8=\n_____\nSent by the list, no data!", b"Hello"),
        ("SGVsbG8=A", b"Hello"),
        ("", b""),
    ],
)
def test_broken_base64_gives_what_is_there(encoded: str, content: bytes) -> None:
    raw = raw_mail("Content-Type: application/x\nContent-Transfer-Encoding: base64", encoded)
    assert [data for _, _, data in _files(raw)] == [content]


def test_other_encodings() -> None:
    quoted = raw_mail("Content-Transfer-Encoding: Quoted-Printable\nContent-Type: text/plain; charset=utf-8", "=C3=BC=ZZ =\nx=")
    assert parse_mail(quoted).text == "ü=ZZ x"
    uu = raw_mail("Content-Transfer-Encoding: x-uuencode\nContent-Type: a/b", "begin 644 x\n%2&5L;&\\\n`\nend\n")
    assert [data for _, _, data in _files(uu)] == [b"Hello"]
    lf = raw_mail("Content-Type: a/b\nContent-Transfer-Encoding: quoted-printable", "a=3Db\nc\n", line_end="\n")
    assert [data for _, _, data in _files(lf)] == [b"a=b\nc\n"]


def test_bytes_that_are_no_mail() -> None:
    assert "error" in to_json(parse_mail(b""))
    assert "error" in to_json(parse_mail(b" \r\n\r\n"))
    assert "error" in to_json(parse_mail(bytes(range(256))))
    assert "error" not in to_json(parse_mail(b"Hello there,\nthe tap leaks.\n"))
    assert parse_mail(b"Hello there,\nthe tap leaks.\n").text == "Hello there,\nthe tap leaks."


def test_a_head_without_a_body() -> None:
    mail = parse_mail(b"From: a@x.example\r\nSubject: s")
    assert (mail.from_address, mail.subject, mail.text, mail.error) == ("a@x.example", "s", "", None)


def test_a_body_that_begins_without_an_empty_line() -> None:
    mail = parse_mail(b"From: a@x.example\nSubject: s\nHello, the tap leaks\nsince Monday\n\nAnn")
    assert (mail.subject, mail.text) == ("s", "Hello, the tap leaks\nsince Monday\n\nAnn")


def test_what_is_nested_too_deep_is_kept_as_a_file() -> None:
    part = TEXT_PART
    for depth in range(60):
        part = _nested("mixed", part, boundary=f"x{depth}x")
    mail = parse_mail(multipart(part))
    assert len(mail.attachments) == 1
    assert b"Hello" in mail.attachments[0].content


def test_what_comes_after_too_many_parts_is_kept_as_a_file() -> None:
    raw = multipart(*["Content-Type: a/b\n\nx"] * 2_500, "Content-Type: a/b\n\nthe last")
    mail = parse_mail(raw)
    assert len(mail.attachments) == 2_000
    assert mail.attachments[-1].filename == "unread-parts.bin"
    assert b"the last" in mail.attachments[-1].content
