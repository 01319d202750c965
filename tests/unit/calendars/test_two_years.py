"""Every answer on working time over two whole years, one with a leap day, in zones of different rules, against a table of every minute.

The table knows only what a wall clock shows: each minute of UTC is told in local time by zoneinfo, looked up in the hours of that local
date, and counted. Holidays come straight from the library. Nothing of the calendars' own reckoning is used.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import holidays
import pytest

from shared.calendars import (
    Calendar,
    Duration,
    Unit,
    add,
    between,
    due,
    is_open,
    next_open,
    open_spans,
    previous_close,
    subtract,
    weekly,
)

pytestmark = pytest.mark.requirement("SLA-1", "EDGE-8")

FIRST, LAST = datetime(2027, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
MINUTES = int((LAST - FIRST).total_seconds()) // 60
QUARTER = 15
MARGIN = 14 * 1440
"""Minutes at both ends that are not asked about, so that every answer is in the table."""
QUESTIONS = 250
_EDGE = re.compile(rb"(?=\x00\x01|\x01\x00)")

PLACES: Mapping[str, tuple[str, str | None]] = {
    "Europe/London": ("GB", "SCT"),  # summer time
    "America/New_York": ("US", "TX"),
    "Australia/Lord_Howe": ("AU", "NSW"),  # by half an hour
    "America/Santiago": ("CL", None),  # at midnight: a day begins at 01:00, another has its last hour twice
    "Africa/Casablanca": ("MA", None),  # winter time, in Ramadan
    "Asia/Kathmandu": ("NP", None),  # none, 5:45 ahead
}
Hours = Mapping[str, tuple[str, ...]]
WORKDAYS, WEEKEND = ("mon", "tue", "wed", "thu", "fri"), ("sat", "sun")
SHIFTS: Mapping[str, Hours] = {
    "a lunch break": dict.fromkeys(WORKDAYS, ("08:30-12:15", "13:00-17:45")) | {"sat": ("09:00-12:30",)},
    "nights over the changes of the clocks": dict.fromkeys((*WORKDAYS, *WEEKEND), ("00:00-01:45", "02:15-02:45", "22:10-24:00")),
    "whole days, closed on holidays": dict.fromkeys((*WORKDAYS, "sun"), ("00:00-24:00",)),
    "the hour that is skipped or repeated": dict.fromkeys(WEEKEND, ("00:30-01:30", "02:00-02:30", "23:00-23:59")),
}
CLOSED = frozenset({date(2027, 3, 27), date(2027, 12, 29), date(2028, 2, 29), date(2028, 10, 29), date(2028, 12, 31)})


class Walked:
    """The table: which minutes are open, and how many were before each."""

    def __init__(self, zone: str, hours: Hours, closed: frozenset[date], country: str | None, region: str | None) -> None:
        self._zone = zone
        off = set(closed) | (set(holidays.country_holidays(country, region, range(2026, 2030))) if country else set())
        week = [_minutes_open(hours.get(day, ())) for day in (*WORKDAYS, *WEEKEND)]
        days = {
            day.toordinal(): bytes(1440) if day in off else week[day.weekday()]
            for day in (date(2026, 12, 30) + timedelta(days=number) for number in range(740))
        }
        self.open = b"".join([days[ordinal][clock : clock + length] for ordinal, clock, length in wall_clock(zone)])
        self.before = list(accumulate(self.open, initial=0))
        assert len(self.open) == MINUTES

    def worked(self, second: int) -> int:
        """Seconds open from the first moment until this one."""
        minute, within = divmod(second, 60)
        return self.before[minute] * 60 + (self.open[minute] * within if within else 0)

    def reached(self, worked: int) -> int:
        """The first second by which so many were open."""
        minute = bisect_left(self.before, -(-worked // 60))
        return minute * 60 - (self.before[minute] * 60 - worked)

    def left(self, worked: int) -> int:
        """The last second by which no more were open."""
        minute = bisect_right(self.before, worked // 60) - 1
        return minute * 60 + worked - self.before[minute] * 60

    def open_dates(self) -> dict[int, tuple[int, int]]:
        """The dates with any open minute: the first of those minutes, and the one after the last."""
        found = {}
        for day, (begins, ends) in dates(self._zone).items():
            if (first := self.open.find(1, begins, ends)) >= 0:
                found[day] = (first, self.open.rindex(1, begins, ends) + 1)
        return found

    def edges(self) -> list[int]:
        """The minutes that are open when the one before is not, or the other way round."""
        return [found.start() + 1 for found in _EDGE.finditer(self.open)]

    def is_open(self, second: int) -> bool:
        return self.open[second // 60] == 1

    def opens(self, second: int) -> int:
        """From when on it is open next; this second if it is."""
        return second if self.is_open(second) else self.open.index(1, second // 60) * 60

    def closed(self, second: int) -> int:
        """Until when it was open last; this second if it was until just now."""
        return second if self.is_open(second - 1) else (self.open.rindex(1, 0, (second - 1) // 60) + 1) * 60


def _minutes_open(windows: tuple[str, ...]) -> bytes:
    """Of a day: for each minute on the clock whether it is in a window."""
    edges = [[int(text[:2]) * 60 + int(text[3:]) for text in window.split("-")] for window in windows]
    return bytes(any(opens <= clock < closes for opens, closes in edges) for clock in range(1440))


@cache
def wall_clock(zone: str) -> list[tuple[int, int, int]]:
    """What a clock in `zone` shows: (date, minutes since midnight, how many minutes it runs on from there), minute after minute.

    A quarter of an hour of UTC whose first and last minutes are shown on one date and fourteen minutes apart is shown as such; others are
    gone through minute by minute.
    """
    tz = ZoneInfo(zone)
    begin = int(FIRST.timestamp())

    def shown(minute: int) -> tuple[int, int]:
        wall = datetime.fromtimestamp(begin + minute * 60, tz)
        return wall.toordinal(), wall.hour * 60 + wall.minute

    found = []
    for quarter in range(0, MINUTES, QUARTER):
        day, clock = shown(quarter)
        if shown(quarter + QUARTER - 1) == (day, clock + QUARTER - 1):
            found.append((day, clock, QUARTER))
        else:
            found += [(*shown(minute), 1) for minute in range(quarter, quarter + QUARTER)]
    return found


@cache
def dates(zone: str) -> dict[int, tuple[int, int]]:
    """The first minute when clocks in `zone` show each date, and the one after the last."""
    found: dict[int, tuple[int, int]] = {}
    minute = 0
    for day, _, length in wall_clock(zone):
        found[day] = (found[day][0] if day in found else minute, minute + length)
        minute += length
    return found


def a_calendar(zone: str, hours: Hours, closed: frozenset[date] = CLOSED) -> tuple[Calendar, Walked]:
    country, region = PLACES[zone]
    return Calendar("walked", zone, weekly(hours), closed, country, region), Walked(zone, hours, closed, country, region)


def moment(second: int) -> datetime:
    return FIRST + timedelta(seconds=second)


def second_of(at: datetime) -> int:
    return int((at - FIRST).total_seconds())


def seconds_to_ask_about(zone: str, walked: Walked, draw: random.Random) -> list[int]:
    """Anywhere, at the edges of windows, and about the changes of the clocks, where most is wrong most easily."""
    everywhere = [draw.randrange(MARGIN * 60, (MINUTES - MARGIN) * 60) for _ in range(QUESTIONS)]
    edges = [minute for minute in walked.edges() if MARGIN < minute < MINUTES - MARGIN]
    at_edges = [draw.choice(edges) * 60 + draw.choice((-60, -1, 0, 1, 60)) for _ in range(QUESTIONS)]
    tz = ZoneInfo(zone)
    hours = [(FIRST + timedelta(hours=hour)).astimezone(tz) for hour in range(MARGIN // 60, (MINUTES - MARGIN) // 60)]
    changes = [second_of(hour) for hour, later in pairwise(hours) if hour.utcoffset() != later.utcoffset()]
    about_changes = [draw.choice(changes) + draw.randrange(-3 * 3600, 3 * 3600) for _ in range(QUESTIONS)] if changes else []
    return everywhere + at_edges + about_changes


def check(calendar: Calendar, walked: Walked, seconds: list[int], draw: random.Random) -> None:
    """Ask everything about each of the moments, and compare."""
    total = walked.worked(MINUTES * 60)
    assert between(calendar, FIRST, LAST).total_seconds() == total
    for second in seconds:
        at, done = moment(second), walked.worked(second)
        assert is_open(calendar, at) is walked.is_open(second), at
        assert next_open(calendar, at) == moment(walked.opens(second)), at
        assert previous_close(calendar, at) == moment(walked.closed(second)), at
        other = draw.choice(seconds)
        ahead = walked.worked(other) - done
        assert between(calendar, at, moment(other)).total_seconds() == ahead, (at, moment(other))
        # As far as the other moment, which is often the edge of a window; and as far as chance has it.
        spans = [ahead, draw.randint(-min(done, 30 * 86_400), min(total - done, 30 * 86_400))]
        for span in filter(None, spans):
            if span > 0:
                assert add(calendar, at, timedelta(seconds=span)) == moment(walked.reached(done + span)), (at, span)
            else:
                assert subtract(calendar, at, timedelta(seconds=-span)) == moment(walked.left(done + span)), (at, span)


@pytest.mark.parametrize("zone", PLACES)
def test_two_years_of_answers_equal_a_walk_minute_by_minute(zone: str) -> None:
    draw = random.Random(zone)
    for hours in SHIFTS.values():
        calendar, walked = a_calendar(zone, hours)
        check(calendar, walked, seconds_to_ask_about(zone, walked, draw), draw)


@pytest.mark.parametrize("zone", PLACES)
def test_working_days_lead_where_a_leafing_through_the_dates_does(zone: str) -> None:
    draw = random.Random(zone)
    tz = ZoneInfo(zone)
    for hours in SHIFTS.values():
        calendar, walked = a_calendar(zone, hours)
        opened = walked.open_dates()
        for second in seconds_to_ask_about(zone, walked, draw):
            at, count = moment(second), draw.randint(1, 12)
            wall = at.astimezone(tz)
            ahead = [day for day in range(wall.toordinal() + 1, wall.toordinal() + 90) if day in opened]
            if len(ahead) < count or ahead[count - 1] > LAST.toordinal() - 3:
                continue  # beyond the table
            there = ahead[count - 1]
            first, last = opened[there]
            if wall.toordinal() in opened:
                # The same time on the wall of that date: where clocks skip it as much later, where they show it twice the first time.
                same = datetime.combine(date.fromordinal(there), wall.time().replace(fold=0), tz).astimezone(UTC)
                lands = second_of(same)
                if lands < first * 60:
                    lands = first * 60
                elif not walked.is_open(lands) and not walked.is_open(lands - 1):
                    lands = walked.opens(lands)
                lands = min(lands, last * 60)
            else:
                lands = last * 60
            assert due(Duration(count, Unit.DAY, business=True), at, calendar) == moment(lands), (at, count)


@pytest.mark.parametrize("zone", ["Europe/London", "America/Santiago"])
def test_open_spans_are_those_of_the_walk(zone: str) -> None:
    for hours in SHIFTS.values():
        calendar, walked = a_calendar(zone, hours)
        edges = [0] * walked.open[0] + walked.edges() + [MINUTES] * walked.open[-1]
        spans = [(moment(opens * 60), moment(closes * 60)) for opens, closes in zip(edges[::2], edges[1::2], strict=True)]
        assert list(open_spans(calendar, FIRST, LAST)) == spans


@pytest.mark.parametrize("zone", PLACES)
def test_the_two_years_hold_changes_of_the_clocks_that_the_windows_cross(zone: str) -> None:
    """Else the walk would prove little."""
    shown = wall_clock(zone)
    jumps = sum(1 for before, after in pairwise(shown) if before[0] * 1440 + before[1] + before[2] != after[0] * 1440 + after[1])
    assert jumps == (0 if zone == "Asia/Kathmandu" else 4)
    country, region = PLACES[zone]
    assert len(holidays.country_holidays(country, region, (2027, 2028))) > 10


def test_a_day_that_is_closed_after_all_moves_what_is_due_as_if_it_had_always_been() -> None:
    """A clock is reckoned again from its beginning on the calendar as it is now: the answer is the walk's over the new table."""
    hours = SHIFTS["a lunch break"]
    before, _ = a_calendar("Europe/London", hours)
    mourning = date(2027, 6, 9)
    after, walked = a_calendar("Europe/London", hours, CLOSED | {mourning})
    draw = random.Random(8)
    begun = second_of(datetime(2027, 6, 7, tzinfo=UTC))
    moved = 0
    for _ in range(200):
        since, span = begun + draw.randrange(5 * 86_400), draw.randint(1, 30 * 3600)
        due = add(after, moment(since), timedelta(seconds=span))
        assert due == moment(walked.reached(walked.worked(since) + span))
        moved += due != add(before, moment(since), timedelta(seconds=span))
    assert 0 < moved < 200
    assert replace(before, closed_days=CLOSED | {mourning}) == after
