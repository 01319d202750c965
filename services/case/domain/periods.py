"""Periods counted in whole days: warranties and returns go by the date, not by the hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from shared.calendars import ROUND_THE_CLOCK, Duration, due

_NOON = time(12, tzinfo=UTC)


def last_day(first: date, period: Duration) -> date:
    """The last day, itself included, of a period that begins on `first`.

    30 days from 1 March end on 31 March. Months and years end on the same day of the month, or on the month's last where it is shorter:
    a year from 29 February ends on 28 February. Raises `CalendarError` past the end of dates.
    """
    return due(period, datetime.combine(first, _NOON), ROUND_THE_CLOCK).date()
