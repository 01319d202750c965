"""What a business calendar comes to in a year, for people who check it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from shared.calendars import Calendar, between
from shared.calendars.calendar import WEEKDAYS
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.models import CalendarSection

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day on which the calendar is closed, and why. `is_felt`: it would be open otherwise."""

    day: date
    why: str
    is_felt: bool


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A day on which clocks go forward (minutes above 0) or back."""

    day: date
    minutes: int


@dataclass(frozen=True, slots=True)
class Year:
    """A calendar's year."""

    section: CalendarSection
    number: int
    hours: tuple[tuple[str, str], ...]
    """Weekdays and their windows, in order; equal ones that follow each other together."""
    closed: tuple[ClosedDay, ...]
    changes: tuple[ClockChange, ...]
    open_days: int
    open_time: timedelta

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield f"{self.section.code}: {self.section.name}, {self.section.time_zone}"
        for days, windows in self.hours:
            yield f"  {days}: {windows}"
        for closed in self.closed:
            yield f"  {closed.day:%a} {closed.day} closed: {closed.why}" + ("" if closed.is_felt else " (no hours on that weekday)")
        for change in self.changes:
            amount = f"{abs(change.minutes) // 60}:{abs(change.minutes) % 60:02}"
            yield f"  {change.day:%a} {change.day} clocks go {'forward' if change.minutes > 0 else 'back'} by {amount}"
        minutes = self.open_time // timedelta(minutes=1)
        yield f"  {self.number}: open on {self.open_days} days, {minutes // 60}:{minutes % 60:02} hours in all"

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "calendar": self.section.code,
            "name": self.section.name,
            "time_zone": self.section.time_zone,
            "year": self.number,
            "hours": [{"days": days, "windows": windows} for days, windows in self.hours],
            "closed": [{"day": str(closed.day), "why": closed.why, "otherwise_open": closed.is_felt} for closed in self.closed],
            "clock_changes": [{"day": str(change.day), "minutes": change.minutes} for change in self.changes],
            "open_days": self.open_days,
            "open_hours": round(self.open_time / timedelta(hours=1), 2),
        }


def year_of(section: CalendarSection, number: int) -> Year:
    """The year of a calendar as it is configured."""
    calendar = calendar_of(section)
    days = [date(number, 1, 1) + DAY * passed for passed in range((date(number + 1, 1, 1) - date(number, 1, 1)).days)]
    opened = {day: between(calendar, _midnight(calendar, day), _midnight(calendar, day + DAY)) for day in days}
    return Year(
        section,
        number,
        tuple(_hours(calendar)),
        tuple(_closed(section, calendar, number)),
        tuple(_changes(calendar, days)),
        sum(1 for time in opened.values() if time),
        sum(opened.values(), timedelta(0)),
    )


def _midnight(calendar: Calendar, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=calendar.tz)


def _hours(calendar: Calendar) -> Iterator[tuple[str, str]]:
    if calendar.round_the_clock:
        yield "every day", "round the clock"
        return
    written = [
        (name, ", ".join(str(window) for window in windows) or "closed") for name, windows in zip(WEEKDAYS, calendar.week, strict=True)
    ]
    for windows, same in groupby(written, key=lambda each: each[1]):
        names = [name for name, _ in same]
        yield (names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}"), windows


def _closed(section: CalendarSection, calendar: Calendar, number: int) -> Iterator[ClosedDay]:
    why: dict[date, list[str]] = {day: [name] for day, name in calendar.holidays_in(number).items()}
    for day in section.closed_days:
        why.setdefault(day, []).append("closed day")
    for feed in section.feeds:
        for day in feed.days:
            why.setdefault(day, []).append(f"feed {feed.url}")
    for day in sorted(day for day in why if day.year == number):
        yield ClosedDay(day, "; ".join(dict.fromkeys(why[day])), bool(calendar.week[day.weekday()]))


def _changes(calendar: Calendar, days: list[date]) -> Iterator[ClockChange]:
    for day in days:
        before, after = _midnight(calendar, day).utcoffset(), _midnight(calendar, day + DAY).utcoffset()
        if before is not None and after is not None and before != after:
            yield ClockChange(day, (after - before) // timedelta(minutes=1))
