"""How a clock stands at a moment: what of its time is used, how it ended. Worked out from its ledger, never stored."""

from __future__ import annotations

from typing import Final

from services.sla.domain.clocks import Clock, ClockKind, Moment, Span, used_span, working_span
from services.sla.domain.records import Record
from shared.calendars import Calendar, CalendarError

SILENT: Final = frozenset({ClockKind.EXPIRY, ClockKind.LAG})
"""What nobody has to be in time for: not listed, not reported on."""


def used_by(clock: Clock, calendar: Calendar, now: Moment) -> Span | None:
    """Time on its calendar that has passed for `clock` by `now`, or by its end; None where that is too long to count."""
    try:
        return used_span(clock, calendar, now)
    except CalendarError:
        return None


def ran_over(calendar: Calendar, since: Moment, until: Moment) -> Span | None:
    """Time on the calendar between two moments; None where that is too long to count."""
    try:
        return working_span(calendar, since, until)
    except CalendarError:
        return None


def suspended_by(clock: Clock, now: Moment) -> Span:
    """Plain time that `clock` did not run by `now`, or by its end."""
    end = now if clock.closed_at is None else min(now, clock.closed_at)
    return sum([max(0, min(end, end if until is None else until) - since) for since, until, _ in clock.suspensions])


def ending_of(clock: Clock, record: Record) -> str:
    """How a clock ended: `met`, `missed` or `cancelled`; empty: it has not, or nobody had to be in time for it."""
    if clock.kind != ClockKind.START or clock.closed_at is None:
        return clock.outcome
    if record.task_turns and record.task_turns[-1].state == "cancelled":
        return "cancelled"
    return "met" if clock.closed_at <= clock.due_at else "missed"


def notice_of(clock: Clock) -> int:
    """The class of the time between due soon and due: see `notice_seconds`. 0: it is never due soon before it is due."""
    if clock.soon_at is None or clock.soon_at >= clock.due_at:
        return 0
    seconds = -(-(clock.due_at - clock.soon_at) // 1_000_000)
    return min(NOTICES - 1, 1 + seconds.bit_length() // 2)


NOTICES: Final = 16
"""How many classes there are."""


def notice_seconds(notice: int) -> int | None:
    """Longest time between due soon and due of this class; None: any."""
    if notice == 0:
        return 0
    return None if notice == NOTICES - 1 else 2 ** (2 * notice - 1)
