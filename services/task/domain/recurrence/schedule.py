"""A recurring rule, ready to be reckoned with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.calendars import Calendar, Duration, parse_clock_time, parse_duration
from shared.recurrence import Recurrence, parse


class OnClosed(StrEnum):
    """What becomes of an occurrence on a day on which the calendar is closed."""

    KEEP = "keep"
    SKIP = "skip"
    NEXT = "next"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a recurring rule occurs."""

    recurrence: Recurrence
    zone: ZoneInfo
    at: time
    """Wall time in the zone."""
    calendar: Calendar
    on_closed: OnClosed
    lead: Duration
    """How long before the occurrence its tasks are made; by `calendar`."""
    excluded: frozenset[date]


def schedule_of(
    rule: str, starts: date, zone: str, at: str, calendar: Calendar, on_closed: str, lead: str, excluded: Iterable[date]
) -> Schedule:
    """The schedule of a rule as it is configured. Raises `RecurrenceError`, or `ValueError` for what the configuration's check refuses."""
    minutes = parse_clock_time(at)
    return Schedule(
        parse(rule, starts),
        ZoneInfo(zone),
        time(*divmod(minutes, 60)),
        calendar,
        OnClosed(on_closed),
        parse_duration(lead),
        frozenset(excluded),
    )
