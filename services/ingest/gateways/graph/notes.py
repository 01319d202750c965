"""A mail in place of one that cannot be taken whole: its header, and a note instead of its text. Pure; the same for the same message."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

HEADER_BYTES = 256 * 1024
TOO_LARGE = "This message is larger than casestream takes. Only its header came in; the whole message is in the mailbox."
UNREADABLE = "This message could not be had from the mailbox in full. Only its header came in; look for the message in the mailbox."
_FIELD_NAME = re.compile(r"[!-9;-~]{1,100}")
_OF_THE_BODY = re.compile(rb"(content-[a-z-]*|mime-version)[ \t]*:", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\r\n\0]+")


def note_from_start(start: bytes, note: str) -> bytes:
    """`note` under the header that the raw mail begins with."""
    lines = start[:HEADER_BYTES].splitlines(keepends=True)
    if len(start) > HEADER_BYTES and lines:
        lines.pop()
    header: list[bytes] = []
    skip = False
    for line in lines:
        bare = line.rstrip(b"\r\n")
        if not bare:
            break
        # A field goes on over the lines that begin with white space (RFC 5322, 2.2.3).
        if bare[:1] not in (b" ", b"\t"):
            skip = _OF_THE_BODY.match(bare) is not None
        if not skip:
            header.append(bare)
    return _with_note(header, note)


def note_from_message(mailbox: str, message: str, facts: dict[str, Any], note: str) -> bytes:
    """`note` under the header that Graph tells of the message. `message`: its id. `facts`: its properties, as far as they could be had."""
    header = [f"{name}: {value}" for name, value in _fields(facts.get("internetMessageHeaders"))]
    have = {line.partition(":")[0].lower() for line in header}
    own = facts.get("internetMessageId")
    instead = {
        "from": _address(facts.get("from")) or mailbox,
        "to": mailbox,
        "subject": facts.get("subject") or "Message that could not be read",
        # The id must be the same whenever this is tried, or the note would come in each time.
        "message-id": own if isinstance(own, str) and own else f"<{sha256(message.encode()).hexdigest()[:32]}@graph.invalid>",
    }
    header += [f"{name.title()}: {_one_line(str(value))}" for name, value in instead.items() if name not in have]
    lines = [line.encode("utf-8", "replace") for line in header]
    return _with_note([line for line in lines if not _OF_THE_BODY.match(line)], note)


def _fields(given: object) -> Iterable[tuple[str, str]]:
    for field in given if isinstance(given, list) else []:
        if isinstance(field, dict):
            name, value = field.get("name"), field.get("value")
            if isinstance(name, str) and isinstance(value, str) and _FIELD_NAME.fullmatch(name):
                yield name, _one_line(value)


def _address(sender: object) -> str:
    address = sender.get("emailAddress") if isinstance(sender, dict) else None
    value = address.get("address") if isinstance(address, dict) else None
    return _one_line(value) if isinstance(value, str) else ""


def _one_line(text: str) -> str:
    return _LINE_ENDS.sub(" ", text).strip()


def _with_note(header: list[bytes], note: str) -> bytes:
    body = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + note.encode() + b"\r\n"
    return b"".join(line + b"\r\n" for line in [*header, b"MIME-Version: 1.0"]) + body
