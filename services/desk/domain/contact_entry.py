"""A contact that somebody enters by hand: what the form's fields say, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from services.desk.domain.choices import Method
from services.desk.domain.moments import moment_in

HANDLES = {"phone": "Phone number", "email": "Email address", "other": "Postal address, or something else"}
LONGEST_LINE, LONGEST_NAME, LONGEST_HANDLE, LONGEST_TEXT, LONGEST_ANSWER = 998, 200, 320, 100_000, 2000
AHEAD = timedelta(minutes=5)
"""So far a clock may run ahead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was filled in, as it was: to be sent, or to be shown again."""

    location: str = ""
    occurred_at: str = ""
    """Local time, as browsers write it: `2026-03-02T10:00`."""
    name: str = ""
    handle_kind: str = "phone"
    handle: str = ""
    subject_line: str = ""
    text: str = ""
    subjects: Sequence[str] = ()
    answers: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By script and prompt."""


def local_minute(now: datetime, zone: tzinfo) -> str:
    """The time as the form has it."""
    return f"{now.astimezone(zone):%Y-%m-%dT%H:%M}"


def contact_of(entry: Entry, method: Method, zone: tzinfo, now: datetime) -> tuple[dict[str, Any], dict[str, str]]:
    """The contact as ingest takes it, and what is wrong, by field; a contact with errors is not to be sent."""
    errors: dict[str, str] = {}
    if method.locations and entry.location not in method.locations:
        errors["location"] = "Choose where it was."
    at = moment_in(entry.occurred_at, zone)
    if at is None:
        errors["occurred_at"] = "Say when it was: date and time."
    elif at > now + AHEAD:
        errors["occurred_at"] = "That is in the future. Say when it was."
    if entry.handle_kind not in HANDLES:
        errors["handle_kind"] = "Choose one of the list."
    if not entry.name.strip() and not entry.handle.strip():
        errors["name"] = "Say who it was, by a name, or by how to reach them."
    for name, what, longest in (
        ("name", entry.name, LONGEST_NAME),
        ("handle", entry.handle, LONGEST_HANDLE),
        ("subject_line", entry.subject_line, LONGEST_LINE),
        ("text", entry.text, LONGEST_TEXT),
    ):
        if len(what) > longest:
            errors[name] = f"That is longer than {longest} characters."
    if not entry.text.strip() and not entry.subject_line.strip() and not method.default_subject_line:
        errors["text"] = "Say what it was about, here or in the subject line."
    if any(len(answer) > LONGEST_ANSWER for answer in entry.answers.values()):
        errors["answers"] = f"An answer is longer than {LONGEST_ANSWER} characters."
    contact = {
        "method": method.code,
        "location": entry.location if method.locations else "",
        "sender": {"kind": entry.handle_kind, "value": " ".join(entry.handle.split()), "name": " ".join(entry.name.split())},
        "subject_line": " ".join(entry.subject_line.split()),
        "text": entry.text.replace("\r\n", "\n"),
        "occurred_at": (at or now).isoformat(),
        "subjects": list(entry.subjects),
        "scripts": [
            {"script": script, "prompt": prompt, "answer": answer.strip()}
            for (script, prompt), answer in entry.answers.items()
            if answer.strip()
        ],
    }
    return contact, errors
