"""Working time: what passes while a calendar is open, in real elapsed time.

All results are aware and in UTC. All spans are half open: a calendar is open at the moment it opens, and no longer at
the moment it closes. Moments given must be aware (else `ValueError`); any time zone will do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.calendars.calendar import Calendar
from shared.calendars.errors import CalendarError, NoOpenTime, OutOfReach
from shared.calendars.openings import SECOND, STRETCH, Stretch, micros, moment, stretch

HORIZON_STRETCHES: Final = 5
"""A calendar that stays closed for this many stretches (years) counts as having no open time."""

REACH_STRETCHES: Final = 100
"""No answer is looked for further away than this."""


def add(calendar: Calendar, start: datetime, duration: timedelta) -> datetime:
    """The first moment by which `duration` of working time has passed since `start`.

    So work that ends exactly at closing time ends then, not at the next opening; and a zero duration ends at `start`,
    open or not. Raises `NoOpenTime` for a calendar that never opens, `OutOfReach` for an answer too far away.
    """
    wanted = _span(duration)
    if wanted == 0 or calendar.round_the_clock:
        return _moved(start, duration)
    return moment(add_micros(calendar, micros(start), wanted))


def add_micros(calendar: Calendar, at: int, wanted: int) -> int:
    """`add` for who keeps moments and spans as microseconds."""
    if wanted == 0 or calendar.round_the_clock:
        return at + wanted
    number = at // STRETCH
    part = stretch(calendar, number)
    wanted += _worked_until(part, at)
    last = number + REACH_STRETCHES
    closed = 0
    while wanted > part.total:
        wanted -= part.total
        closed = 0 if part.total else closed + 1
        number += 1
        _require_reach(calendar, closed, number <= last)
        part = stretch(calendar, number)
    index = bisect_left(part.worked, wanted)
    return part.ends[index] - (part.worked[index] - wanted)


def subtract(calendar: Calendar, end: datetime, duration: timedelta) -> datetime:
    """The last moment from which `duration` of working time is left until `end`: a set working time before something.

    The mirror of `add`: `add(calendar, subtract(calendar, end, d), d)` is `end`, where `end` is open or just closing.
    A zero duration gives `end`. Raises as `add` does.
    """
    wanted = _span(duration)
    if wanted == 0 or calendar.round_the_clock:
        return _moved(end, -duration)
    at = micros(end)
    number = at // STRETCH
    part = stretch(calendar, number)
    position = _worked_until(part, at) - wanted
    last = number - REACH_STRETCHES
    closed = 0
    while position < 0:
        number -= 1
        _require_reach(calendar, closed, number >= last)
        part = stretch(calendar, number)
        position += part.total
        closed = 0 if part.total else closed + 1
    index = bisect_right(part.worked, position)
    return moment(part.ends[index] - (part.worked[index] - position))


def between(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    """The working time from `start` to `end`; negative when `end` comes first."""
    return timedelta(microseconds=between_micros(calendar, micros(start), micros(end)))


def between_micros(calendar: Calendar, since: int, until: int) -> int:
    """`between` for who keeps moments and spans as microseconds."""
    if since > until:
        return -between_micros(calendar, until, since)
    if calendar.round_the_clock:
        return until - since
    first, last = since // STRETCH, until // STRETCH
    if last - first > REACH_STRETCHES:
        raise OutOfReach(f"calendar {calendar.code}: {moment(since)} and {moment(until)} are too far apart to count the working time")
    ends_in = stretch(calendar, last)
    if first == last:
        return _worked_until(ends_in, until) - _worked_until(ends_in, since)
    passed = _worked_until(ends_in, until) - _worked_until(stretch(calendar, first), since)
    return passed + sum([stretch(calendar, number).total for number in range(first, last)])


def share_of(calendar: Calendar, since: int, until: int, share: float) -> tuple[int, int]:
    """The working time between two moments, and the moment when `share` of it (0 to 1) has passed: all as microseconds.

    The same as `between_micros` and `add_micros` one after the other, but the calendar is searched once.
    """
    number = since // STRETCH
    if calendar.round_the_clock or since > until or until // STRETCH != number:
        span = between_micros(calendar, since, until)
        return span, add_micros(calendar, since, int(span * share)) if span > 0 else since
    part = stretch(calendar, number)
    before = _worked_until(part, since)
    span = _worked_until(part, until) - before
    passed = int(span * share)
    if passed == 0:
        return span, since
    worked = part.worked
    index = bisect_left(worked, before + passed)
    return span, part.ends[index] - (worked[index] - before - passed)


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether the calendar is open at this moment."""
    position = micros(at)
    if calendar.round_the_clock:
        return True
    part = stretch(calendar, position // STRETCH)
    index = bisect_right(part.ends, position)
    return index < len(part.starts) and part.starts[index] <= position


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """`at` itself when the calendar is open then, else when it next opens. Raises `NoOpenTime` where it never does."""
    position = micros(at)
    if calendar.round_the_clock:
        return at.astimezone(UTC)
    number = position // STRETCH
    for ahead in range(HORIZON_STRETCHES + 1):
        part = stretch(calendar, number + ahead)
        index = bisect_right(part.ends, position)
        if index < len(part.starts):
            return moment(max(position, part.starts[index]))
    raise _never_open(calendar)


def previous_close(calendar: Calendar, at: datetime) -> datetime:
    """`at` itself when the calendar is open until just before then, else when it last closed. Raises `NoOpenTime`."""
    position = micros(at)
    if calendar.round_the_clock:
        return at.astimezone(UTC)
    number = position // STRETCH
    for back in range(HORIZON_STRETCHES + 1):
        part = stretch(calendar, number - back)
        index = bisect_left(part.starts, position) - 1
        if index >= 0:
            return moment(min(position, part.ends[index]))
    raise _never_open(calendar)


def open_spans(calendar: Calendar, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The spans within [start, end) when the calendar is open, in order, none touching the next."""
    at = start.astimezone(UTC)
    while at < end:
        try:
            opens = next_open(calendar, at)
        except NoOpenTime:
            return
        if opens >= end:
            return
        closes = end if calendar.round_the_clock else min(_closing(calendar, opens), end)
        yield opens, closes.astimezone(UTC)
        at = closes


def _closing(calendar: Calendar, opened: datetime) -> datetime:
    position = micros(opened)
    number = position // STRETCH
    part = stretch(calendar, number)
    closes = part.ends[bisect_right(part.ends, position)]
    while closes == (number + 1) * STRETCH:  # cut at the stretch's edge: it may go on in the next
        number += 1
        part = stretch(calendar, number)
        if not part.starts or part.starts[0] != closes:
            break
        closes = part.ends[0]
    return moment(closes)


def _worked_until(part: Stretch, at: int) -> int:
    """Open time from the stretch's beginning to `at`."""
    index = bisect_right(part.ends, at)
    if index == len(part.ends):
        return part.total
    begins = part.worked[index - 1] if index else 0
    opened = part.starts[index]
    return begins + at - opened if at > opened else begins


def _span(duration: timedelta) -> int:
    wanted = (duration.days * 86_400 + duration.seconds) * SECOND + duration.microseconds
    if wanted < 0:
        raise ValueError(f"{duration}: a duration must not be negative")
    return wanted


def _moved(at: datetime, by: timedelta) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at!r}: a moment must be aware of its time zone")
    try:
        return at.astimezone(UTC) + by
    except OverflowError as error:
        raise OutOfReach(f"{by} from {at} is further than there are dates") from error


def _require_reach(calendar: Calendar, closed: int, within: bool) -> None:
    if closed > HORIZON_STRETCHES:
        raise _never_open(calendar)
    if not within:
        raise OutOfReach(f"calendar {calendar.code}: so much working time takes more than {REACH_STRETCHES} years")


def _never_open(calendar: Calendar) -> CalendarError:
    return NoOpenTime(f"calendar {calendar.code}: no open time within {HORIZON_STRETCHES} years")
