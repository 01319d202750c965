"""Clocks as pages show them: how much of its time each has used, why it is overdue, what is due next (SLA-1, EDGE-8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple
from uuid import UUID

from services.desk.domain.tasks import due_words

CLOCK_WORDS = {
    "due": "Due date",
    "start": "Start of work",
    "response": "First response",
    "temporary_resolution": "Temporary resolution",
    "resolution": "Final resolution",
    "completion": "Completion",
    "update": "Word to the customer",
    "expiry": "Expiry",
    "lag": "Wait before it begins",
}
ITEM_WORDS = {"case": "Case", "task": "Task", "lead": "Lead", "communication": "Communication"}
TARGET_WORDS = {
    "subject": "The target is that of the subject.",
    "method": "The target is that of the communication method.",
    "organisation": "The target is the organisation’s own.",
    "lead": "The target is that of leads of this type.",
}
PATHS = {"case": "cases", "task": "tasks", "lead": "leads", "communication": "communications"}
NO_DEADLINES = frozenset({"lag", "expiry"})
"""Clocks that nobody has to be in time for."""


class Bar(NamedTuple):
    """A clock's time as a bar of 100: what is used of it up to its budget, where the budget ends, and what went beyond."""

    used: float
    budget: float
    over: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a clock's ledger: what happened at a moment, or how it stood until another."""

    kind: str
    at: datetime
    until: datetime | None
    words: str

    @property
    def is_span(self) -> bool:
        """Whether it tells of a while."""
        return self.kind in ("ran", "paused", "closed")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A clock as a line of a list."""

    id: UUID
    kind: str
    item_kind: str
    item: UUID
    number: str
    title: str
    unit: str
    assignee: str
    priority: str
    state: str
    due_at: datetime
    due_soon_at: datetime | None

    @property
    def kind_words(self) -> str:
        """What it measures, for people."""
        return CLOCK_WORDS.get(self.kind, self.kind.replace("_", " ").capitalize())

    @property
    def path(self) -> str:
        """The page of what it is on."""
        return f"/{PATHS.get(self.item_kind, 'cases')}/{self.item}"

    @property
    def heading(self) -> str:
        """What it is on, or words in its place."""
        return self.title or f"{ITEM_WORDS.get(self.item_kind, 'Item')} {self.number}".strip()


@dataclass(frozen=True, slots=True)
class Ledger:
    """A clock with where its time went. `outcome` empty: it has not stopped for good."""

    kind: str
    state: str
    outcome: str
    summary: str
    started_at: datetime
    due_at: datetime
    due_soon_at: datetime | None
    budget_seconds: float
    used_seconds: float | None
    """None: too long to count."""
    calendar: str
    target: str
    pauses: bool
    entries: tuple[Entry, ...]

    @property
    def kind_words(self) -> str:
        """What it measures, for people."""
        return CLOCK_WORDS.get(self.kind, self.kind.replace("_", " ").capitalize())

    @property
    def target_words(self) -> str:
        """Where its target comes from; empty: from the item itself."""
        return TARGET_WORDS.get(self.target, "")

    @property
    def is_open(self) -> bool:
        """Whether it may still be met or missed."""
        return self.state != "closed"

    @property
    def over_seconds(self) -> float:
        """How much more than its time is used."""
        return max(0.0, (self.used_seconds or 0.0) - self.budget_seconds)

    def standing(self, now: datetime) -> str:
        """How it stands: `met`, `missed`, `stopped`, `paused`, `overdue`, `soon` or `running`."""
        if self.state == "closed":
            return self.outcome if self.outcome in ("met", "missed") else "stopped"
        if self.over_seconds > 0 or self.state == "overdue" or (self.state == "running" and self.due_at <= now):
            return "overdue"
        if self.state == "suspended":
            return "paused"
        return "soon" if self.due_soon_at is not None and self.due_soon_at <= now else "running"

    @property
    def used_words(self) -> str:
        """What is used of its budget, and what went beyond, in words; empty: that is not counted."""
        if self.used_seconds is None:
            return ""
        words = (
            f"{self._amount(self.used_seconds)} used of {self._amount(self.budget_seconds)}{' of working time' if self.calendar else ''}"
        )
        return f"{words}: {self._amount(self.over_seconds)} too much" if self.over_seconds >= 60 else words

    def _amount(self, seconds: float) -> str:
        """Days of work differ in length, so only plain time is told in days."""
        return amount_words(seconds) if self.calendar else short_span(timedelta(seconds=seconds))

    @property
    def bar(self) -> Bar:
        """The same as lengths."""
        spent = self.used_seconds or 0.0
        whole = max(self.budget_seconds, spent, 1.0)
        budget = 100 * self.budget_seconds / whole
        used = 100 * min(spent, self.budget_seconds) / whole
        return Bar(round(used, 1), round(budget, 1), round(100 * self.over_seconds / whole, 1))


@dataclass(frozen=True, slots=True)
class Standing:
    """How many clocks there are of each list."""

    breached: int
    at_risk: int
    upcoming_today: int


def amount_words(seconds: float) -> str:
    """An amount of time in hours and minutes: `4 h`, `3 h 20 min`, `under 1 min`."""
    minutes = int(seconds // 60)
    hours, rest = divmod(minutes, 60)
    if not minutes:
        return "under 1 min" if seconds > 0 else "0 min"
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest else [])])


def till_words(entry: Entry, now: datetime, zone: tzinfo) -> str:
    """When an entry of a ledger ends: only the time where that is on the day on which it began. Empty: it has no end."""
    if entry.until is None:
        return ""
    is_same_day = entry.at.astimezone(zone).date() == entry.until.astimezone(zone).date()
    return f"{entry.until.astimezone(zone):%H:%M}" if is_same_day else due_words(entry.until, now, zone)


def near_words(due_at: datetime, now: datetime) -> str:
    """How far off it is in plain time, in its two largest units: `in 2 h`, `1 d 3 h over`."""
    span = short_span(due_at - now)
    return f"in {span}" if due_at > now else f"{span} over"


def short_span(span: timedelta) -> str:
    """A length of plain time in its two largest units: `1 d 3 h`, `45 min`, `under 1 min`."""
    minutes = int(abs(span).total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    first = next((place for place, (count, _) in enumerate(parts) if count), None)
    if first is None:
        return "under 1 min"
    return " ".join([f"{count} {unit}" for count, unit in parts[first : first + 2] if count])
