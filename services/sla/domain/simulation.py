"""A case's clocks under other rules than those they ran by: its journal read once more."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.sla.domain.clocks import Clock, ClockKind, Moment
from services.sla.domain.ledger import case_clocks
from services.sla.domain.policy import Policy
from services.sla.domain.records import Record


class Difference(NamedTuple):
    """A clock as it is and as it would be; a part is None where there is none."""

    kind: ClockKind
    before: Clock | None
    after: Clock | None


def clocks_under(record: Record, policy: Policy) -> list[Difference]:
    """The clocks of a case, and what they would be by `policy`. Raises `CalendarError` where that cannot be counted."""
    before = {clock.kind: clock for clock in record.clocks}
    after = {clock.kind: clock for clock in case_clocks(record.case_turns, policy)} if record.turns else dict(before)
    return [Difference(kind, before.get(kind), after.get(kind)) for kind in sorted({*before, *after})]


def standing_of(clock: Clock | None, now: Moment) -> str:
    """How a clock did by `now`: `met`, `missed` or `cancelled`, `running` or `overdue` while it is open; empty: there is none."""
    if clock is None:
        return ""
    if clock.closed_at is not None:
        return clock.outcome or "met"
    ran_until = min(now, clock.suspensions[-1][0]) if clock.is_suspended else now
    return "overdue" if clock.due_at <= ran_until else "running"


LATE: Final = frozenset({"missed", "overdue"})
"""Standings of clocks that have missed their time."""


def falls_within(clock: Clock | None, begin: Moment, end: Moment) -> bool:
    """Whether a clock ended in a period, or is open and due in it."""
    return clock is not None and begin <= (clock.due_at if clock.closed_at is None else clock.closed_at) < end
