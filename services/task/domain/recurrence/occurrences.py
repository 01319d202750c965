"""The occurrences of a schedule. Each is known by its nominal date: what the rule says before closed days move it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.task.domain.recurrence.schedule import OnClosed, Schedule
from shared.calendars import before

FARTHEST: Final = 366
"""Days that an occurrence is moved at most; a calendar that is closed for longer has it skipped."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a rule falls on."""

    nominal: date
    """The date by the rule alone: no two of a rule have the same, also where closed days move several to one day."""
    date: date
    """The date in the rule's zone on which it takes place."""
    at: datetime
    """When, in UTC."""
    made_at: datetime
    """When its tasks are made, in UTC: the rule's lead before `at`."""
    skipped: str = ""
    """Why it does not take place; empty: it does."""

    @property
    def moved(self) -> bool:
        """Whether it takes place on another day than the rule says."""
        return self.date != self.nominal


def occurrences(schedule: Schedule, after: date | None, until: date) -> Iterator[Occurrence]:
    """Those with nominal dates later than `after` (None: all) and up to `until`, in order; the skipped ones among them.

    The order of the nominal dates is also that of `at` and of `made_at`.
    """
    last = schedule.recurrence.until
    for nominal in schedule.recurrence.days(after, until):
        if isinstance(last, datetime) and place(nominal, schedule.at, schedule.zone) > last:
            return
        day, skipped = _settled(schedule, nominal)
        at = place(day, schedule.at, schedule.zone)
        yield Occurrence(nominal, day, at, before(schedule.lead, at, schedule.calendar), skipped)


def due_occurrences(schedule: Schedule, after: date | None, since: datetime, now: datetime) -> Iterator[Occurrence]:
    """Those later than `after` whose tasks are to be made by `now`, in order; skipped ones left out.

    What took place at `since` or before is not among them: the rule was not switched on then.
    """
    for each in _upcoming(schedule, after, since):
        if each.made_at > now:
            return
        yield each


def next_occurrence(schedule: Schedule, after: date | None, since: datetime) -> Occurrence | None:
    """The first one later than `after` that takes place after `since`; None: the rule has ended."""
    return next(_upcoming(schedule, after, since), None)


def _upcoming(schedule: Schedule, after: date | None, since: datetime) -> Iterator[Occurrence]:
    # None before this can have been moved past `since`, and it saves reckoning a rule's whole past.
    floor = since.astimezone(schedule.zone).date() - timedelta(days=FARTHEST + 2)
    after = floor if after is None or after < floor else after
    for each in occurrences(schedule, after, date.max):
        if not each.skipped and each.at > since:
            yield each


def place(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment of a wall time, in UTC: one that the clocks skip is as much later, of one that they show twice it is the first.

    RFC 5545, 3.3.5, says so, and it is what `fold` 0 means.
    """
    return datetime.combine(day, at, zone).astimezone(UTC)


def _settled(schedule: Schedule, nominal: date) -> tuple[date, str]:
    """The date that it takes place on, or its own and why it does not."""
    if nominal in schedule.excluded:
        return nominal, "excluded"
    if schedule.on_closed is OnClosed.KEEP or schedule.calendar.windows_on(nominal):
        return nominal, ""
    if schedule.on_closed is OnClosed.SKIP:
        return nominal, f"calendar {schedule.calendar.code} is closed on this day"
    step = _DAY if schedule.on_closed is OnClosed.NEXT else -_DAY
    day = nominal
    for _ in range(FARTHEST):
        day += step
        if schedule.calendar.windows_on(day):
            return day, ""
    return nominal, f"calendar {schedule.calendar.code} is closed for {FARTHEST} days"
