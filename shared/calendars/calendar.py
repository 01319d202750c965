"""A business calendar: when work is done, in local wall time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

import holidays

from shared.calendars.errors import CalendarError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""

MINUTES_PER_DAY: Final = 24 * 60

HOLIDAYS_EDITION: Final = version("holidays")
"""Tells one table of public holidays from another: a government declares one late, or moves it, and the next edition has it."""

_CLOCK_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Open from `opens` until just before `closes`, in minutes since local midnight; 1440 is 24:00.

    Work past midnight is two windows: one until 24:00, and one from 00:00 of the next day.
    """

    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= MINUTES_PER_DAY:
            raise CalendarError(
                f"window {self}: it must open before it closes, between 00:00 and 24:00; write hours past midnight as two windows"
            )

    def __str__(self) -> str:
        return f"{_clock_text(self.opens)}-{_clock_text(self.closes)}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """The window written as `09:00-17:30`."""
        opens, dash, closes = text.partition("-")
        if not dash:
            raise CalendarError(f"window {text!r}: expected two times such as 09:00-17:30")
        return cls(parse_clock_time(opens.strip()), parse_clock_time(closes.strip()))


def parse_clock_time(text: str) -> int:
    """Minutes since midnight of a time written as `09:30`; `24:00` is the end of the day."""
    if not (found := _CLOCK_TIME.fullmatch(text)):
        raise CalendarError(f"time {text!r}: expected hours and minutes such as 09:30, up to 24:00")
    return MINUTES_PER_DAY if found[1] is None else int(found[1]) * 60 + int(found[2])


def _clock_text(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


Week = tuple[tuple[Window, ...], ...]
"""The windows of each day, Monday first; a day without windows is closed."""


def weekly(hours: Mapping[str, Iterable[Window | str]]) -> Week:
    """The week with these windows: `weekly({"mon": ["09:00-12:30", "13:30-17:00"]})`. Days left out are closed."""
    if unknown := sorted(set(hours) - set(WEEKDAYS)):
        raise CalendarError(f"weekday {unknown[0]!r}: expected one of {', '.join(WEEKDAYS)}")
    return tuple(tuple(sorted(w if isinstance(w, Window) else Window.parse(w) for w in hours.get(day, ()))) for day in WEEKDAYS)


@dataclass(frozen=True, slots=True)
class Calendar:
    """When work is done: windows of local wall time per weekday, less closed days and public holidays.

    A moment is open when its local wall time lies in a window of its local date. So a window that daylight saving
    skips is shorter or absent on that day, and one that it repeats is open both times.
    Round the clock means always open: such a calendar has no windows, holidays or closed days. (Open day and night
    but closed on holidays is a calendar with the window 00:00-24:00 on each day.)

    What is computed from it is kept with it, in `cache` (see `openings`), so one object should be shared, not rebuilt.
    """

    code: str
    zone: str
    week: Week = ((),) * 7
    closed_days: frozenset[date] = frozenset()
    country: str | None = None
    """Country (ISO 3166) whose public holidays are closed."""
    subdivision: str | None = None
    """Region of the country (ISO 3166-2, without the country)."""
    round_the_clock: bool = False
    tz: ZoneInfo = field(init=False, repr=False, compare=False)
    """The time zone that the windows are told in."""
    cache: dict[tuple[str, int], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.code:
            raise CalendarError("a calendar needs a code")
        object.__setattr__(self, "tz", _zone(self.code, self.zone))
        if len(self.week) != len(WEEKDAYS):
            raise CalendarError(f"calendar {self.code}: expected the windows of seven days, got {len(self.week)}")
        for name, windows in zip(WEEKDAYS, self.week, strict=True):
            for earlier, later in pairwise(windows):
                if later.opens < earlier.closes:
                    raise CalendarError(f"calendar {self.code}: windows {earlier} and {later} of {name} overlap or are out of order")
        if self.subdivision is not None and self.country is None:
            raise CalendarError(f"calendar {self.code}: a region needs a country")
        if self.country is not None:
            _require_region(self.code, self.country, self.subdivision)
        if self.round_the_clock and (any(self.week) or self.closed_days or self.country is not None):
            raise CalendarError(
                f"calendar {self.code}: a calendar round the clock has no windows, holidays or closed days; "
                "to close on some days, give the window 00:00-24:00 instead"
            )

    def windows_on(self, day: date) -> tuple[Window, ...]:
        """The windows of this local date, in order; none when it is closed."""
        if self.round_the_clock:
            return _WHOLE_DAY
        windows = self.week[day.weekday()]
        if not windows or day in self.closed_days or self.is_holiday(day):
            return ()
        return windows

    def is_holiday(self, day: date) -> bool:
        """Whether this local date is a public holiday of the calendar's country and region."""
        return self.country is not None and day in _holidays_of(self.country, self.subdivision, day.year)

    def holidays_in(self, year: int) -> dict[date, str]:
        """The public holidays of the calendar's country and region in this year, with their names."""
        if self.country is None:
            return {}
        found = holidays.country_holidays(self.country, subdiv=self.subdivision, years=year)
        return {day: str(name) for day, name in sorted(found.items()) if day.year == year}


_WHOLE_DAY: Final = (Window(0, MINUTES_PER_DAY),)


def _zone(code: str, zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (OSError, ValueError, LookupError) as error:  # by the shape of the name, zoneinfo raises any of the three
        raise CalendarError(f"calendar {code}: unknown time zone {zone!r}") from error


def _require_region(code: str, country: str, subdivision: str | None) -> None:
    try:
        holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError as error:
        raise CalendarError(f"calendar {code}: no public holidays known: {error}") from error


@lru_cache(maxsize=1024)
def _holidays_of(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """The dates off work in `year`, days in lieu included. Shared by all calendars of a region."""
    return frozenset(day for day in holidays.country_holidays(country, subdiv=subdivision, years=year) if day.year == year)


ROUND_THE_CLOCK: Final = Calendar(code="round-the-clock", zone="UTC", round_the_clock=True)
"""Every moment is open."""
