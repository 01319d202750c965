"""From the journal of an item to its clocks: the same whatever order, how late or how often its events came.

Nothing here knows what a clock has told; `services.sla.domain.telling` holds that against the ledger.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from services.sla.domain.clocks import (
    CASE_CLOCKS,
    Clock,
    ClockKind,
    Ladder,
    Moment,
    Reason,
    Rung,
    Suspension,
    moment_after,
    next_moment,
    start_clock,
    with_due,
)
from services.sla.domain.journal import CaseTurn, TaskTurn, Turn
from services.sla.domain.policy import Policy, Target
from shared.calendars import Calendar, due_micros, next_open
from shared.calendars.arithmetic import add_micros
from shared.calendars.openings import micros, moment

WAITING: Final = Reason.WAITING
CLOSED: Final = Reason.CLOSED
FINISHED: Final = frozenset({"completed", "cancelled"})
REACHED: Final = {
    ClockKind.RESPONSE: frozenset({"responded", "temporarily_resolved", "finally_resolved", "completed"}),
    ClockKind.UPDATE: frozenset({"finally_resolved", "completed"}),
    ClockKind.TEMPORARY_RESOLUTION: frozenset({"temporarily_resolved", "finally_resolved", "completed"}),
    ClockKind.RESOLUTION: frozenset({"finally_resolved", "completed"}),
    ClockKind.COMPLETION: frozenset({"completed"}),
}
"""The life-cycle states in which what a clock measures has happened."""
HAPPENED: Final = frozenset({"met", "missed"})
"""The outcomes of a clock of which that has happened."""


def case_clocks(turns: tuple[CaseTurn, ...], policy: Policy) -> tuple[Clock, ...]:
    """The clocks of a case: for each kind that it has a target for, whether it runs, rests or has stopped. Raises `CalendarError`."""
    now = turns[-1]
    targets = policy.targets(now.subject, now.method, now.priority, now.unit)
    return tuple([case_clock(kind, targets[kind], turns, policy) for kind in CASE_CLOCKS if kind in targets])


def case_clock(kind: ClockKind, target: Target, turns: tuple[CaseTurn, ...], policy: Policy, before: Clock | None = None) -> Clock:
    """One of them. It runs by the target that holds for the case as it is now, from its beginning: a target that forbids pausing counts
    the time that was waited before as well.

    `before`: the clock by an older journal, where the same target and calendars made it. What it says of the ledger is used again where
    nothing else can come out, which spares a long case most of the arithmetic; what it has told is not looked at.
    """
    started_at = case_started_at(kind, turns[-1], policy)
    suspensions, closed_at, has_happened = _course(kind, turns, started_at, target.pauses)
    ladder = policy.ladder if target.ladder is None else target.ladder
    if before is None or before.started_at != started_at:
        clock = None
    else:
        if suspensions == before.suspensions and closed_at == before.closed_at and has_happened == (before.outcome in HAPPENED):
            return before
        clock = _with_rests(before, suspensions, closed_at, policy, ladder)
    if clock is None:
        due_at = due_micros(target.within, started_at, target.calendar)
        clock = start_clock(
            kind, started_at, due_at, target.runs_on, ladder, is_pausable=target.pauses, target=target.source, closed_at=closed_at
        )
        if suspensions:
            clock = _suspended(clock, suspensions, policy, ladder)
    return clock if closed_at is None else replace(clock, outcome=_outcome(clock, has_happened))


def _suspended(clock: Clock, suspensions: tuple[Suspension, ...], policy: Policy, ladder: Ladder | None) -> Clock:
    """`clock`, which nothing had suspended yet, with its rests."""
    calendar = policy.calendar_of(clock.calendar)
    rested = replace(clock, suspensions=suspensions)
    rested = with_due(rested, _due_at(rested, calendar), calendar, ladder)
    # One that is never due soon, since all its time is shorter than the time before, is not so for having rested either.
    return rested if clock.soon_at is not None or rested.soon_at is None else replace(rested, soon_at=None)


def _with_rests(
    before: Clock, suspensions: tuple[Suspension, ...], closed_at: Moment | None, policy: Policy, ladder: Ladder | None
) -> Clock | None:
    """The clock with these rests from one that is the same but for them, with nothing told; None: it is to be reckoned from its beginning.

    Only rests that are over move what it is due by. So where those are the same its moments are; and where there were none, it is not to
    be worked out again what they would be without.
    """
    known, over = _over(before.suspensions), _over(suspensions)
    if known and known != over:
        return None
    clock = Clock(
        before.kind,
        before.started_at,
        before.due_at,
        before.soon_at,
        None,
        before.budget,
        before.calendar,
        before.is_pausable,
        Rung.DUE_SOON if before.soon_at is not None else Rung.OVERDUE,
        closed_at=closed_at,
        suspensions=suspensions,
        ladder=before.ladder,
        target=before.target,
    )
    if known != over:
        return _suspended(clock, suspensions, policy, ladder)
    if closed_at is not None or clock.is_suspended:
        return clock
    return replace(clock, next_at=next_moment(clock, policy.calendar_of(clock.calendar), ladder))


def _over(suspensions: tuple[Suspension, ...]) -> tuple[Suspension, ...]:
    return suspensions[:-1] if suspensions and suspensions[-1][1] is None else suspensions


def _due_at(clock: Clock, calendar: Calendar) -> Moment:
    """When a clock is due that, had nothing suspended it, would be at its `due_at`."""
    if not any(since < clock.due_at and until is not None for since, until, _ in clock.suspensions):
        return clock.due_at
    due_at = moment_after(clock, calendar, clock.budget)
    if add_micros(calendar, clock.started_at, clock.budget) == clock.due_at:
        return due_at
    # Its time is up at a closing, and it is due when work begins again: a working day from the morning is the next morning.
    return micros(next_open(calendar, moment(due_at)))


def case_started_at(kind: ClockKind, turn: CaseTurn, policy: Policy) -> Moment:
    """From when a clock counts: the opening; for completion the response, where the subject has it recalculated then (CASE-9); for the next
    word to the customer the last one."""
    if kind == ClockKind.COMPLETION and turn.responded_at is not None and turn.subject in policy.recalculating:
        return turn.responded_at
    if kind == ClockKind.UPDATE and turn.updated_at is not None:
        return max(turn.opened_at, min(turn.updated_at, turn.at))
    return turn.opened_at


def _course(
    kind: ClockKind, turns: tuple[CaseTurn, ...], started_at: Moment, pauses: bool
) -> tuple[tuple[Suspension, ...], Moment | None, bool]:
    """When the clock did not run, since when it has stopped, and whether what it measures has happened since (else it was cancelled)."""
    spans: list[Suspension] = []
    reason: Reason | None = None
    since = at = started_at
    has_happened = False
    reached, is_response = REACHED[kind], kind == ClockKind.RESPONSE
    for turn in turns:
        if turn.at > at:  # another host's clock may be behind
            at = turn.at
        was = reason
        happens = turn.state in reached or (is_response and turn.responded_at is not None)
        if happens or turn.state in FINISHED:
            reason = CLOSED
            # What was resolved stays so when the case is cancelled after that.
            has_happened = has_happened or happens
        else:
            reason = WAITING if turn.waiting and pauses else None
            has_happened = False
        if reason is was:
            continue
        changed_at = at
        if reason is CLOSED:
            told = _told_moment(kind, turn)
            changed_at = at if told is None else max(started_at, min(told, at))
            while spans and spans[-1][0] >= changed_at:  # it is said to have happened before
                spans.pop()
            if spans and (spans[-1][1] or 0) > changed_at:
                spans[-1] = (spans[-1][0], changed_at, spans[-1][2])
        if was is not None and since < changed_at:
            spans.append((since, changed_at, was))
        since = changed_at
    if reason is CLOSED:
        return tuple(spans), since, has_happened
    if reason is not None:
        spans.append((since, None, reason))
    return tuple(spans), None, False


def _told_moment(kind: ClockKind, turn: CaseTurn) -> Moment | None:
    """When the case says that what the clock measures happened; None: it does not, or it did not."""
    if kind == ClockKind.RESPONSE:
        return turn.responded_at
    if turn.state not in REACHED[kind]:
        return None
    if kind == ClockKind.RESOLUTION:
        return turn.resolved_at
    return turn.completed_at if kind == ClockKind.COMPLETION else None


def _outcome(clock: Clock, has_happened: bool) -> str:
    if not has_happened:
        return "cancelled"
    return "met" if (clock.closed_at or 0) <= clock.due_at else "missed"


def due_clock(clock: Clock, turns: tuple[TaskTurn, ...]) -> Clock:
    """`clock`, of an item that says itself when it is due, stopped where the item has ended."""
    now = turns[-1]
    if now.state == "open":
        return clock
    since = run_began_at(turns)
    closed_at = since if now.state == "cancelled" or now.done_at is None else min(now.done_at, since)
    return stopped(clock, max(closed_at, clock.started_at), now.state == "cancelled")


def stopped(clock: Clock, at: Moment, is_cancelled: bool) -> Clock:
    """`clock` stopped for good at `at`."""
    outcome = "cancelled" if is_cancelled else "met" if at <= clock.due_at else "missed"
    return replace(clock, next_at=None, closed_at=at, outcome=outcome)


def run_began_at(turns: tuple[TaskTurn, ...]) -> Moment:
    """Since when the item has been in the state that it is in, as far back as no revision is missing: one that is may tell of another."""
    began = turns[-1]
    for turn in reversed(turns[:-1]):
        if turn.state != began.state or turn.last + 1 != began.first:
            break
        began = turn
    return began.at


def latest(turns: tuple[Turn, ...]) -> int:
    """The newest revision of a journal; 0: it is empty."""
    return turns[-1].last if turns else 0
