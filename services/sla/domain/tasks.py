"""What an event on a task does to its clocks: the lag before it starts, by when work on it is to begin, and its due time."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import Alert, Clock, ClockKind, Moment, Rung, close, start_clock, withdraw
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from shared.calendars import ROUND_THE_CLOCK

FINISHED: Final = frozenset({"completed", "cancelled"})
NOT_BEGUN: Final = frozenset({"planned", "pending"})


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
    start_by: Moment | None = None
    in_progress_at: Moment | None = None


def apply_task(record: Record | None, fact: TaskFact, policy: Policy, now: Moment) -> Outcome | None:
    """The task's record after `fact`; None: it changes nothing (an older revision, or nothing to keep)."""
    if record is not None and fact.revision <= record.revision:
        return None
    is_planned, is_finished = fact.state == "planned", fact.state in FINISHED
    clocks = record.clocks if record is not None else ()
    due = clocks[0] if clocks and clocks[0].kind == ClockKind.DUE else None  # it comes first
    lag: Clock | None = None
    start: Clock | None = None
    if fact.starts_at is not None or fact.start_by is not None or len(clocks) > (due is not None):  # most tasks have neither
        is_to_begin = fact.in_progress_at is None and fact.state in NOT_BEGUN
        lag = _until(ClockKind.LAG, fact.starts_at if is_planned else None, record, fact, now)
        start = _until(ClockKind.START, fact.start_by if is_to_begin else None, record, fact, now)
    alerts: list[Alert] = []
    if is_planned:
        if lag is None and start is None and record is None:
            return None  # waits for predecessors: nothing to watch, and nothing older could say otherwise
        if due is not None and due.closed_at is None:  # it had started, and waits again
            due, alerts = _set_aside(due, fact, policy, now)
    elif not is_finished:
        due, alerts = _due(due, fact, policy, now)
    elif due is not None and due.closed_at is None:
        due, alerts = _finish(due, fact, policy, now)
    clocks = (due,) if due is not None else ()
    if lag is not None or start is not None:
        clocks = (*clocks, *[clock for clock in (lag, start) if clock is not None])
    if is_finished:
        after = Record(ItemKind.TASK, fact.revision, fact.config_version, clocks, NO_FACTS, now + RETENTION)
    else:
        after = Record(ItemKind.TASK, fact.revision, fact.config_version, clocks, fact.facts)
    return Outcome(after, alerts, fact.facts)


def _until(kind: ClockKind, moment: Moment | None, record: Record | None, fact: TaskFact, now: Moment) -> Clock | None:
    """The clock that runs until `moment` and fires once then; None: that is not, or no more, awaited. What it has told stays told."""
    known = record.clock(kind) if record is not None else None
    if moment is None:
        if known is None or known.closed_at is not None:
            return known
        at = min(fact.at if fact.in_progress_at is None else fact.in_progress_at, now)
        return replace(known, next_at=None, closed_at=max(at, known.started_at))
    if known is not None and known.due_at == moment:
        is_awaited_again = known.closed_at is not None and known.rung <= Rung.OVERDUE
        return replace(known, closed_at=None, next_at=moment) if is_awaited_again else known
    fresh = start_clock(kind, min(fact.at, moment), moment, ROUND_THE_CLOCK, None)
    return fresh if known is None else replace(fresh, events=known.events)


def _set_aside(clock: Clock, fact: TaskFact, policy: Policy, now: Moment) -> tuple[Clock, list[Alert]]:
    at = min(fact.at, now)
    clock, alerts = withdraw(clock, at, now, policy.calendar_of(clock.calendar), policy.ladder)
    return replace(clock, next_at=None, closed_at=max(at, clock.started_at)), alerts


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
