"""What somebody was told, and how they choose to be: as pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

WEEK = (("mon", "Mon"), ("tue", "Tue"), ("wed", "Wed"), ("thu", "Thu"), ("fri", "Fri"), ("sat", "Sat"), ("sun", "Sun"))
GROUP_WORDS = {
    "assignment": "A task or case is given to you",
    "due_soon": "Something is due soon",
    "overdue": "Something is overdue, or not begun in time",
    "due_changed": "A due date moves",
    "completed": "A task is completed",
    "customer": "A customer writes about what you have",
    "escalation": "Something is escalated to you",
    "approval": "An approval is asked of you, or decided",
    "other": "Anything else",
}
HOW_WORDS = {"email": "By email, at once", "digest": "By email, in a digest", "desk": "On the desk only", "none": "Not at all"}
EVERY_WORDS = {"hour": "Every full hour", "day": "Every day", "working day": "On working days"}
_PATHS = {"task": "/tasks/", "case": "/cases/", "lead": "/leads/", "communication": "/communications/"}
_TOLD_WORDS = {"desk": "on the desk", "email": "by email", "digest": "in a digest"}


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that one was told."""

    id: UUID
    place: int
    headline: str
    about: str
    number: str
    title: str
    path: str
    """Where its item is shown; empty: nowhere."""
    due_at: datetime | None
    at: datetime
    is_read: bool
    told: str
    state: str
    waits_until: datetime | None

    @property
    def case_words(self) -> str:
        """The case that it is on."""
        title = self.title if self.title != self.about else ""
        return " · ".join(part for part in (self.number, title) if part)

    @property
    def told_words(self) -> str:
        """How one is told beside the desk: `by email`, `in a digest`; empty: on the desk only."""
        if self.told == "desk":
            return ""
        words = _TOLD_WORDS.get(self.told, self.told)
        return {"failed": f"could not be sent {words}", "waiting": f"to be sent {words}"}.get(self.state, f"also sent {words}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """How somebody is told: what they chose, what holds without that, and what comes of it."""

    revision: int
    choices: Mapping[str, str]
    defaults: Mapping[str, str]
    required: frozenset[str]
    quiet: Mapping[str, Any] | None
    digest: Mapping[str, Any] | None
    zone: str
    default_quiet: Mapping[str, Any] | None
    default_digest: Mapping[str, Any]
    default_zone: str
    next_digest_at: datetime
    quiet_until: datetime | None


def notification_of(content: Mapping[str, Any]) -> Notification:
    """From the API's answer."""
    path = _PATHS.get(content["item_kind"])
    return Notification(
        id=UUID(content["id"]),
        place=content["place"],
        headline=content["headline"],
        about=content["about"],
        number=content["number"],
        title=content["title"],
        path=f"{path}{UUID(content['item_id'])}" if path else "",
        due_at=_moment(content["due_at"]),
        at=datetime.fromisoformat(content["at"]),
        is_read=content["read_at"] is not None,
        told=content["told"],
        state=content["state"],
        waits_until=_moment(content["waits_until"]),
    )


def chosen_of(content: Mapping[str, Any]) -> Chosen:
    """From the API's answer."""
    return Chosen(
        revision=content["revision"],
        choices=content["choices"],
        defaults=content["defaults"],
        required=frozenset(content["required"]),
        quiet=content["quiet_hours"],
        digest=content["digest"],
        zone=content["time_zone"],
        default_quiet=content["default_quiet_hours"],
        default_digest=content["default_digest"],
        default_zone=content["default_time_zone"],
        next_digest_at=datetime.fromisoformat(content["next_digest_at"]),
        quiet_until=_moment(content["quiet_until"]),
    )


def quiet_words(quiet: Mapping[str, Any] | None) -> str:
    """Quiet hours in words: `20:00 to 07:00, Mon, Tue`; `none`."""
    if quiet is None or not quiet["days"]:
        return "none"
    days = "every day" if len(quiet["days"]) == len(WEEK) else ", ".join(words for day, words in WEEK if day in quiet["days"])
    return f"{quiet['from']} to {quiet['until']}, {days}"


def digest_words(digest: Mapping[str, Any]) -> str:
    """When digests come, in words: `every day at 08:00`."""
    words = EVERY_WORDS[digest["every"]].lower()
    return words if digest["every"] == "hour" else f"{words} at {digest['at']}"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
