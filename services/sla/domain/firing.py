"""What a moment does to a record: rungs fire, and what is over is forgotten."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from services.sla.domain.clocks import Alert, AlertType, Clock, ClockKind, Moment, fire_clock, fire_once
from services.sla.domain.communications import postponed
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, ItemKind, Outcome, Record

ONLY_RUNG: Final = {ClockKind.LAG: AlertType.LAG_OVER, ClockKind.START: AlertType.START_LATE}
"""What clocks of tasks tell that have no ladder."""


def fire(
    record: Record,
    now: Moment,
    late_before: Moment,
    policy: Policy,
    active_at: Moment | None = None,
    is_case_over: bool = False,
    by: Moment | None = None,
) -> Outcome:
    """The record once everything due by `by` (None: by now) has fired. What fell due before `late_before` is told as late.

    `active_at`: of a communication, when its conversation was last active. `is_case_over`: of a task, whether its case is finished.
    """
    by = now if by is None else by
    if record.forget_at is not None:
        return Outcome(None if record.forget_at <= now else record, [], record.facts)
    if record.kind == ItemKind.COMMUNICATION and active_at is not None:
        moved = postponed(record, active_at, policy)
        if moved is not None:
            return Outcome(moved, [], record.facts)
    clocks: list[Clock] = []
    alerts: list[Alert] = []
    forget_at: Moment | None = None
    for clock in record.clocks:
        if clock.next_at is None or clock.next_at > by:
            clocks.append(clock)
            continue
        if clock.kind == ClockKind.EXPIRY:
            fired, alert = fire_once(clock, AlertType.EXPIRED, now, late_before)
            told = [alert]
            forget_at = now + RETENTION
        elif clock.kind == ClockKind.START and is_case_over and not _has_started(record):
            # It cannot start now. Should the case be open again, the clock runs on with the task's next event.
            fired, told = replace(clock, next_at=None, closed_at=now), []
        elif clock.kind in ONLY_RUNG:
            fired, alert = fire_once(clock, ONLY_RUNG[clock.kind], now, late_before)
            told = [alert]
        else:
            fired, told = fire_clock(clock, by, now, late_before, policy.calendar_of(clock.calendar), policy.ladder_of(clock.ladder))
        clocks.append(fired)
        alerts += told
    facts = record.facts if forget_at is None else NO_FACTS
    return Outcome(replace(record, clocks=tuple(clocks), facts=facts, forget_at=forget_at), alerts, record.facts)


def _has_started(record: Record) -> bool:
    due = record.clock(ClockKind.DUE)
    return due is not None and due.closed_at is None
