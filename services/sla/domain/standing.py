"""How a clock stands at a moment: what of its time is used, how it ended. Worked out from its ledger, never stored."""

from __future__ import annotations

from typing import Final, Literal

from services.sla.domain.clocks import Clock, ClockKind, Moment, Span, working_span
from shared.calendars import Calendar, CalendarError

Ending = Literal["met", "missed", "cancelled", ""]

SILENT: Final = frozenset({ClockKind.EXPIRY, ClockKind.LAG})
"""What nobody has to be in time for: not listed, not reported on."""


def used_by(clock: Clock, calendar: Calendar, now: Moment) -> Span | None:
    """Time on its calendar that has passed for `clock` by `now`, or by its end; None where that is too long to count."""
    end = now if clock.closed_at is None else min(now, clock.closed_at)
    passed, at = 0, clock.started_at
    try:
        for since, until in clock.suspensions:
            if since >= end:
                break
            passed += max(0, working_span(calendar, at, since)) if since > at else 0
            if until is None:
                return passed
            at = max(at, until)
        return passed + (working_span(calendar, at, end) if end > at else 0)
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
    return sum([max(0, min(end, end if until is None else until) - since) for since, until in clock.suspensions])


def ending_of(clock: Clock, is_cancelled: bool) -> Ending:
    """How a closed clock ended; empty: it has not, or it is one that only ends."""
    if clock.closed_at is None or clock.kind in SILENT:
        return ""
    if is_cancelled:
        return "cancelled"
    ran_until = clock.suspensions[-1][0] if clock.is_suspended else clock.closed_at
    return "met" if ran_until <= clock.due_at else "missed"


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
