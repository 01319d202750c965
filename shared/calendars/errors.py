"""What can be wrong with a calendar, a duration, or a question put to them."""

from __future__ import annotations


class CalendarError(ValueError):
    """The calendar or the question put to it is wrong; the message says what, for whoever configured or asked it."""


class DurationError(ValueError):
    """The text is not a duration; the message says what is expected."""


class NoOpenTime(CalendarError):
    """The calendar has no open time within the horizon, so a working duration on it would never end."""


class OutOfReach(CalendarError):
    """The answer lies further away than calendars are computed for."""
