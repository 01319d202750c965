"""From a calendar as it is configured to one that can be reckoned with."""

from __future__ import annotations

from shared.calendars import Calendar, weekly
from shared.schemas.configuration.models import CalendarSection


def calendar_of(section: CalendarSection) -> Calendar:
    """The business calendar of a section. Raises `CalendarError` for one that makes no sense, which the configuration's check reports."""
    hours: dict[str, list[str]] = {}
    for window in section.windows:
        for day in window.days:
            hours.setdefault(day, []).append(f"{window.opens}-{window.closes}")
    return Calendar(
        code=section.code,
        zone=section.time_zone,
        week=weekly(hours),
        closed_days=frozenset(section.closed_days).union(*(feed.days for feed in section.feeds)),
        country=section.holidays.country if section.holidays else None,
        subdivision=section.holidays.region if section.holidays else None,
        round_the_clock=section.round_the_clock,
    )
