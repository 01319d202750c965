"""Recurrence rules (RFC 5545, 3.3.10) over days: which local dates a rule falls on, by dateutil.

Rules recur by days, weeks, months or years; the time of day is not theirs to say. What the RFC allows in none of its readings is refused
with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

from dateutil.rrule import rrule, rrulestr

LONGEST: Final = 500
"""Characters of a rule."""
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Of the dates that rules start and end at."""
_AHEAD: Final = 7200
"""Years that dateutil is told to reckon ahead. It looks for the next date until the year 9999: nearly 8,000 years, in which days that never
come cost it ten seconds. The calendar repeats every 400 years, so eighteen times that later it finds the same dates, or gives up soon."""

_WEEKDAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,3}", re.ASCII)
_DAY: Final = re.compile(rf"([+-]?[0-9]{{1,2}})?{_WEEKDAY}", re.ASCII)
_UNTIL: Final = re.compile(r"[0-9]{8}(T[0-9]{6}Z)?", re.ASCII)
_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_LISTS: Final = {"BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYSETPOS": (-366, 366)}
_NOT_WITH: Final = {
    "BYMONTHDAY": ("WEEKLY",),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY"),
}


class RecurrenceError(ValueError):
    """A rule that cannot be followed, and why."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule as `parse` makes it."""

    text: str
    starts: date
    until: date | datetime | None
    """The last day, or the last moment in UTC."""
    _rule: rrule = field(repr=False, compare=False)

    def days(self, after: date | None, until: date) -> Iterator[date]:
        """The dates it falls on, in order: later than `after` (None: from its start), `until` among them.

        A last moment (`UNTIL` with a time) ends it a day late here, since dates cannot say when in that day it is over.
        """
        last = min(until, date(LAST_YEAR, 12, 31))
        found = iter(self._rule) if after is None else self._rule.xafter(_ahead(after))
        for each in found:
            day = date(each.year - _AHEAD, each.month, each.day)
            if day > last:
                return
            yield day


def parse(text: str, starts: date) -> Recurrence:
    """The rule written as `FREQ=MONTHLY;BYDAY=2TU`, from `starts` on. Raises `RecurrenceError`."""
    if not FIRST_YEAR <= starts.year <= LAST_YEAR:
        raise RecurrenceError(f"it starts in {starts.year}; take a year from {FIRST_YEAR} to {LAST_YEAR}")
    parts = _parts(text)
    frequency = parts["FREQ"]
    for name, value in parts.items():
        _check_part(name, value, frequency, parts)
    if "COUNT" in parts and "UNTIL" in parts:
        raise RecurrenceError("COUNT and UNTIL are both its end; take one of them")
    if "BYSETPOS" in parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
        raise RecurrenceError("BYSETPOS chooses among the days of another BY... part; add one")
    until = _until(parts.pop("UNTIL", ""))
    rule = cast("rrule", rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=_ahead(starts)))
    if until is not None:
        last = until.date() + timedelta(days=1) if isinstance(until, datetime) else until
        rule = rule.replace(until=_ahead(last))
    recurrence = Recurrence(text, starts, until, rule)
    if next(recurrence.days(None, date(LAST_YEAR, 12, 31)), None) is None:
        raise RecurrenceError("it never happens: no date fulfils all of its parts from its start to its end")
    return recurrence


def _ahead(day: date) -> datetime:
    return datetime(day.year + _AHEAD, day.month, day.day)  # noqa: DTZ001 - a date in no zone


def _parts(text: str) -> dict[str, str]:
    if len(text) > LONGEST:
        raise RecurrenceError(f"it is longer than {LONGEST} characters")
    parts: dict[str, str] = {}
    for part in text.removeprefix("RRULE:").upper().split(";"):
        name, is_given, value = part.strip().partition("=")
        if not is_given or not value:
            raise RecurrenceError(f"{part[:40]!r} is no part of a rule; parts look like BYDAY=2TU, with `;` between them")
        if name in parts:
            raise RecurrenceError(f"{name} is given twice")
        parts[name] = value
    if "FREQ" not in parts:
        raise RecurrenceError(f"FREQ is missing; add FREQ={', FREQ='.join(_FREQUENCIES)}")
    if parts["FREQ"] not in _FREQUENCIES:
        raise RecurrenceError(f"FREQ={parts['FREQ'][:20]} is none of {', '.join(_FREQUENCIES)}: rules recur by days at most")
    return parts


def _check_part(name: str, value: str, frequency: str, parts: dict[str, str]) -> None:
    if name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        raise RecurrenceError(f"{name} is not taken; say the time of day with `at`")
    if frequency in _NOT_WITH.get(name, ()):
        raise RecurrenceError(f"{name} makes no sense with FREQ={frequency} (RFC 5545, 3.3.10)")
    if name in _LISTS:
        low, high = _LISTS[name]
        for each in value.split(","):
            if not _NUMBER.fullmatch(each) or not low <= int(each) <= high or int(each) == 0:
                raise RecurrenceError(f"{name}={each[:20]}: expected a number from {low} to {high}" + (" but 0" if low < 0 else ""))
    elif name == "BYDAY":
        for each in value.split(","):
            _check_day(each, frequency, parts)
    elif name == "WKST":
        if not re.fullmatch(_WEEKDAY, value):
            raise RecurrenceError(f"WKST={value[:20]}: expected a weekday such as MO")
    elif name in ("INTERVAL", "COUNT"):
        most = 1000 if name == "INTERVAL" else 100_000
        if not re.fullmatch("[0-9]{1,6}", value, re.ASCII) or not 1 <= int(value) <= most:
            raise RecurrenceError(f"{name}={value[:20]}: expected a number from 1 to {most}")
    elif name == "UNTIL":
        _until(value)
    elif name != "FREQ":
        raise RecurrenceError(f"there is no part {name[:20]!r}")


def _check_day(day: str, frequency: str, parts: dict[str, str]) -> None:
    found = _DAY.fullmatch(day)
    if found is None:
        raise RecurrenceError(f"BYDAY={day[:20]}: expected weekdays such as MO, 2TU (the second Tuesday) or -1FR (the last Friday)")
    if found[1] is None:
        return
    if frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts:
        raise RecurrenceError(f"BYDAY={day}: only months and years have a second or a last weekday")
    most = 5 if frequency == "MONTHLY" or "BYMONTH" in parts else 53
    if not 1 <= abs(int(found[1])) <= most:
        raise RecurrenceError(f"BYDAY={day}: there are at most {most} of a weekday in it")


def _until(value: str) -> date | datetime | None:
    if not value:
        return None
    if not _UNTIL.fullmatch(value):
        raise RecurrenceError(f"UNTIL={value[:20]}: expected a day such as 20271231, or a time in UTC such as 20271231T160000Z")
    try:
        found = datetime.strptime(value, "%Y%m%dT%H%M%SZ" if "T" in value else "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise RecurrenceError(f"UNTIL={value}: there is no such date or time") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise RecurrenceError(f"UNTIL={value}: take a year from {FIRST_YEAR} to {LAST_YEAR}")
    return found if "T" in value else found.date()
