"""Durations as people configure them, and the moments they lead to."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from shared.calendars.arithmetic import REACH_STRETCHES, add, add_micros, next_open, open_spans, previous_close, subtract
from shared.calendars.calendar import Calendar
from shared.calendars.errors import DurationError, NoOpenTime, OutOfReach
from shared.calendars.openings import DAY, exists, keep, micros, moment, open_days

MOST: Final = 1_000_000
"""No duration has a larger amount: larger ones are mistakes, and lead past the end of dates."""

COURSES: Final = 200
"""For how many dates and amounts each calendar keeps where working days lead from there."""


class Unit(StrEnum):
    """What a duration is counted in."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_TEXT: Final = re.compile(r"\s*([0-9]+)\s+(working\s+)?(second|minute|hour|day|week|month|year)s?\s*", re.ASCII | re.IGNORECASE)
_FIXED: Final = {Unit.SECOND: timedelta(seconds=1), Unit.MINUTE: timedelta(minutes=1), Unit.HOUR: timedelta(hours=1)}
_MICROSECOND: Final = timedelta(microseconds=1)
_ONE_DAY: Final = timedelta(days=1)
_WORKING: Final = frozenset({Unit.SECOND, Unit.MINUTE, Unit.HOUR, Unit.DAY})


@dataclass(frozen=True, slots=True)
class Duration:
    """An amount of a unit, of calendar time or (`business`) of working time. See `due` for what each means."""

    amount: int
    unit: Unit
    business: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= MOST:
            raise DurationError(f"duration of {self.amount} {self.unit}s: the amount must be from 0 to {MOST}")
        if self.business and self.unit not in _WORKING:
            raise DurationError(
                f"duration {self}: working time is given in seconds, minutes, hours or days; "
                f"how much work a {self.unit} holds differs from one to the next"
            )

    def __str__(self) -> str:
        return f"{self.amount} {'working ' if self.business else ''}{self.unit}{'' if self.amount == 1 else 's'}"

    @classmethod
    def parse(cls, text: str) -> Duration:
        """The duration written as `parse_duration` takes it."""
        return parse_duration(text)

    def is_surely_longer_than(self, other: Duration) -> bool:
        """Whether this ends after `other` whatever the start; False also where that depends on the start."""
        if self.business != other.business:
            return False
        if self.unit == other.unit:
            return self.amount > other.amount
        mine, theirs = _seconds(self), _seconds(other)
        return mine is not None and theirs is not None and mine > theirs


def _seconds(duration: Duration) -> int | None:
    each = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3600}
    if not duration.business:  # a working day has no fixed length; a day is its usual one
        each |= {Unit.DAY: 24 * 3600, Unit.WEEK: 7 * 24 * 3600}
    return duration.amount * each[duration.unit] if duration.unit in each else None


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> Duration:
    """The duration of a text such as `30 minutes`, `4 hours`, `4 working hours`, `2 days`, `2 working days`, `1 month`.

    Singular and plural, capitals and spaces do not matter. Raises `DurationError`.
    """
    found = _TEXT.fullmatch(text)
    if not found or len(found[1]) > 9:
        raise DurationError(
            f"duration {text!r}: expected a whole number and a unit (seconds, minutes, hours, days, weeks, months, years), "
            "with `working` between them for working time, such as `30 minutes`, `4 working hours`, `2 working days`"
        )
    return Duration(int(found[1]), Unit(found[3].lower()), bool(found[2]))


def due(duration: Duration, start: datetime, calendar: Calendar) -> datetime:
    """The moment that is `duration` after `start`, aware and in UTC; a zero duration is `start` itself.

    - Seconds, minutes and hours pass as they do, day and night.
    - Days and weeks lead to the same wall time in the calendar's zone. Months and years too, on the same day of the
      month or, where the month is shorter, its last. Where clocks skip that time it is as much later; where they show
      it twice it is the first.
    - Working seconds, minutes and hours pass while the calendar is open (`add`).
    - Working days: the N-th open date after the date of `start`, at the same wall time. Outside that date's windows it
      is the next opening on that date, or after its last closing that closing. A start on a closed date counts as the
      end of the open date before it, so that what arrives on a Sunday is not due before what arrived on the Friday.
    """
    if duration.amount == 0:
        return _utc(start)
    if duration.business:
        if duration.unit is Unit.DAY:
            return moment(_after_working_days(calendar, micros(start), duration.amount))
        return add(calendar, start, duration.amount * _FIXED[duration.unit])
    return _moved(duration, duration.amount, start, calendar)


def due_micros(duration: Duration, start: int, calendar: Calendar) -> int:
    """`due` for who keeps moments as microseconds."""
    if duration.business and duration.amount:
        if duration.unit is Unit.DAY:
            return _after_working_days(calendar, start, duration.amount)
        return add_micros(calendar, start, duration.amount * (_FIXED[duration.unit] // _MICROSECOND))
    return micros(due(duration, moment(start), calendar))


def before(duration: Duration, end: datetime, calendar: Calendar) -> datetime:
    """The moment that is `duration` before `end`: the mirror of `due`, for "a set time before it is due".

    For days and longer it is not always the exact inverse, since months differ in length and dates in hours. An `end`
    outside working time counts, for working days, as the closing before it.
    """
    if duration.amount == 0:
        return _utc(end)
    if duration.business:
        if duration.unit is Unit.DAY:
            return _before_working_days(calendar, end, duration.amount)
        return subtract(calendar, end, duration.amount * _FIXED[duration.unit])
    return _moved(duration, -duration.amount, end, calendar)


def _moved(duration: Duration, amount: int, at: datetime, calendar: Calendar) -> datetime:
    try:
        if step := _FIXED.get(duration.unit):
            return _utc(at) + amount * step
        wall = _utc(at).astimezone(calendar.tz).replace(fold=0)
        if duration.unit is Unit.DAY:
            wall += timedelta(days=amount)
        elif duration.unit is Unit.WEEK:
            wall += timedelta(weeks=amount)
        else:
            wall = _in_months(wall, amount * (12 if duration.unit is Unit.YEAR else 1))
        if amount < 0 and not exists(wall):
            wall = wall.replace(fold=1)  # reads the skipped time as much earlier, not later
        return wall.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        if at.tzinfo is None:
            raise
        raise OutOfReach(f"{duration} from {at} is further than there are dates") from error


def _in_months(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return wall.replace(year=year, month=month + 1, day=min(wall.day, monthrange(year, month + 1)[1]))


class _Course(NamedTuple):
    """Where working days lead from the moments of one local date: most questions are about the same few dates."""

    since: int
    until: int
    """The date's last microsecond, from which they lead elsewhere: in `_landing`, it stands for the end of a date."""
    shift: int | None
    """From a moment to the same wall time of the date they lead to; None: the date is closed, and all its moments lead to one."""
    spans: tuple[tuple[int, int], ...]
    """When the date they lead to is open."""


def _after_working_days(calendar: Calendar, start: int, count: int) -> int:
    number = start // DAY * (MOST + 1) + count
    course: _Course | None = calendar.cache.get(("course", number))
    if course is None or not course.since <= start < course.until:
        course = _course(calendar, start, count)
        if course is None or start == course.until:
            return micros(_after_working_days_by_the_wall(calendar, moment(start), count))
        keep(calendar, "course", number, course, COURSES)
    if course.shift is None:
        return course.spans[-1][1]
    at = start + course.shift
    for opens, closes in course.spans:
        if at <= opens:
            return opens
        if at <= closes:
            return at
    return course.spans[-1][1]


def _course(calendar: Calendar, start: int, count: int) -> _Course | None:
    """The course of `start`'s date; None where clocks change on it or on the date that it leads to."""
    today = moment(start).astimezone(calendar.tz).toordinal()
    is_open = _nth_open_day(calendar, today - 1, 1) == today
    there = _nth_open_day(calendar, today, count)
    since, until, begins, ends = [
        datetime.fromordinal(day).replace(tzinfo=calendar.tz).astimezone(UTC) for day in (today, today + 1, there, there + 1)
    ]
    spans = tuple([(micros(opens), micros(closes)) for opens, closes in open_spans(calendar, begins, ends)])
    if not spans or (until - since, ends - begins) != (_ONE_DAY, _ONE_DAY):
        return None
    return _Course(micros(since), micros(until) - 1, micros(begins) - micros(since) if is_open else None, spans)


def _after_working_days_by_the_wall(calendar: Calendar, start: datetime, count: int) -> datetime:
    wall = start.astimezone(calendar.tz)
    today = wall.toordinal()
    is_open = _nth_open_day(calendar, today - 1, 1) == today
    return _landing(calendar, _nth_open_day(calendar, today, count), wall.time() if is_open else time.max)


def _before_working_days(calendar: Calendar, end: datetime, count: int) -> datetime:
    wall = previous_close(calendar, end).astimezone(calendar.tz)
    today = wall.toordinal()
    if wall.time() == time.min:  # closed at 24:00: that belongs to the date it ended, unless work went on past it
        if not calendar.windows_on(wall.date() - timedelta(days=1)):
            return _landing(calendar, _nth_open_day(calendar, today, -count), time.min)
        return _landing(calendar, _nth_open_day(calendar, today - 1, -count), time.max)
    return _landing(calendar, _nth_open_day(calendar, today, -count), wall.time())


def _landing(calendar: Calendar, day: int, wall: time) -> datetime:
    """The moment when clocks show `wall` on that open date, moved into its working time as `due` says."""
    # Clocks that change at night make the end of a date the beginning of the next, in any zone.
    ends = datetime.fromordinal(day + 1).replace(tzinfo=calendar.tz).astimezone(UTC)
    if wall == time.max:
        return previous_close(calendar, ends)
    at = datetime.combine(date.fromordinal(day), wall.replace(fold=0), calendar.tz).astimezone(UTC)
    begins = datetime.fromordinal(day).replace(tzinfo=calendar.tz).astimezone(UTC)
    if at > begins and previous_close(calendar, at) == at:
        return at
    opens = next_open(calendar, at)
    return opens if opens < ends else previous_close(calendar, ends)


def _nth_open_day(calendar: Calendar, day: int, count: int) -> int:
    """The `count`-th open date after `day` (before it, when negative), as an ordinal; `day` itself does not count."""
    year = date.fromordinal(day).year
    step = 1 if count > 0 else -1
    left = abs(count)
    closed = 0
    for turn in range(REACH_STRETCHES):
        days = open_days(calendar, year + turn * step)
        skipped = bisect_right(days, day) if step > 0 else len(days) - bisect_left(days, day)
        usable = len(days) - skipped
        if left <= usable:
            return days[skipped + left - 1] if step > 0 else days[usable - left]
        left -= usable
        closed = 0 if usable else closed + 1
        if closed > 6:
            raise NoOpenTime(f"calendar {calendar.code}: no open date within five years")
    raise OutOfReach(f"calendar {calendar.code}: {abs(count)} working days take more than {REACH_STRETCHES} years")


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at!r}: a moment must be aware of its time zone")
    return at.astimezone(UTC)
