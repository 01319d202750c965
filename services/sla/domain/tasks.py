"""What an event on a task does to its clock: the lag before it starts, and its due time."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import Alert, Clock, ClockKind, Moment, close, start_clock, withdraw
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from shared.calendars import ROUND_THE_CLOCK

FINISHED: Final = frozenset({"completed", "cancelled"})


class TaskFact(Struct, frozen=True, gc=False):
    """A task as an event tells it; `at` is the event's time."""

    task_id: str
    """A UUID as text, in small letters."""
    revision: int
    config_version: int
    at: Moment
    state: str
    planned_at: Moment
    starts_at: Moment | None
    triggered_at: Moment | None
    due_at: Moment | None
    completed_at: Moment | None
    facts: Facts


def apply_task(record: Record | None, fact: TaskFact, policy: Policy, now: Moment) -> Outcome | None:
    """The task's record after `fact`; None: it changes nothing (an older revision, or nothing to keep)."""
    if record is not None and fact.revision <= record.revision:
        return None
    alerts: list[Alert] = []
    clock: Clock | None = None
    if fact.state == "planned":
        clock = _lag(record, fact)
        if clock is None and record is None:
            return None  # waits for predecessors: nothing to watch, and nothing older could say otherwise
    elif fact.state in FINISHED:
        clock = record.clock(ClockKind.DUE) if record is not None else None
        if clock is not None and clock.closed_at is None:
            clock, alerts = _finish(clock, fact, policy, now)
        kept = () if clock is None else (clock,)
        marker = Record(ItemKind.TASK, fact.revision, fact.config_version, kept, NO_FACTS, now + RETENTION)
        return Outcome(marker, alerts, fact.facts)
    else:
        clock, alerts = _due(record.clock(ClockKind.DUE) if record is not None else None, fact, policy, now)
    after = Record(ItemKind.TASK, fact.revision, fact.config_version, () if clock is None else (clock,), fact.facts)
    return Outcome(after, alerts, fact.facts)


def _lag(record: Record | None, fact: TaskFact) -> Clock | None:
    if fact.starts_at is None:
        return None
    known = record.clock(ClockKind.LAG) if record is not None else None
    if known is not None and known.due_at == fact.starts_at:
        return known
    events = known.events if known is not None else 0
    started_at = min(fact.at, fact.starts_at)
    return replace(start_clock(ClockKind.LAG, started_at, fact.starts_at, ROUND_THE_CLOCK, None), events=events)


def _due(known: Clock | None, fact: TaskFact, policy: Policy, now: Moment) -> tuple[Clock | None, list[Alert]]:
    if fact.due_at is None:
        return known, []
    started_at = fact.planned_at if fact.triggered_at is None else fact.triggered_at
    if known is not None and known.closed_at is None and (known.due_at, known.started_at) == (fact.due_at, started_at):
        return known, []
    fresh = start_clock(ClockKind.DUE, started_at, fact.due_at, policy.task_calendar(fact.facts.definition), policy.ladder)
    if known is None:
        return fresh, []
    if known.closed_at is not None and known.due_at == fact.due_at:
        # Taken up again at the same due time: what was told of it stays told.
        open_again = replace(known, closed_at=None)
        return replace(open_again, next_at=_next_of(open_again)), []
    alerts: list[Alert] = []
    if known.closed_at is None:
        known, alerts = withdraw(known, min(fact.at, now), now, policy.calendar_of(known.calendar), policy.ladder)
    return replace(fresh, events=known.events), alerts


def _next_of(clock: Clock) -> Moment | None:
    if clock.rung == 0:
        return clock.soon_at
    return clock.due_at if clock.rung == 1 else None


def _finish(clock: Clock, fact: TaskFact, policy: Policy, now: Moment) -> tuple[Clock, list[Alert]]:
    at = min(fact.at if fact.completed_at is None else fact.completed_at, now)
    clock, alerts = withdraw(clock, at, now, policy.calendar_of(clock.calendar), policy.ladder)
    clock, closed = close(clock, at, "cancelled" if fact.state == "cancelled" else None)
    return clock, [*alerts, closed]
