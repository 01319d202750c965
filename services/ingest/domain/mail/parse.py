"""From raw bytes to a parsed mail, and to what `casestream mail parse` prints."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime

from services.ingest.domain.mail.addresses import (
    Mailbox,
    addresses_only,
    message_ids,
    name_alone,
    parse_addresses,
    parse_date,
)
from services.ingest.domain.mail.bounces import read_bounce
from services.ingest.domain.mail.calendar import invitation_text
from services.ingest.domain.mail.charsets import begin_mail, clean_text
from services.ingest.domain.mail.fields import MAX_VALUE, Fields, decode_words, first, unfold
from services.ingest.domain.mail.filenames import MAX_FILENAME, clean_filename
from services.ingest.domain.mail.inline import read_enriched, take_out_uuencoded
from services.ingest.domain.mail.model import Attachment, ParsedMail, Robot
from services.ingest.domain.mail.pkcs7 import signed_content
from services.ingest.domain.mail.robots import detect_robot
from services.ingest.domain.mail.signed import SIGNED, without_armor
from services.ingest.domain.mail.structure import Part, read_root
from services.ingest.domain.mail.text import Room, decode_html, decode_plain, html_to_text
from services.ingest.domain.mail.tnef import read_tnef

MAX_TEXT = 10_000_000
MAX_OPENED = 1_000
"""A mail that has so many files has no more of them taken out of others."""
_HEAD_BYTES = 65_536
_MAX_SENDERS = 20_000
"""Characters read of a field that names who sent it."""
_MAX_ENVELOPE = 2_000
"""Characters of a field that holds one address, or a few."""
_ENVELOPE_FIELDS = ("delivered-to", "x-original-to", "x-delivered-to", "x-envelope-to", "envelope-to")
_PLAIN_TYPES = {"text/plain", "text/markdown", "text/x-markdown", "text/enriched"}
_SIGNED_TYPES = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_MESSAGE_TYPES = {"message/rfc822", "message/global"}
_NESTED_HEAD = 16_384
"""Of a nested message so much is read for its subject."""
_BLANK_LINES = re.compile(rb"[\r\n]*+")
_NO_PATH = str.maketrans("/\\", "--")
_TNEF_TYPES = {"application/ms-tnef", "application/vnd.ms-tnef"}


@dataclass(slots=True)
class _Body:
    """One stretch of the mail's text, as plain text, HTML or both."""

    text: str = ""
    html: str = ""


@dataclass(slots=True)
class _Reading:
    raw: bytes
    charset: str = ""
    """Of the first text part that names one: what unencoded 8-bit header fields are most probably in, too."""
    files: list[Attachment] = field(default_factory=list)
    calendar: str = ""
    """What the first invitation among the parts says."""
    is_signed: bool = False
    """It is what a signature holds; another one within stays a file, so that none nests without end."""
    is_rich: bool = False
    """Rich text was read: of one body in a mail, since a little of it may unpack to much."""
    shown: list[Part] = field(default_factory=list)
    """Text files that are to be shown with the mail."""


def parse_mail(raw: bytes) -> ParsedMail:
    """Read a mail as far as it goes. Never raises, whatever the bytes; takes time linear in their number."""
    begin_mail()
    raw, start = _prepared(raw)
    if _is_blank(raw[start:]):
        return ParsedMail(error="empty: there is nothing to read")
    root = read_root(raw, start)
    reading = _Reading(raw)
    bodies = _collect(root, reading)
    text, html, from_html = _compose(bodies)
    if text.startswith(SIGNED):
        text = without_armor(text)
    elif reading.calendar and not text:
        text = reading.calendar
    elif reading.shown and not text and html is None:
        text = _compose([_read_text(part, reading) for part in reading.shown])[0]
    fields, charset = root.head.fields, reading.charset
    subject = _one_line(decode_words(first(fields, "subject"), charset))
    senders = _mailboxes(fields, "from", charset, _MAX_SENDERS)
    name, sender = senders[0] if senders else (name_alone(first(fields, "from"), charset), "")
    if not senders and not name and (senders := _mailboxes(fields, "sender", charset, _MAX_SENDERS)):
        name, sender = senders[0]
    robot = detect_robot(fields, root.content_type, root.head.parameters, sender, subject)
    replied = message_ids(first(fields, "in-reply-to")) if "in-reply-to" in fields else []
    ids = message_ids(first(fields, "message-id")) if "message-id" in fields else []
    return ParsedMail(
        from_address=sender,
        from_name=name,
        to=addresses_only(_mailboxes(fields, "to", charset)),
        cc=addresses_only(_mailboxes(fields, "cc", charset)),
        subject=subject,
        message_id=ids[0] if ids else "",
        in_reply_to=replied[0] if replied else "",
        references=tuple(message_ids(" ".join(fields["references"]))) if "references" in fields else (),
        date=parse_date(first(fields, "date")),
        text=text,
        html=html,
        text_from_html=from_html,
        attachments=tuple(reading.files),
        robot=robot,
        delivered_to=_envelope(fields),
        reply_to=addresses_only(_mailboxes(fields, "reply-to", charset, _MAX_SENDERS)),
        bounce=read_bounce(fields, reading.files, text) if robot is Robot.BOUNCE else None,
        error=_unreadable(raw, start, fields),
    )


def passed_on(raw: bytes) -> datetime | None:
    """When the last mail server says that it received `raw` (RFC 5321, 4.4); None: none says so. Never raises."""
    raw, start = _prepared(raw[:_HEAD_BYTES])
    for value in read_root(raw, start).head.fields.get("received", ())[:10]:
        at = parse_date(unfold(value).rpartition(";")[2].strip())
        if at is not None:
            return at
    return None


def to_json(mail: ParsedMail) -> dict[str, object]:
    """The object that `casestream mail parse` prints; its keys are a contract. Absent values are null."""
    out: dict[str, object] = {
        "from": mail.from_address or None,
        "from_name": mail.from_name,
        "to": list(mail.to),
        "cc": list(mail.cc),
        "subject": mail.subject,
        "message_id": mail.message_id or None,
        "in_reply_to": mail.in_reply_to or None,
        "references": list(mail.references),
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "attachments": [
            {
                "filename": file.filename,
                "content_type": file.content_type,
                "size": len(file.content),
                "sha256": file.sha256,
            }
            for file in mail.attachments
        ],
        "auto_submitted": mail.auto_submitted,
    }
    if mail.error is not None:
        out["error"] = mail.error
    return out


def _prepared(raw: bytes) -> tuple[bytes, int]:
    """Undo what a mail's storage did to it: byte order marks, CR line ends, mbox's first line, leading blank lines."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw.decode("utf-16", "replace").encode("utf-8", "replace")
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    start = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    start = _BLANK_LINES.match(raw, start).end()  # type: ignore[union-attr]
    if raw.startswith((b"From ", b">From "), start):
        line_end = raw.find(b"\n", start)
        start = line_end + 1 if line_end >= 0 else start
    return raw, start


def _unreadable(raw: bytes, start: int, fields: Fields) -> str | None:
    if fields:
        return None
    sample = raw[start : start + 65_536]
    odd = len(sample) - len(sample.translate(None, bytes([*range(9), 11, *range(14, 27), *range(28, 32), 127])))
    try:
        sample[: len(sample) - 4].decode("utf-8")
        odd_enough = odd > 0
    except UnicodeDecodeError:
        odd_enough = odd * 50 > len(sample)
    return "not a mail: no header field, and its bytes are no text" if odd_enough else None


def _mailboxes(fields: Fields, name: str, charset: str, most: int = MAX_VALUE) -> tuple[Mailbox, ...]:
    values = fields.get(name)
    if not values:
        return ()
    if len(values) == 1:
        return parse_addresses(unfold(values[0][:most]), charset)
    # More than one such field is against RFC 5322 and happens: nobody is left out.
    return parse_addresses(unfold(", ".join(values[:100])[:most]), charset)


def _envelope(fields: Fields) -> tuple[str, ...]:
    values = [value for name in _ENVELOPE_FIELDS for value in fields.get(name, ())]
    return (
        addresses_only(one for value in values[:50] if len(value) <= _MAX_ENVELOPE for one in parse_addresses(unfold(value)))
        if values
        else ()
    )


def _is_blank(text: str | bytes) -> bool:
    return not text or text.isspace()


def _one_line(text: str) -> str:
    return text.strip() if text.isprintable() else " ".join(text.split())


def _collect(part: Part, reading: _Reading) -> list[_Body]:
    if part.children:
        found = [body for child in part.children for body in _collect(child, reading)]
        if part.content_type == "multipart/alternative":
            return [_alternative(found)]
        if part.parent == "multipart/alternative" and len(found) > 1:
            # Apple Mail: one of the alternatives is HTML, a file and more HTML; they are one.
            return [_Body("\n\n".join(body.text for body in found if body.text), "\n".join(body.html for body in found if body.html))]
        return found
    head, kind = part.head, part.content_type
    if head.disposition != "attachment" and kind.startswith("text/"):
        unnamed = not head.filename or part.parent in ("", "multipart/alternative")
        if unnamed and (kind == "text/html" or kind in _PLAIN_TYPES):
            return [_read_text(part, reading)]
        if kind == "text/plain":
            reading.shown.append(part)
    data = part.content(reading.raw)
    if len(reading.files) < MAX_OPENED and (kind in _TNEF_TYPES or head.filename.lower() == "winmail.dat"):
        opened = read_tnef(data, may_be_rich=not reading.is_rich)
        if opened is not None:
            reading.is_rich |= opened.is_rich
            for file in opened.files:
                kept = _attachment(file.filename, file.content_type or "application/octet-stream", file.content)
                reading.files.append(kept)
            return [_Body(opened.text, opened.html)]
    signed = signed_content(data) if kind in _SIGNED_TYPES and not reading.is_signed else None
    if kind == "text/calendar" and not reading.calendar:
        reading.calendar = invitation_text(decode_plain(data, head.parameters.get("charset", "utf-8")))
    content_id = first(head.fields, "content-id").strip("<>")
    inline = head.disposition == "inline" or (head.disposition != "attachment" and bool(content_id))
    filename = head.filename
    if not filename and kind in _MESSAGE_TYPES:
        filename = _subject_as_name(data)
    reading.files.append(_attachment(filename, kind, data, inline, clean_text(content_id)))
    return _collect_signed(signed, reading) if signed else []


def _collect_signed(signed: bytes, reading: _Reading) -> list[_Body]:
    within = _Reading(signed, reading.charset, reading.files, reading.calendar, is_signed=True, is_rich=reading.is_rich)
    bodies = _collect(read_root(signed, 0), within)
    reading.charset, reading.calendar, reading.is_rich = within.charset, within.calendar, within.is_rich
    return bodies


def _read_text(part: Part, reading: _Reading) -> _Body:
    parameters = part.head.parameters
    charset = parameters.get("charset", "")
    reading.charset = reading.charset or charset
    data = part.content(reading.raw)
    if part.content_type == "text/html":
        return _Body(html=decode_html(data, charset))
    flowed = parameters.get("format", "").lower() == "flowed"
    if part.content_type == "text/enriched":
        return _Body(text=read_enriched(decode_plain(data, charset)))
    if b"begin " in data and len(reading.files) < MAX_OPENED:
        data, found = take_out_uuencoded(data)
        reading.files.extend(_attachment(filename, "application/octet-stream", content) for filename, content in found)
    delsp = parameters.get("delsp", "").lower() == "yes"
    return _Body(text=decode_plain(data, charset, flowed=flowed, delsp=delsp))


def _subject_as_name(message: bytes) -> str:
    subject = _one_line(decode_words(first(read_root(message[:_NESTED_HEAD], 0).head.fields, "subject")))
    return f"{subject.translate(_NO_PATH)[:MAX_FILENAME]}.eml" if subject.strip(". ") else ""


def _alternative(bodies: list[_Body]) -> _Body:
    """Ways of saying one thing: the plain ones for reading, the last HTML (the richest, RFC 2046) for showing."""
    text = "\n\n".join(dict.fromkeys([body.text.strip("\n") for body in bodies if not _is_blank(body.text)]))
    return _Body(text, next((body.html for body in reversed(bodies) if body.html), ""))


def _compose(bodies: list[_Body]) -> tuple[str, str | None, bool]:
    """The whole text, the HTML as it came, and whether the text is rendered from HTML alone."""
    html = "\n".join(body.html for body in bodies if body.html) or None
    plain = [body.text.strip("\n") for body in bodies if not _is_blank(body.text)]
    if not any(body.html and _is_blank(body.text) for body in bodies):
        return "\n\n".join(plain)[:MAX_TEXT], html, False
    texts: list[str] = []
    room = Room()
    # Some mailers put the two ways of saying one thing side by side; what the plain one has is not said again.
    said = {" ".join(text.split()) for text in plain}
    for body in bodies:
        is_rendered = _is_blank(body.text)
        text = html_to_text(body.html, room) if is_rendered and body.html else body.text.strip("\n")
        if not _is_blank(text) and not (is_rendered and " ".join(text.split()) in said):
            texts.append(text)
    return "\n\n".join(texts)[:MAX_TEXT], html, not plain


def _attachment(filename: str, kind: str, data: bytes, inline: bool = False, content_id: str = "") -> Attachment:
    return Attachment(clean_filename(filename, kind), kind, data, hashlib.sha256(data).hexdigest(), inline, content_id)
