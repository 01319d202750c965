"""Business time: calendars of working hours and holidays, arithmetic on working time, and durations given as text.

It owns what working time is, so that every service that sets, shows or watches a deadline agrees on it. It does not
own which calendar or duration applies (configuration does), nor clocks that pause and resume (the SLA service does).
Pure: the present moment is never read, and holidays come from a table in a library.
"""

from shared.calendars.arithmetic import add, between, is_open, next_open, open_spans, previous_close, subtract
from shared.calendars.calendar import HOLIDAYS_EDITION, ROUND_THE_CLOCK, Calendar, Week, Window, parse_clock_time, weekly
from shared.calendars.durations import Duration, Unit, before, due, due_micros, parse_duration
from shared.calendars.errors import CalendarError, DurationError, NoOpenTime, OutOfReach

__all__ = [
    "HOLIDAYS_EDITION",
    "ROUND_THE_CLOCK",
    "Calendar",
    "CalendarError",
    "Duration",
    "DurationError",
    "NoOpenTime",
    "OutOfReach",
    "Unit",
    "Week",
    "Window",
    "add",
    "before",
    "between",
    "due",
    "due_micros",
    "is_open",
    "next_open",
    "open_spans",
    "parse_clock_time",
    "parse_duration",
    "previous_close",
    "subtract",
    "weekly",
]
