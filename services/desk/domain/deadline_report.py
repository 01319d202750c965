"""How deadlines were kept: shares by group, and how long things took (SLA-1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

USUAL_DAYS = 30
"""The period of a report that names none, today included."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Clocks of a group that ended in the period, by how; and those that fell due in it and are still open. `share`: met of met, missed
    and still open, 0 to 1; None: there are none of these.
    """

    group: str
    met: int
    missed: int
    cancelled: int
    open_overdue: int
    share: float | None

    @property
    def percent(self) -> int | None:
        """Per cent met; not 100 unless all were."""
        if self.share is None:
            return None
        return 99 if 0.99 < self.share < 1 else round(100 * self.share)


class Times(NamedTuple):
    """How long it took in seconds: for the half, for nine of ten, for 95 of 100, and at most. None: that is not known."""

    half: float | None
    most: float | None
    nearly_all: float | None
    longest: float | None


@dataclass(frozen=True, slots=True)
class Took:
    """A group's times of one kind of clock: of the time that counts, and as days go by."""

    group: str
    kind: str
    count: int
    used: Times
    elapsed: Times


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows."""

    rows: tuple[Kept, ...]
    total: Kept
    times: tuple[Took, ...]

    def of_kind(self, kind: str) -> tuple[Took, ...]:
        """The times of this kind of clock."""
        return tuple([each for each in self.times if each.kind == kind])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that there are times of, in their order."""
        return tuple(dict.fromkeys([each.kind for each in self.times]))


class Period(NamedTuple):
    """Days, both included; as the form has them where something is wrong with them."""

    first: str
    last: str
    error: str = ""

    def moments(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """When the first day begins and the last is over."""
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        return datetime.combine(first, time(), zone), datetime.combine(last + timedelta(days=1), time(), zone)


def period_of(first: str, last: str, today: date) -> Period:
    """What was asked for, the usual where nothing was; with an error for people where it makes no sense."""
    try:
        end = date.fromisoformat(last) if last else today
        begin = date.fromisoformat(first) if first else end - timedelta(days=USUAL_DAYS - 1)
    except (ValueError, OverflowError):
        return Period(first, last, "A day is written like 2026-03-31.")
    if end < begin:
        return Period(first, last, "The first day is after the last.")
    if not (date(1970, 1, 1) <= begin and end < date(9999, 1, 1)):
        return Period(first, last, "There is nothing so long ago, or so far ahead.")
    return Period(begin.isoformat(), end.isoformat())


def period_words(group: str) -> str:
    """A month, week or day as reports write it, for people: `2026-03` is `March 2026`, `2026-W10` is `Week 10 of 2026`."""
    year, _, week = group.partition("-W")
    if week:
        return f"Week {week.lstrip('0')} of {year}"
    try:
        if len(group) == len("2026-03"):
            return f"{date.fromisoformat(f'{group}-01'):%B %Y}"
        day = date.fromisoformat(group)
    except ValueError:
        return group
    return f"{day:%a} {day.day} {day:%b %Y}"
