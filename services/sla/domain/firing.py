"""What a moment does to a record: rungs fire, and what is over is forgotten."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from services.sla.domain.clocks import (
    STEP,
    Alert,
    AlertType,
    Clock,
    ClockKind,
    Ladder,
    Moment,
    Rung,
    Step,
    Told,
    next_moment,
    rung_moment,
    step_moment,
    with_due,
)
from services.sla.domain.communications import postponed
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, ItemKind, Outcome, Record
from shared.calendars import Calendar

MOST_TOLD: Final = 60
"""So many alerts that were told are kept of a clock, the newest."""
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


def fire_clock(
    clock: Clock, by: Moment, now: Moment, late_before: Moment, calendar: Calendar, ladder: Ladder | None
) -> tuple[Clock, list[Alert]]:
    """Fire everything of `clock` whose moment has come by `by`, in order. What fell due before `late_before` is marked late."""
    alerts: list[Alert] = []
    steps = ladder.steps if ladder is not None else ()
    tell: tuple[str, ...]
    while clock.next_at is not None and clock.next_at <= by:
        fires_at = clock.next_at
        revision, rung = clock.events + 1, clock.rung
        late = fires_at < late_before
        if not steps or rung_moment(clock, rung, calendar, ladder) == fires_at:
            kind = AlertType.DUE_SOON if rung == Rung.DUE_SOON else AlertType.OVERDUE
            repetition, tell = max(0, rung - Rung.OVERDUE), ()
            clock = replace(clock, rung=rung + 1, events=revision, told=_and(clock, rung, fires_at))
        else:
            number = _step_at(clock, fires_at, calendar, steps)
            if number is None:  # it was set by another release's reckoning
                clock = with_due(clock, clock.due_at, calendar, ladder)
                continue
            kind, repetition, tell = AlertType.ESCALATED, number + 1, steps[number].tell
            told = _and(clock, STEP + number, fires_at)
            clock = replace(clock, escalated=clock.escalated | 1 << number, events=revision, told=told)
        # Without steps what follows being due soon is known; thousands may fall due in one second.
        next_at = clock.due_at if rung == Rung.DUE_SOON and not steps else next_moment(clock, calendar, ladder)
        clock = replace(clock, next_at=next_at)
        alerts.append(Alert(kind, clock, revision, kind, repetition, clock.due_at, now, late, tell=tell))
    return clock, alerts


def _and(clock: Clock, code: int, fires_at: Moment) -> tuple[Told, ...]:
    return (*clock.told[-MOST_TOLD:], (code, clock.due_at, fires_at, clock.run))


def _step_at(clock: Clock, at: Moment, calendar: Calendar, steps: tuple[Step, ...]) -> int | None:
    for number, step in enumerate(steps):
        if not clock.escalated >> number & 1 and step_moment(clock, step, calendar) == at:
            return number
    return None


def fire_once(clock: Clock, kind: AlertType, now: Moment, late_before: Moment) -> tuple[Clock, Alert]:
    """Fire the only rung of a clock without a ladder: an expiry and a lag are over with it, a late start is still awaited."""
    late = clock.due_at < late_before
    closed_at = None if kind == AlertType.START_LATE else now
    fired = replace(clock, rung=Rung.FIRST_REPETITION, next_at=None, closed_at=closed_at, events=clock.events + 1)
    return fired, Alert(kind, fired, fired.events, kind, 0, fired.due_at, now, late)
