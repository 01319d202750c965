"""A message in MIME, written directly: RFC 5322 and 2045-2047, always the same bytes for the same message.

The standard library's `EmailMessage` takes several times as long, most of it to parse again what we have just put together; the tests read
every kind of message back with it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple

from services.notify.domain.templates import one_line

LONGEST_SUBJECT = 250
_NOT_PLAIN = re.compile(r"[^\x20-\x7e]")
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\r\n")
_LINE_END = re.compile(r"\r\n|\r|\n")
_LONGEST_LINE = 900
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}@([^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,253})")
_OF_A_WORD = re.compile(r"[\w-]")
_FOLD_AT = 76
_ENCODED_BYTES = 45


class UnusableAddress(ValueError):
    """The address cannot be written to; no attempt will change that."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address and the name shown with it."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says and where it goes. `references` are Message-IDs with their angle brackets."""

    message_id: str
    sender: Address
    to: Address
    subject_line: str
    date: datetime
    text: str
    html: str | None = None
    reply_to: Address | None = None
    references: tuple[str, ...] = ()
    """The last one is what this is an answer to."""
    language: str = ""
    """Its tag (BCP 47); empty: not said."""
    is_automatic: bool = True
    """Whether no person wrote it: then no machine is to answer it."""


class Written(NamedTuple):
    """A message ready for SMTP. `international`: it has an address outside ASCII, so the server must know SMTPUTF8 (RFC 6531).

    `subject_line` and `text` are what its reader sees.
    """

    sender: str
    recipient: str
    content: bytes
    international: bool
    subject_line: str = ""
    text: str = ""


def write(message: Message) -> Written:
    """The bytes of `message`, with CRLF line ends. Raises `UnusableAddress`."""
    sender, recipient = wire_address(message.sender.address), wire_address(message.to.address)
    head = [
        f"Message-ID: {one_line(message.message_id)}",
        f"Date: {format_datetime(message.date)}",
        f"From: {_mailbox(message.sender.name, sender)}",
        f"To: {_mailbox(message.to.name, recipient)}",
        f"Subject: {_folded(_clipped(message.subject_line), 9)}",
        "MIME-Version: 1.0",
    ]
    if message.is_automatic:
        head += ["Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: All"]
    if message.reply_to is not None:
        head.append(f"Reply-To: {_mailbox(message.reply_to.name, wire_address(message.reply_to.address))}")
    if message.references:
        references = [one_line(reference) for reference in message.references]
        head += [f"In-Reply-To: {references[-1]}", "References: " + "\r\n ".join(references)]
    if message.language:
        head.append(f"Content-Language: {one_line(message.language)}")
    if message.html is None:
        body = _part("plain", message.text)
    else:
        boundary = _boundary(message)
        head.append(f'Content-Type: multipart/alternative; boundary="{boundary}"')
        plain, html = _part("plain", message.text), _part("html", message.html)
        body = f"\r\n--{boundary}\r\n{plain}\r\n--{boundary}\r\n{html}\r\n--{boundary}--\r\n"
    content = ("\r\n".join(head) + "\r\n" + body).encode("utf-8", "replace")
    return Written(sender, recipient, content, not (sender + recipient).isascii(), message.subject_line, message.text)


def numbered(subject_line: str, number: str) -> str:
    """The subject line with the case's number in brackets, `[C-2026-000123]`: where it stands already, else in front.

    Replies keep it, and are recognised by it.
    """
    if not number or f"[{number}]" in subject_line:
        return subject_line
    # Looked for as text: a regular expression would be compiled for each number.
    start = subject_line.find(number)
    while start >= 0:
        end = start + len(number)
        around = (subject_line[start - 1 : start], subject_line[end : end + 1])
        if not any(_OF_A_WORD.match(character) for character in around):
            return f"{subject_line[:start]}[{number}]{subject_line[end:]}"
        start = subject_line.find(number, start + 1)
    return f"[{number}] {subject_line}"


def wire_address(address: str) -> str:
    """The address as it goes over SMTP: a domain outside ASCII in its IDNA form. Raises `UnusableAddress`."""
    match = _ADDRESS.fullmatch(address)
    if match is None or len(address) > 320:
        raise UnusableAddress("not an email address")
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise UnusableAddress("the address's domain is no domain name") from error


def _clipped(subject_line: str) -> str:
    words = " ".join(one_line(subject_line).split())
    return words if len(words) <= LONGEST_SUBJECT else words[: LONGEST_SUBJECT - 1] + "…"


def _mailbox(name: str, address: str) -> str:
    name = " ".join(one_line(name).split())[:120]
    if not name:
        return address
    if _ATOMS.fullmatch(name) and "=?" not in name:
        return f"{name}\r\n <{address}>" if len(name) + len(address) > _FOLD_AT - 12 else f"{name} <{address}>"
    if not _NOT_PLAIN.search(name) and "=?" not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"\r\n <{address}>'
    return f"{_encoded_words(name)}\r\n <{address}>"


def _folded(text: str, used: int) -> str:
    """Header text with folds, in encoded words where it is not ASCII. `used`: what the header's name takes of the first line."""
    if _NOT_PLAIN.search(text) or "=?" in text or max(map(len, text.split(" "))) > 900:
        return _encoded_words(text)
    if len(text) + used <= _FOLD_AT:
        return text
    lines, line = [], ""
    for word in text.split(" "):
        if line and used + len(line) + 1 + len(word) > _FOLD_AT:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\r\n ".join(lines)


def _encoded_words(text: str) -> str:
    """RFC 2047 encoded words, none of which cuts a character in two."""
    words: list[bytes] = []
    chunk = b""
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > _ENCODED_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    return "\r\n ".join([f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words])


def _part(subtype: str, text: str) -> str:
    """Headers and body of a text part, from `Content-Type` on."""
    text = _LINE_END.sub("\r\n", text) if "\r" in text else text.replace("\n", "\r\n")
    if not text.endswith("\r\n"):
        text += "\r\n"
    encoded = text.encode("utf-8", "replace")
    is_plain = text.isascii() and len(encoded.translate(None, _CONTROLS)) == len(encoded)
    if is_plain and max(map(len, text.split("\r\n"))) < _LONGEST_LINE:
        return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{text}"
    quoted = b2a_qp(encoded, istext=True).decode("ascii")
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}"


def _boundary(message: Message) -> str:
    """Made from the Message-ID, so that a message sent again is the same to the byte; longer until no part contains it."""
    boundary = "=_" + re.sub(r"[^A-Za-z0-9]", "", message.message_id)[-32:]
    while boundary in message.text or boundary in (message.html or ""):
        boundary += "_"
    return boundary
