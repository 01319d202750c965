"""One clock: its ledger of working time, its rungs, and the moments at which they fire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shared.calendars import ROUND_THE_CLOCK, Calendar, CalendarError, Duration, due_micros
from shared.calendars.arithmetic import add_micros, between_micros, share_of

Moment = int
"""Microseconds since 1970-01-01 UTC."""
Span = int
"""Microseconds of time on a clock's calendar."""

ONE_MICROSECOND: Final = timedelta(microseconds=1)
COUNTED: Final = timedelta(days=5 * 366) // ONE_MICROSECOND
"""Longest span for which working time is counted."""


class ClockKind(IntEnum):
    """What a clock measures; the number is what records keep."""

    DUE = 0
    RESPONSE = 1
    TEMPORARY_RESOLUTION = 2
    RESOLUTION = 3
    COMPLETION = 4
    EXPIRY = 5
    LAG = 6
    START = 7
    """Until work on a task begins, where its plan says by when."""
    UPDATE = 8
    """Until the customer next hears of a case; begins anew with each time that they do."""


CASE_CLOCKS: Final = (ClockKind.RESPONSE, ClockKind.TEMPORARY_RESOLUTION, ClockKind.RESOLUTION, ClockKind.COMPLETION)


class Rung(IntEnum):
    """The next step of a clock's ladder. A clock beyond `OVERDUE` counts repetitions: rung 2 is the first, 3 the second, ..."""

    DUE_SOON = 0
    OVERDUE = 1
    FIRST_REPETITION = 2


class AlertType(StrEnum):
    """What is told about a clock."""

    DUE_SOON = "due-soon"
    OVERDUE = "overdue"
    EXPIRED = "expired"
    LAG_OVER = "lag-over"
    START_LATE = "start-late"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


class Clock(Struct, frozen=True, gc=False, array_like=True):
    """A clock. `due_at` is the moment its time is used up; while suspended, the moment it would have been when the suspension began."""

    kind: ClockKind
    started_at: Moment
    due_at: Moment
    soon_at: Moment | None
    """When the share of its time that makes it due soon is used up; None: it never is."""
    next_at: Moment | None
    """When the next rung fires; None: none does (suspended, closed, or the ladder is at its end)."""
    budget: Span
    calendar: str
    """Code of the calendar it runs on; empty: round the clock."""
    is_pausable: bool
    rung: int = Rung.DUE_SOON
    """The rung that fires next (`Rung`)."""
    events: int = 0
    """Events told so far: the revision of the last one."""
    closed_at: Moment | None = None
    suspensions: tuple[tuple[Moment, Moment | None], ...] = ()
    """Spans when it did not run, in order; an end of None: it does not run now."""

    @property
    def is_suspended(self) -> bool:
        """Whether it waits for the customer now."""
        return bool(self.suspensions) and self.suspensions[-1][1] is None


class Alert(Struct, frozen=True, gc=False):
    """Something to tell about a clock; `clock` is its state then, `revision` gapless per clock."""

    type: AlertType
    clock: Clock
    revision: int
    rung: str
    repetition: int
    due_at: Moment
    fired_at: Moment
    late: bool = False
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the escalation chain: when, and whom it tells. One of `share`, `before` and `after` is given."""

    tell: tuple[str, ...]
    """Any of `owner`, `leader` and `manager`."""
    share: float | None = None
    """Share of the budget that is used up then; beyond 1 it is overdue."""
    before: Duration | None = None
    """Time before it is due."""
    after: Duration | None = None
    """Time after it was due."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """When clocks alert: at a share of their time, when it is used up, and again every so often."""

    due_soon_share: float = 0.8
    repeat_every: Duration | None = None
    repeat_times: int = 0
    due_soon_before: Duration | None = None
    """Takes the place of the share: so long before it is due."""
    steps: tuple[Step, ...] = ()
    """The escalation chain; each step fires once, beside the other rungs. At most 16."""
    code: str = ""
    """Empty: the organisation's own."""


def working_span(calendar: Calendar, since: Moment, until: Moment) -> Span:
    """Working time between two moments."""
    return between_micros(calendar, since, until)


def moment_after(clock: Clock, calendar: Calendar, span: Span) -> Moment | None:
    """When `clock` has run for `span`, by its ledger; None: it is suspended before that."""
    at, left = clock.started_at, span
    for since, until in clock.suspensions:
        if since > at:
            used = working_span(calendar, at, since)
            if used >= left:
                break
            left -= used
        if until is None:
            return None
        at = max(at, until)
    return add_micros(calendar, at, left)


def start_clock(
    kind: ClockKind,
    started_at: Moment,
    due_at: Moment,
    calendar: Calendar,
    ladder: Ladder | None,
    *,
    is_pausable: bool = False,
    suspensions: tuple[tuple[Moment, Moment | None], ...] = (),
) -> Clock:
    """A clock that runs from `started_at` and, unless suspended, is due at `due_at`. `ladder` None: it has no due-soon rung.

    Where no working time lies between (a task for the night), its share is that of plain time; and where years do, for which no calendar
    is known and counting would take long.
    """
    share = ladder.due_soon_share if ladder else 0.0
    budget, soon_at = share_of(calendar, started_at, due_at, share) if ladder and due_at - started_at <= COUNTED else (0, started_at)
    if budget <= 0:
        calendar, budget = ROUND_THE_CLOCK, max(0, due_at - started_at)
        soon_at = started_at + int(budget * share)
    code = "" if calendar.round_the_clock else calendar.code
    if ladder is None or budget <= 0:
        clock = Clock(kind, started_at, due_at, None, due_at, budget, code, is_pausable, Rung.OVERDUE, 0, None, suspensions)
    else:
        clock = Clock(kind, started_at, due_at, soon_at, soon_at, budget, code, is_pausable, Rung.DUE_SOON, 0, None, suspensions)
    return measure(clock, calendar, ladder) if suspensions else clock


def measure(clock: Clock, calendar: Calendar, ladder: Ladder | None) -> Clock:
    """`clock` with its moments worked out anew from its ledger. The rungs that have fired stay fired."""
    if clock.closed_at is not None or clock.is_suspended:
        return replace(clock, next_at=None)
    due_at = moment_after(clock, calendar, clock.budget)
    soon_at = moment_after(clock, calendar, int(clock.budget * ladder.due_soon_share)) if ladder and clock.budget > 0 else None
    if due_at is None:
        return replace(clock, next_at=None)
    clock = replace(clock, due_at=due_at, soon_at=soon_at)
    if clock.rung == Rung.DUE_SOON and soon_at is not None:
        return replace(clock, next_at=soon_at)
    if clock.rung <= Rung.OVERDUE:
        return replace(clock, next_at=due_at)
    # Repetitions count from the moment it runs again, so that a long wait does not end in a volley.
    resumed_at = clock.suspensions[-1][1] if clock.suspensions else None
    return replace(clock, next_at=next_repetition(clock, max(due_at, resumed_at or due_at), calendar, ladder))


def next_repetition(clock: Clock, after: Moment, calendar: Calendar, ladder: Ladder | None) -> Moment | None:
    """When a clock that is overdue says so again, counted from `after`; never where its calendar has no such moment."""
    if ladder is None or ladder.repeat_every is None or clock.rung - Rung.OVERDUE > ladder.repeat_times:
        return None
    try:
        return due_micros(ladder.repeat_every, after, calendar)
    except CalendarError:
        return None


def suspend(clock: Clock, at: Moment) -> Clock:
    """`clock` stopped at `at`: it keeps what time it has left."""
    begins = max(at, clock.started_at, clock.suspensions[-1][1] or 0 if clock.suspensions else 0)
    return replace(clock, next_at=None, suspensions=(*clock.suspensions, (begins, None)))


def resume(clock: Clock, at: Moment, calendar: Calendar, ladder: Ladder | None) -> Clock:
    """`clock` running again from `at`, with the time it had left."""
    begins = clock.suspensions[-1][0]
    spans = (*clock.suspensions[:-1], (begins, max(at, begins)))
    return measure(replace(clock, suspensions=spans), calendar, ladder)


def close(clock: Clock, at: Moment, outcome: str | None = None) -> tuple[Clock, Alert]:
    """`clock` stopped for good at `at`, and the word of it. `outcome` None: met or missed, as its ledger says."""
    at = max(at, clock.started_at)
    used_until = clock.suspensions[-1][0] if clock.is_suspended else at
    outcome = outcome or ("met" if used_until <= clock.due_at else "missed")
    closed = replace(clock, next_at=None, closed_at=at, events=clock.events + 1)
    return closed, Alert(AlertType.CLOSED, closed, closed.events, "none", 0, closed.due_at, at, outcome=outcome)


def reopen(clock: Clock, at: Moment, calendar: Calendar, ladder: Ladder | None) -> Clock:
    """A closed clock running again: the time it was closed does not count, what it has told stays told."""
    closed_at = clock.closed_at if clock.closed_at is not None else at
    spans = clock.suspensions
    if clock.is_suspended:
        closed_at, spans = spans[-1][0], spans[:-1]
    return measure(replace(clock, closed_at=None, suspensions=(*spans, (closed_at, max(at, closed_at)))), calendar, ladder)


def withdraw(clock: Clock, at: Moment, now: Moment, calendar: Calendar, ladder: Ladder | None) -> tuple[Clock, list[Alert]]:
    """Take back what `clock` told of moments after `at`: something that had happened by then was only read later."""
    told: list[tuple[str, int]] = []
    if clock.rung > Rung.DUE_SOON and clock.soon_at is not None and clock.soon_at > at:
        told.append((AlertType.DUE_SOON, 0))
    fires_at: Moment | None = clock.due_at
    for repetition in range(clock.rung - Rung.OVERDUE):
        if fires_at is None:
            break
        if fires_at > at:
            told.append((AlertType.OVERDUE, repetition))
        fires_at = next_repetition(replace(clock, rung=Rung.FIRST_REPETITION), fires_at, calendar, ladder)
    alerts = []
    for rung, repetition in told:
        clock = replace(clock, events=clock.events + 1)
        alerts.append(Alert(AlertType.WITHDRAWN, clock, clock.events, rung, repetition, clock.due_at, now))
    return clock, alerts


def fire_clock(clock: Clock, now: Moment, late_before: Moment, calendar: Calendar, ladder: Ladder | None) -> tuple[Clock, list[Alert]]:
    """Fire every rung of `clock` whose moment has come, in order. What fell due before `late_before` is marked late."""
    alerts: list[Alert] = []
    while clock.next_at is not None and clock.next_at <= now:
        fires_at, rung = clock.next_at, clock.rung
        late = fires_at < late_before
        if rung == Rung.DUE_SOON:
            clock = replace(clock, rung=rung + 1, events=clock.events + 1, next_at=clock.due_at)
            alerts.append(Alert(AlertType.DUE_SOON, clock, clock.events, AlertType.DUE_SOON, 0, clock.due_at, now, late))
        else:
            clock = replace(clock, rung=rung + 1, events=clock.events + 1)
            clock = replace(clock, next_at=next_repetition(clock, fires_at, calendar, ladder))
            alerts.append(Alert(AlertType.OVERDUE, clock, clock.events, AlertType.OVERDUE, rung - Rung.OVERDUE, clock.due_at, now, late))
    return clock, alerts


def fire_once(clock: Clock, kind: AlertType, now: Moment, late_before: Moment) -> tuple[Clock, Alert]:
    """Fire the only rung of a clock without a ladder: an expiry and a lag are over with it, a late start is still awaited."""
    late = clock.due_at < late_before
    closed_at = None if kind == AlertType.START_LATE else now
    fired = replace(clock, rung=Rung.FIRST_REPETITION, next_at=None, closed_at=closed_at, events=clock.events + 1)
    return fired, Alert(kind, fired, fired.events, kind, 0, fired.due_at, now, late)
