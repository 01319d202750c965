"""What an event on a case does to its clocks: response, temporary and final resolution, completion."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import (
    CASE_CLOCKS,
    Alert,
    Clock,
    ClockKind,
    Moment,
    close,
    reopen,
    resume,
    start_clock,
    suspend,
    withdraw,
)
from services.sla.domain.policy import Policy, Target
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from shared.calendars import due_micros

FINISHED: Final = frozenset({"completed", "cancelled"})
REACHED: Final = {
    ClockKind.RESPONSE: frozenset({"responded", "temporarily_resolved", "finally_resolved", "completed"}),
    ClockKind.TEMPORARY_RESOLUTION: frozenset({"temporarily_resolved", "finally_resolved", "completed"}),
    ClockKind.RESOLUTION: frozenset({"finally_resolved", "completed"}),
    ClockKind.COMPLETION: frozenset({"completed"}),
}
"""The life-cycle states in which what a clock measures has happened."""


class CaseFact(Struct, frozen=True, gc=False):
    """A case as an event tells it; `at` is the event's time."""

    case_id: str
    """A UUID as text, in small letters."""
    revision: int
    config_version: int
    at: Moment
    state: str
    waiting_for_customer: bool
    opened_at: Moment
    responded_at: Moment | None
    resolved_at: Moment | None
    completed_at: Moment | None
    facts: Facts
    updated_at: Moment | None = None
    """When the customer last heard of it."""


def apply_case(record: Record | None, fact: CaseFact, policy: Policy, now: Moment) -> Outcome | None:
    """The case's record after `fact`; None: it changes nothing (an older revision, or one that is known)."""
    if record is not None and fact.revision <= record.revision:
        return None
    if fact.at > now:  # another host's clock may be ahead
        fact = replace(fact, at=now)
    clocks: list[Clock] = []
    alerts: list[Alert] = []
    needs_target = _needs_target(record, fact)
    for kind in CASE_CLOCKS:
        clock = record.clock(kind) if record is not None else None
        moved, told = _advance(kind, clock, needs_target, fact, policy, now)
        alerts += told
        if moved is not None:
            clocks.append(moved)
    is_finished = fact.state in FINISHED
    after = Record(
        ItemKind.CASE,
        fact.revision,
        fact.config_version,
        tuple(clocks),
        NO_FACTS if is_finished else fact.facts,
        now + RETENTION if is_finished else None,
    )
    return Outcome(after, alerts, fact.facts)


def _needs_target(record: Record | None, fact: CaseFact) -> bool:
    """Whether the targets may be others than those the clocks run by."""
    if record is None or record.forget_at is not None:
        return True
    was, is_now = record.facts, fact.facts
    return record.config_version != fact.config_version or (was.subject, was.method, was.priority) != (
        is_now.subject,
        is_now.method,
        is_now.priority,
    )


def _advance(
    kind: ClockKind, clock: Clock | None, needs_target: bool, fact: CaseFact, policy: Policy, now: Moment
) -> tuple[Clock | None, list[Alert]]:
    reached_at = _reached_at(kind, fact, now)
    alerts: list[Alert] = []
    if clock is None:
        if reached_at is not None or fact.state in FINISHED:
            return None, []
        target = policy.target(kind, fact.facts.subject, fact.facts.method, fact.facts.priority)
        if target is None:
            return None, []
        clock = _start(target, fact, policy, ())
    elif clock.closed_at is None and (needs_target or (policy.recalculating and clock.started_at != _started_at(kind, fact, policy))):
        clock, alerts = _retarget(clock, fact, policy, now)
        if clock is None:
            return None, alerts
    calendar = policy.calendar_of(clock.calendar)
    if reached_at is not None or fact.state in FINISHED:
        if clock.closed_at is None:
            at = fact.at if reached_at is None else reached_at
            clock, withdrawn = withdraw(clock, at, now, calendar, policy.ladder)
            clock, closed = close(clock, at, None if reached_at is not None else "cancelled")
            alerts = [*alerts, *withdrawn, closed]
        return clock, alerts
    if clock.closed_at is not None:
        clock = reopen(clock, fact.at, calendar, policy.ladder)
    if fact.waiting_for_customer and clock.is_pausable and not clock.is_suspended:
        clock, withdrawn = withdraw(clock, fact.at, now, calendar, policy.ladder)
        return suspend(clock, fact.at), [*alerts, *withdrawn]
    if clock.is_suspended and not (fact.waiting_for_customer and clock.is_pausable):
        clock = resume(clock, fact.at, calendar, policy.ladder)
    return clock, alerts


def _reached_at(kind: ClockKind, fact: CaseFact, now: Moment) -> Moment | None:
    """When what the clock measures happened; None: it has not."""
    if kind == ClockKind.RESPONSE and fact.responded_at is not None:
        return min(fact.responded_at, now)
    if fact.state not in REACHED[kind]:
        return None
    told: Moment | None = None
    if kind == ClockKind.RESOLUTION:
        told = fact.resolved_at
    elif kind == ClockKind.COMPLETION:
        told = fact.completed_at
    return min(fact.at if told is None else told, now)


def _started_at(kind: ClockKind, fact: CaseFact, policy: Policy) -> Moment:
    """From when the clock counts: the opening; for completion the response, where the subject has it recalculated then (CASE-9)."""
    if kind == ClockKind.COMPLETION and fact.responded_at is not None and fact.facts.subject in policy.recalculating:
        return fact.responded_at
    return fact.opened_at


def _start(target: Target, fact: CaseFact, policy: Policy, suspensions: tuple[tuple[Moment, Moment | None], ...]) -> Clock:
    started_at = _started_at(target.kind, fact, policy)
    due_at = due_micros(target.within, started_at, target.calendar)
    return start_clock(
        target.kind,
        started_at,
        due_at,
        target.runs_on,
        policy.ladder,
        is_pausable=target.pauses,
        suspensions=suspensions if target.pauses else (),
    )


def _retarget(clock: Clock, fact: CaseFact, policy: Policy, now: Moment) -> tuple[Clock | None, list[Alert]]:
    """`clock` by the target that holds now: its ledger stays, its rungs begin anew where its time changed."""
    target = policy.target(clock.kind, fact.facts.subject, fact.facts.method, fact.facts.priority)
    if target is None:
        withdrawn, alerts = withdraw(clock, fact.at, now, policy.calendar_of(clock.calendar), policy.ladder)
        return None, alerts
    fresh = _start(target, fact, policy, clock.suspensions)
    same = (fresh.budget, fresh.calendar, fresh.is_pausable) == (clock.budget, clock.calendar, clock.is_pausable)
    if same and fresh.started_at == clock.started_at:
        return clock, []
    withdrawn, alerts = withdraw(clock, fact.at, now, policy.calendar_of(clock.calendar), policy.ladder)
    return replace(fresh, events=withdrawn.events), alerts
