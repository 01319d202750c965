"""When the customer last heard of a case from us: what counts, and what that changes of the case.

A person's word counts: an answer or a step to its state (CASE-4), news to the customer (EDGE-12, EDGE-15), and an outbound communication of
the case, when it occurred; of a telephone call when it was answered. What goes out by itself does not: acknowledgements, reminders,
messages of automation, what a robot sent. Nor does what is old, or is to staff.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.calls import CallState
from services.case.domain.case import Case, Change
from services.case.domain.history import PREFIXES
from services.case.domain.life_cycle import ORDER, STAGE_OF, LifeCycle

FIELD = "customer_updated_at"
"""What the history calls it."""
_ANSWERS = frozenset(f"{prefix}_{part}" for prefix in PREFIXES.values() for part in ("category", "text"))


class Heard(NamedTuple):
    """That the customer of a case heard of it at this time, by whose word, and from which event we know."""

    at: datetime
    by: str
    cause: UUID
    traceparent: str


def heard_by(direction: str, robot: str, occurred_at: datetime, now: datetime, *, old: bool, is_with_staff: bool) -> datetime | None:
    """When the customer heard by a communication that is no telephone call; None: they did not. A clock that runs ahead counts as now."""
    if direction != "outbound" or robot != "none" or old or is_with_staff:
        return None
    return min(occurred_at, now)


def heard_in(call: CallState, now: datetime) -> datetime | None:
    """When the customer heard by a call that we made; None: they did not, or not yet.

    Of some calls only the end is told: one that was completed was answered.
    """
    at = call.answered_at or (call.ended_at if call.outcome == "completed" else None)
    return min(at, now) if at is not None else None


def heard(case: Case, at: datetime, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case once its customer has heard of it by a communication of that time. What they heard later stands."""
    if case.customer_updated_at is not None and case.customer_updated_at >= at:
        return case, ()
    return settled(case, at, by, now)


def told(case: Case, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case once its customer was told something now."""
    return settled(case._replace(customer_told_at=now), max(now, case.customer_updated_at or now), by, now)


def settled(case: Case, at: datetime | None, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case with this as when its customer last heard of it, which may be earlier than it was: communications have moved."""
    before = case.customer_updated_at
    if before == at:
        return case, ()
    change = Change(FIELD, before.isoformat() if before else None, at.isoformat() if at else None)
    return case._replace(revision=case.revision + 1, customer_updated_at=at, changed_at=now, changed_by=by), (change,)


def answered(before: Case, after: Case, changes: tuple[Change, ...], now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """What a command of staff has made of a case, and what changed: with the customer having heard of it, where it was an answer.

    That is a step forward to the state of an answer, or over it, or another answer in it.
    """
    is_step = after.state is not LifeCycle.CANCELLED and any(ORDER[before.state] < ORDER[state] <= ORDER[after.state] for state in STAGE_OF)
    is_amended = after.state is before.state and any(change.field in _ANSWERS and change.new for change in changes)
    if not is_step and not is_amended:
        return after, changes
    heard_now, more = told(after, after.changed_by, now)
    return heard_now._replace(revision=after.revision), (*changes, *more)
