"""When a calendar is open, worked out in stretches of a year and kept: arithmetic on it is then a search, not a walk.

Moments are integers here: microseconds since 1970-01-01 UTC. A stretch is a fixed span of that line and knows nothing
of calendar years, so finding the stretch of a moment is one division.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from threading import Lock
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from shared.calendars.calendar import Calendar
from shared.calendars.errors import OutOfReach

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND
STRETCH: Final = 366 * DAY
"""The span of one stretch, a year or a little more."""

KEPT: Final = 48
"""How many stretches, and how many years of days, each calendar keeps; the oldest made go first."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = EPOCH.toordinal()
_FIRST: Final = (datetime(1900, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime(2200, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)

# Locks for all calendars: what they guard is rare and takes a millisecond, and calendars stay copyable without it.
# Readers take none: a dictionary lookup is atomic, and what is found never changes.
_building: Final = Lock()
_keeping: Final = Lock()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stretch:
    """The open spans of a stretch, in order, none touching the next; a span over the stretch's edge is cut there."""

    starts: list[int]
    ends: list[int]
    worked: list[int]
    """Open time from the stretch's beginning to the end of each span."""
    total: int


def micros(at: datetime) -> int:
    """The moment as microseconds since the epoch."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r}: a moment must be aware of its time zone")
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def moment(at: int) -> datetime:
    """The moment of these microseconds since the epoch, aware and in UTC."""
    return EPOCH + timedelta(microseconds=at)


def stretch(calendar: Calendar, number: int) -> Stretch:
    """The stretch that begins at `number * STRETCH`. Raises `OutOfReach` outside the years 1900 to 2200."""
    found: Stretch | None = calendar.cache.get(("stretch", number))
    if found is None:
        with _building:
            found = calendar.cache.get(("stretch", number))
            if found is None:
                found = keep(calendar, "stretch", number, _build(calendar, number))
    return found


def open_days(calendar: Calendar, year: int) -> list[int]:
    """The ordinals (`date.toordinal`) of the local dates of `year` with any open time, in order."""
    found: list[int] | None = calendar.cache.get(("days", year))
    if found is None:
        found = keep(calendar, "days", year, _open_days(calendar, year))
    return found


def keep(calendar: Calendar, kind: str, number: int, value: T, most: int = KEPT) -> T:
    """Keep what was computed with its calendar, as one of at most `most` of its kind. Values must never change."""
    with _keeping:
        same_kind = [key for key in calendar.cache if key[0] == kind]
        if len(same_kind) >= most:
            del calendar.cache[same_kind[0]]
        calendar.cache[kind, number] = value
    return value


def _build(calendar: Calendar, number: int) -> Stretch:
    begin = number * STRETCH
    end = begin + STRETCH
    if begin < _FIRST or end > _LAST:
        raise OutOfReach(f"calendar {calendar.code}: {EPOCH.year + begin // (365 * DAY)} is further than it is computed for")
    starts: list[int] = []
    ends: list[int] = []
    for since, until, offset in _offsets(calendar.tz, begin, end):
        for opens, closes in _windows(calendar, since + offset, until + offset):
            if ends and opens - offset <= ends[-1]:
                ends[-1] = closes - offset
            else:
                starts.append(opens - offset)
                ends.append(closes - offset)
    worked = list(accumulate(e - s for s, e in zip(starts, ends, strict=True)))
    return Stretch(starts, ends, worked, worked[-1] if worked else 0)


def _windows(calendar: Calendar, since: int, until: int) -> Iterator[tuple[int, int]]:
    """The windows between two wall times (microseconds as if wall time were UTC), cut at both."""
    for day in range(since // DAY, -(-until // DAY)):
        for window in calendar.windows_on(date.fromordinal(_EPOCH_ORDINAL + day)):
            opens = max(day * DAY + window.opens * MINUTE, since)
            closes = min(day * DAY + window.closes * MINUTE, until)
            if opens < closes:
                yield opens, closes


def _offsets(tz: ZoneInfo, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The spans of constant offset from UTC between two moments: (since, until, offset).

    zoneinfo does not tell its transitions, so each day's ends are compared, and a change is searched to the second.
    (No zone has had two changes within a day that cancel out.)
    """
    since, offset = begin, _offset(tz, begin)
    for day in range(begin, end, DAY):
        low, high = day, min(day + DAY, end)
        after = _offset(tz, high)
        if after == offset:
            continue
        while high - low > SECOND:
            middle = (low + high) // 2 // SECOND * SECOND
            if _offset(tz, middle) == offset:
                low = middle
            else:
                high = middle
        if high >= end:
            break
        yield since, high, offset
        since, offset = high, after
    yield since, end, offset


def _offset(tz: ZoneInfo, at: int) -> int:
    offset = moment(at).astimezone(tz).utcoffset()
    return 0 if offset is None else (offset.days * 86_400 + offset.seconds) * SECOND


def _open_days(calendar: Calendar, year: int) -> list[int]:
    if not _in_reach(year):
        raise OutOfReach(f"calendar {calendar.code}: {year} is further than it is computed for")
    first = date(year, 1, 1).toordinal()
    return [
        day
        for day in range(first, date(year + 1, 1, 1).toordinal())
        if calendar.windows_on(date.fromordinal(day)) and not _is_skipped(calendar, day)
    ]


def _in_reach(year: int) -> bool:
    return 1900 < year < 2199


def _is_skipped(calendar: Calendar, day: int) -> bool:
    """Whether a change of the clocks leaves nothing of the date's windows (even whole dates have been skipped)."""
    begins = datetime.fromordinal(day).replace(tzinfo=calendar.tz)
    ends = datetime.fromordinal(day + 1).replace(tzinfo=calendar.tz)
    if begins.utcoffset() == ends.utcoffset():
        return False
    # A wall time exists when it survives the way to UTC and back; windows are in whole minutes, as are all changes
    # of the last hundred years.
    return not any(
        exists(begins + timedelta(minutes=minute))
        for window in calendar.windows_on(begins.date())
        for minute in range(window.opens, window.closes)
    )


def exists(wall: datetime) -> bool:
    """Whether clocks in `wall`'s zone ever show it: false in the gap when they are put forward."""
    return wall.astimezone(UTC).astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None)
