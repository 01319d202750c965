"""A mail in place of one that Graph does not give, from what it tells of it. Pure; the same for the same message."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from services.ingest.gateways.standin import stand_in

UNREADABLE = "This message could not be had from the mailbox in full. Only its header came in; look for the message in the mailbox."
_FIELD_NAME = re.compile(r"[!-9;-~]{1,100}")
_LINE_ENDS = re.compile(r"[\r\n\0]+")


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
    return stand_in("\r\n".join(header).encode("utf-8", "replace"), note)


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
