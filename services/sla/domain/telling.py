"""What a clock has told, held against a ledger that has become another: what proves wrong is withdrawn, what is still to come is set."""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from msgspec.structs import replace

from services.sla.domain.clocks import (
    STEP,
    Alert,
    AlertType,
    Clock,
    ClockKind,
    Moment,
    Rung,
    next_moment,
    rung_moment,
    step_moment,
    used_span,
)
from services.sla.domain.policy import Policy

FAR: Final = 2**62
"""A moment after all others."""


def reconcile(
    old: Clock | None, new: Clock | None, since: Moment, now: Moment, policy: Policy, told: int, *, is_other_calendar: bool = False
) -> tuple[Clock | None, list[Alert]]:
    """The clock that goes on by the ledger of `new` with what `old` has told, and the word of what that changes.

    `since`: from when on the ledger may be another than it was. What was told of moments until then was right when it was told. `told`: how
    many events the item's clocks that are gone have told, for their revisions to count on. `is_other_calendar`: nothing happened to the
    item, its time is reckoned by another calendar; then only that is told again, and withdrawn, which is still to come by it.
    """
    if new is None:
        return None, [] if old is None else _withdrawn(old, None, since, now, policy)[1]
    if old is None:
        new = replace(new, events=told)
        return (new, []) if new.closed_at is None else _closed(new, policy)
    if new is old or _says_as(old, new):
        return old, []
    alerts: list[Alert] = []
    if old.kind == ClockKind.UPDATE and new.started_at > old.started_at and old.closed_at is None:
        since = min(since, new.started_at)
        old, alerts = _withdrawn(old, None, since, now, policy)
        ended = replace(old, next_at=None, closed_at=new.started_at, outcome=_outcome_at(old, new.started_at))
        ended, word = _closed(ended, policy)
        old, alerts = replace(ended, closed_at=None, outcome=""), [*alerts, *word]
    if old.told:
        since = min(since, _parted_at(old, new))
        is_same_run = is_other_calendar or _is_same_run(old, new)
        old, word = _withdrawn(old, new if is_same_run else None, since, now, policy, is_other_calendar=is_other_calendar)
        alerts += word
        if is_same_run:
            new = replace(new, rung=max(new.rung, old.rung), escalated=old.escalated, told=old.told, run=old.run)
        else:
            new = _begun_anew(old, new)
        new = replace(new, events=old.events)
        new = replace(new, next_at=next_moment(new, policy.calendar_of(new.calendar), policy.ladder_of(new.ladder)))
    elif old.events:
        new = replace(new, events=old.events)
    if new.closed_at is not None and new.outcome and (new.closed_at, new.outcome) != (old.closed_at, old.outcome):
        new, word = _closed(new, policy)
        alerts += word
    return new, alerts


def _parted_at(old: Clock, new: Clock) -> Moment:
    """From when on one of the ledgers has the clock run where the other has not."""
    one, other = _rests(old), _rests(new)
    for (since, until), (other_since, other_until) in zip_longest(one, other, fillvalue=(FAR, FAR)):
        if since != other_since:
            return min(since, other_since)
        if until != other_until:
            return min(until, other_until)
    return FAR


def _rests(clock: Clock) -> list[tuple[Moment, Moment]]:
    rests = [(since, FAR if until is None else until) for since, until, _ in clock.suspensions]
    return rests if clock.closed_at is None else [*rests, (clock.closed_at, FAR)]


def _is_same_run(old: Clock, new: Clock) -> bool:
    """Whether what was told stays told though the due instant moves: it is the same stretch of time."""
    return (old.started_at, old.budget, old.calendar, old.ladder) == (new.started_at, new.budget, new.calendar, new.ladder)


def _begun_anew(old: Clock, new: Clock) -> Clock:
    """`new` on the first rungs, but for what was told of its due instant already: of that nothing is told twice."""
    run = old.run + 1
    told = tuple([(code, due_at, fell_on, run if due_at == new.due_at else of) for code, due_at, fell_on, of in old.told])
    codes = {one[0] for one in told if one[3] == run}
    rung, escalated = new.rung, 0
    while rung in codes:
        rung += 1
    for code in codes:
        escalated |= 1 << (code - STEP) if code >= STEP else 0
    return replace(new, rung=rung, escalated=escalated, told=told, run=run)


def _says_as(old: Clock, new: Clock) -> bool:
    """Whether both ledgers say the same."""
    return (old.started_at, old.budget, old.calendar, old.ladder, old.is_pausable, old.target, old.due_at, old.soon_at) == (
        new.started_at,
        new.budget,
        new.calendar,
        new.ladder,
        new.is_pausable,
        new.target,
        new.due_at,
        new.soon_at,
    ) and (old.closed_at, old.outcome, old.suspensions) == (new.closed_at, new.outcome, new.suspensions)


def _outcome_at(clock: Clock, at: Moment) -> str:
    stopped = min(at, clock.suspensions[-1][0]) if clock.is_suspended else at
    return "met" if stopped <= clock.due_at else "missed"


def _closed(clock: Clock, policy: Policy) -> tuple[Clock, list[Alert]]:
    closed = replace(clock, events=clock.events + 1)
    at = closed.closed_at or 0
    used = used_span(closed, policy.calendar_of(closed.calendar), at)
    return closed, [Alert(AlertType.CLOSED, closed, closed.events, "none", 0, closed.due_at, at, outcome=closed.outcome, used=used)]


def _withdrawn(
    old: Clock, new: Clock | None, since: Moment, now: Moment, policy: Policy, *, is_other_calendar: bool = False
) -> tuple[Clock, list[Alert]]:
    """Take back what `old` told of moments after `since` that by the ledger of `new` (None: a new run of the clock) do not fall there."""
    alerts: list[Alert] = []
    for told in [told for told in old.told if told[2] > since]:
        code, due_at, fell_on, run = told
        again = _moment_of(code, new, policy) if new is not None else None
        if again == fell_on or (is_other_calendar and again is not None and again <= now):
            continue
        place = old.told.index(told)
        left = (*old.told[:place], *old.told[place + 1 :])
        is_own = run == old.run  # else it is none of the rungs that this run of the clock has behind it
        if code >= STEP:
            rung, repetition = AlertType.ESCALATED, code - STEP + 1
            escalated = old.escalated & ~(1 << (code - STEP)) if is_own else old.escalated
            old = replace(old, events=old.events + 1, told=left, escalated=escalated)
        else:
            rung, repetition = AlertType.DUE_SOON if code == Rung.DUE_SOON else AlertType.OVERDUE, max(0, code - Rung.OVERDUE)
            old = replace(old, events=old.events + 1, told=left, rung=min(old.rung, code) if is_own else old.rung)
        alerts.append(Alert(AlertType.WITHDRAWN, old, old.events, rung, repetition, due_at, now))
    return old, alerts


def _moment_of(code: int, clock: Clock, policy: Policy) -> Moment | None:
    """The moment on which the alert of this code falls by the ledger of `clock`; None: it does not."""
    calendar, ladder = policy.calendar_of(clock.calendar), policy.ladder_of(clock.ladder)
    if code < STEP:
        return rung_moment(clock, code, calendar, ladder)
    step = code - STEP
    return step_moment(clock, ladder.steps[step], calendar) if step < len(ladder.steps) else None
