"""A task as the pages show it: when it is due in words, and whether it is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from uuid import UUID

STATE_WORDS = {
    "planned": "Planned",
    "pending": "Pending",
    "in_progress": "In progress",
    "completed": "Completed",
    "cancelled": "Cancelled",
}
OPEN = ("pending", "in_progress")


@dataclass(frozen=True, slots=True)
class Task:
    """What a page knows of a task."""

    id: UUID
    revision: int
    subject_line: str
    case_number: str
    case_title: str
    state: str
    priority: str
    due_at: datetime | None
    assignee: str | None
    owner_kind: str
    owner_code: str
    unit: str
    customer_name: str = ""
    customer_email: str = ""
    description: str = ""
    message: str = ""
    instructions: str = ""
    case: UUID | None = None
    contact: UUID | None = None
    start_by: datetime | None = None
    """By when work on it is to begin; None as well once it has begun."""
    account: UUID | None = None
    lead: UUID | None = None
    """The lead that it is for: number and title are then the lead's."""

    @property
    def is_lent(self) -> bool:
        """Whether somebody else has it than the one that it is for."""
        return self.owner_kind == "user" and self.assignee not in (None, self.owner_code)

    @property
    def state_word(self) -> str:
        """The life-cycle state for people."""
        return STATE_WORDS.get(self.state, self.state)

    @property
    def is_open(self) -> bool:
        """Whether somebody has something to do."""
        return self.state in OPEN

    def is_overdue(self, now: datetime) -> bool:
        """Whether its time is over and it is not done."""
        return self.is_open and self.due_at is not None and self.due_at < now


def due_words(due_at: datetime, now: datetime, zone: tzinfo) -> str:
    """When it is due as people say it, in local time: `today 14:30`, `tomorrow 09:00`, `Fri 4 Dec, 17:00`."""
    local, today = due_at.astimezone(zone), now.astimezone(zone).date()
    clock = f"{local:%H:%M}"
    near = {today - timedelta(days=1): "yesterday", today: "today", today + timedelta(days=1): "tomorrow"}
    if local.date() in near:
        return f"{near[local.date()]} {clock}"
    return f"{_day_words(local.date(), today)}, {clock}"


def _day_words(day: date, today: date) -> str:
    words = f"{day:%a} {day.day} {day:%b}"
    return words if day.year == today.year else f"{words} {day.year}"


def day_heading(day: date, today: date) -> str:
    """A day as the heading of what is on it: `Today, Mon 23 Nov`."""
    near = {today - timedelta(days=1): "Yesterday, ", today: "Today, ", today + timedelta(days=1): "Tomorrow, "}
    return f"{near.get(day, '')}{_day_words(day, today)}"


def span_words(span: timedelta) -> str:
    """A length of time in its largest whole unit: `3 days`, `1 hour`, `less than a minute`."""
    seconds = int(abs(span).total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = seconds // length
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
