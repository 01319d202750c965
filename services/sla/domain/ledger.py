"""From the journal of an item to its clocks: the same whatever order, how late or how often its events came.

Nothing here knows what a clock has told; `services.sla.domain.telling` holds that against the ledger.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from services.sla.domain.clocks import Clock, ClockKind, Moment, Reason, Suspension, moment_after, start_clock, with_due
from services.sla.domain.journal import CaseTurn, TaskTurn, Turn
from services.sla.domain.policy import Policy
from shared.calendars import Calendar, due_micros, next_open
from shared.calendars.arithmetic import add_micros
from shared.calendars.openings import micros, moment

CASE_CLOCKS: Final = (
    ClockKind.RESPONSE,
    ClockKind.UPDATE,
    ClockKind.TEMPORARY_RESOLUTION,
    ClockKind.RESOLUTION,
    ClockKind.COMPLETION,
)
FINISHED: Final = frozenset({"completed", "cancelled"})
REACHED: Final = {
    ClockKind.RESPONSE: frozenset({"responded", "temporarily_resolved", "finally_resolved", "completed"}),
    ClockKind.UPDATE: frozenset({"finally_resolved", "completed"}),
    ClockKind.TEMPORARY_RESOLUTION: frozenset({"temporarily_resolved", "finally_resolved", "completed"}),
    ClockKind.RESOLUTION: frozenset({"finally_resolved", "completed"}),
    ClockKind.COMPLETION: frozenset({"completed"}),
}
"""The life-cycle states in which what a clock measures has happened."""


def case_clocks(turns: tuple[CaseTurn, ...], policy: Policy) -> tuple[Clock, ...]:
    """The clocks of a case: for each kind that it has a target for, whether it runs, rests or has stopped. Raises `CalendarError`."""
    return tuple([clock for kind in CASE_CLOCKS if (clock := case_clock(kind, turns, policy)) is not None])


def case_clock(kind: ClockKind, turns: tuple[CaseTurn, ...], policy: Policy) -> Clock | None:
    """One of them. It runs by the target that holds for the case as it is now, from its beginning: a target that forbids pausing counts
    the time that was waited before as well."""
    now = turns[-1]
    target = policy.target(kind, now.subject, now.method, now.priority, now.unit)
    if target is None:
        return None
    started_at = case_started_at(kind, now, policy)
    due_at = due_micros(target.within, started_at, target.calendar)
    ladder = policy.ladder if target.ladder is None else target.ladder
    suspensions, closed_at, has_happened = _course(kind, turns, started_at, target.pauses)
    runs_on, source = target.runs_on, target.source
    clock = start_clock(kind, started_at, due_at, runs_on, ladder, is_pausable=target.pauses, target=source, closed_at=closed_at)
    if suspensions:
        calendar = policy.calendar_of(clock.calendar)
        clock = replace(clock, suspensions=suspensions)
        clock = with_due(clock, _due_at(clock, calendar), calendar, ladder)
    return clock if closed_at is None else replace(clock, outcome=_outcome(clock, has_happened))


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
    for turn in turns:
        at = max(at, turn.at)  # another host's clock may be behind
        was = reason
        if turn.state in FINISHED or _has_happened(kind, turn):
            reason = Reason.CLOSED
        else:
            reason = Reason.WAITING if turn.waiting and pauses else None
        # What was resolved stays so when the case is cancelled after that.
        has_happened = reason == Reason.CLOSED and (has_happened or _has_happened(kind, turn))
        if reason == was:
            continue
        changed_at = at
        if reason == Reason.CLOSED:
            told = _told_moment(kind, turn)
            changed_at = at if told is None else max(started_at, min(told, at))
            while spans and spans[-1][0] >= changed_at:  # it is said to have happened before
                spans.pop()
            if spans and (spans[-1][1] or 0) > changed_at:
                spans[-1] = (spans[-1][0], changed_at, spans[-1][2])
        if was is not None and since < changed_at:
            spans.append((since, changed_at, was))
        since = changed_at
    if reason == Reason.CLOSED:
        return tuple(spans), since, has_happened
    if reason is not None:
        spans.append((since, None, reason))
    return tuple(spans), None, False


def _has_happened(kind: ClockKind, turn: CaseTurn) -> bool:
    return turn.state in REACHED[kind] or (kind == ClockKind.RESPONSE and turn.responded_at is not None)


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
