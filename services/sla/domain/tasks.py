"""What an event on a task does to its clocks: the lag before it starts, by when work on it is to begin, and its due time."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import Alert, Clock, ClockKind, Moment, Rung, start_clock
from services.sla.domain.journal import TaskTurn, enter
from services.sla.domain.ledger import FINISHED, due_clock, run_began_at
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from services.sla.domain.telling import reconcile
from shared.calendars import ROUND_THE_CLOCK

NOT_BEGUN: Final = frozenset({"planned", "pending"})
PHASES: Final = {"planned": "planned", "completed": "completed", "cancelled": "cancelled"}
"""Of the states of a task, those that its clocks tell apart; in all others it is open."""


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
    """The task's record after `fact`; None: it changes nothing (a revision that is known, or nothing to keep)."""
    if record is None and fact.revision == 1 and fact.state == "planned" and fact.starts_at is None and fact.start_by is None:
        return None  # waits for predecessors: nothing to watch, and nothing older could say otherwise
    at = min(fact.at, now)
    phase = PHASES.get(fact.state, "open")
    known: tuple[TaskTurn, ...] = record.task_turns if record is not None else ()
    turns = enter(known, TaskTurn(fact.revision, fact.revision, at, phase, fact.due_at, fact.completed_at))
    if turns is None:
        return None
    if record is not None and fact.revision < record.revision:
        return _learn(record, turns, policy, now)
    clocks = record.clocks if record is not None else ()
    due = clocks[0] if clocks and clocks[0].kind == ClockKind.DUE else None  # it comes first
    lag: Clock | None = None
    start: Clock | None = None
    if fact.starts_at is not None or fact.start_by is not None or len(clocks) > (due is not None):  # most tasks have neither
        is_to_begin = fact.in_progress_at is None and fact.state in NOT_BEGUN
        lag = _until(ClockKind.LAG, fact.starts_at if phase == "planned" else None, record, fact, now)
        start = _until(ClockKind.START, fact.start_by if is_to_begin else None, record, fact, now)
    told = record.told if record is not None else 0
    due, alerts, told = _due(due, turns, fact, policy, at, now, told)
    clocks = (due,) if due is not None else ()
    if lag is not None or start is not None:
        clocks = (*clocks, *[clock for clock in (lag, start) if clock is not None])
    is_finished = fact.state in FINISHED
    facts, forget_at = (NO_FACTS, now + RETENTION) if is_finished else (fact.facts, None)
    after = Record(ItemKind.TASK, fact.revision, fact.config_version, clocks, facts, forget_at, turns, told)
    return Outcome(after, alerts, fact.facts)


def _due(
    known: Clock | None, turns: tuple[TaskTurn, ...], fact: TaskFact, policy: Policy, at: Moment, now: Moment, told: int
) -> tuple[Clock | None, list[Alert], int]:
    started_at = fact.planned_at if fact.triggered_at is None else fact.triggered_at
    phase = turns[-1].state
    is_as_known = known is not None and known.closed_at is None and (known.due_at, known.started_at) == (fact.due_at, started_at)
    if phase == "open" and (is_as_known or fact.due_at is None):
        return known, [], told
    fresh: Clock | None = None
    if phase != "planned" and fact.due_at is not None:
        definition = fact.facts.definition
        if known is None or not is_as_known:
            calendar, ladder = policy.task_calendar(definition), policy.task_ladder(definition)
            fresh = due_clock(start_clock(ClockKind.DUE, started_at, fact.due_at, calendar, ladder), turns)
        else:
            fresh = due_clock(known, turns)
    if fresh is None and known is None:
        return None, [], told
    clock, alerts = reconcile(known, fresh, at, now, policy, told)
    if clock is None and known is not None:
        told = max(told, known.events + len(alerts))
    return clock, alerts, told


def _learn(record: Record, turns: tuple[TaskTurn, ...], policy: Policy, now: Moment) -> Outcome:
    """An older revision became known: since when the task has been as it is may be another moment than was thought."""
    clocks = list(record.clocks)
    alerts: list[Alert] = []
    due = clocks[0] if clocks and clocks[0].kind == ClockKind.DUE else None
    if due is not None and due.outcome:
        moved, alerts = reconcile(due, due_clock(due, turns), run_began_at(turns), now, policy, record.told)
        clocks[0] = moved or due
    return Outcome(replace(record, clocks=tuple(clocks), turns=turns), alerts, record.facts)


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
