"""One clock: its ledger of working time, its rungs, and the moments at which they fire.

What a clock's ledger says (`services.sla.domain.ledger`) is a function of what is known of its item, in whatever order it was learnt. What
it has told is its own: `reconcile` holds the one against the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shared.calendars import ROUND_THE_CLOCK, Calendar, CalendarError, Duration, before, due_micros
from shared.calendars.arithmetic import add_micros, between_micros, share_of
from shared.calendars.openings import micros, moment

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


CASE_CLOCKS: Final = (
    ClockKind.RESPONSE,
    ClockKind.UPDATE,
    ClockKind.TEMPORARY_RESOLUTION,
    ClockKind.RESOLUTION,
    ClockKind.COMPLETION,
)
"""Those of a case, in the order in which its record has them."""


class Reason(IntEnum):
    """Why a clock did not run; the number is what records keep."""

    WAITING = 0
    """For the customer."""
    CLOSED = 1
    """It had stopped, until its item was opened again."""


class Rung(IntEnum):
    """The next step of a clock's ladder. A clock beyond `OVERDUE` counts repetitions: rung 2 is the first, 3 the second, ..."""

    DUE_SOON = 0
    OVERDUE = 1
    FIRST_REPETITION = 2


class AlertType(StrEnum):
    """What is told about a clock."""

    DUE_SOON = "due-soon"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    EXPIRED = "expired"
    LAG_OVER = "lag-over"
    START_LATE = "start-late"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


Suspension = tuple[Moment, Moment | None, int]
"""A span when a clock did not run, [since, until): None: it does not run now. Last its `Reason`."""


Told = tuple[int, Moment, Moment, int]
"""An alert that was told: its code, the due instant that it named, the moment that it fell on, and the clock's run. The code is the rung's
number; that of a step of the escalation chain `STEP` and its number."""
STEP: Final = 1_000


class Clock(Struct, frozen=True, gc=False, array_like=True):
    """A clock. `due_at` is the moment its time is used up; while suspended, the moment it would have been when the suspension began."""

    kind: ClockKind
    started_at: Moment
    due_at: Moment
    soon_at: Moment | None
    """When it is due soon; None: it never is."""
    next_at: Moment | None
    """When something next fires; None: nothing does (suspended, closed, or the ladder is at its end)."""
    budget: Span
    calendar: str
    """Code of the calendar it runs on; empty: round the clock."""
    is_pausable: bool
    rung: int = Rung.DUE_SOON
    """The rung that fires next (`Rung`)."""
    events: int = 0
    """Events told so far: the revision of the last one."""
    closed_at: Moment | None = None
    suspensions: tuple[Suspension, ...] = ()
    """In order; none touches what lies before `started_at` or after `closed_at`."""
    outcome: str = ""
    """Of a closed clock: `met`, `missed` or `cancelled`; empty: it only rests."""
    escalated: int = 0
    """Bit n is set once step n of the escalation chain has fired."""
    ladder: str = ""
    """Code of its ladder; empty: the organisation's own."""
    target: str = ""
    """Whose target it runs by: `subject`, `method` or `organisation`; empty: its item says itself when it is due."""
    told: tuple[Told, ...] = ()
    """What was told and not withdrawn, in order; of very many the newest."""
    run: int = 0
    """How often its rungs began anew, for another start, budget or calendar."""

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
    tell: tuple[str, ...] = ()
    """Whom a step of the escalation chain tells."""
    used: Span = 0
    """Of a clock that closed: the time that it took of its budget."""


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


def run_of(clock: Clock) -> Iterator[tuple[Moment, Moment | None]]:
    """The spans in which `clock` ran, in order; the last has no end where it runs still, or would if nothing had suspended it."""
    at = clock.started_at
    for since, until, _ in clock.suspensions:
        if until is None:
            break
        if since > at:
            yield at, since
        at = max(at, until)
    yield at, None


def moment_after(clock: Clock, calendar: Calendar, span: Span) -> Moment:
    """When `clock` has run for `span`, by its ledger; one that is suspended is taken to run on from now."""
    left = span
    for since, until in run_of(clock):
        if until is None:
            break
        used = working_span(calendar, since, until)
        if used >= left:
            break
        left -= used
    return add_micros(calendar, since, left)


def used_span(clock: Clock, calendar: Calendar, now: Moment) -> Span:
    """The time that `clock` has used until `now`, or until it stopped."""
    end = now if clock.closed_at is None else min(now, clock.closed_at)
    if clock.is_suspended:
        end = min(end, clock.suspensions[-1][0])
    if not clock.suspensions:
        return working_span(calendar, clock.started_at, end) if end > clock.started_at else 0
    used = 0
    for since, until in run_of(clock):
        stopped = end if until is None else min(until, end)
        if stopped > since:
            used += working_span(calendar, since, stopped)
    return used


def start_clock(
    kind: ClockKind,
    started_at: Moment,
    due_at: Moment,
    calendar: Calendar,
    ladder: Ladder | None,
    *,
    is_pausable: bool = False,
    target: str = "",
    closed_at: Moment | None = None,
) -> Clock:
    """A clock that runs from `started_at`, is due at `due_at`, and has never been suspended. `ladder` None: it has no due-soon rung.

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
        next_at = None if closed_at is not None else due_at
        return Clock(kind, started_at, due_at, None, next_at, budget, code, is_pausable, Rung.OVERDUE, closed_at=closed_at)
    next_at = None if closed_at is not None else soon_at
    clock = Clock(
        kind,
        started_at,
        due_at,
        soon_at,
        next_at,
        budget,
        code,
        is_pausable,
        closed_at=closed_at,
        ladder=ladder.code,
        target=target,
    )
    if ladder.due_soon_before is not None:
        return with_due(clock, due_at, calendar, ladder)
    if ladder.steps and closed_at is None:
        return replace(clock, next_at=next_moment(clock, calendar, ladder))
    return clock


def with_due(clock: Clock, due_at: Moment, calendar: Calendar, ladder: Ladder | None) -> Clock:
    """`clock` with this due moment, and the other moments by its ledger. What has fired stays fired."""
    soon_at = _soon_at(clock, due_at, calendar, ladder)
    rung = Rung.OVERDUE if soon_at is None and clock.rung == Rung.DUE_SOON else clock.rung
    moved = replace(clock, due_at=due_at, soon_at=soon_at, rung=rung)
    return replace(moved, next_at=next_moment(moved, calendar, ladder))


def _soon_at(clock: Clock, due_at: Moment, calendar: Calendar, ladder: Ladder | None) -> Moment | None:
    if ladder is None or clock.budget <= 0:
        return None
    if ladder.due_soon_before is None:
        return moment_after(clock, calendar, int(clock.budget * ladder.due_soon_share))
    soon_at = _before(clock, ladder.due_soon_before, due_at, calendar)
    # Longer than all its time: it would be due soon from its beginning, which says nothing.
    return soon_at if soon_at is not None and soon_at > clock.started_at else None


def _before(clock: Clock, span: Duration, due_at: Moment, calendar: Calendar) -> Moment | None:
    """The moment `span` before it is due, or where the clock was suspended then, when it ran again; None: the calendar has none."""
    try:
        at = micros(before(span, moment(due_at), calendar))
    except CalendarError:
        return None
    for since, until, _ in clock.suspensions:
        if until is not None and since < at < until:
            return until
    return at


def rung_moment(clock: Clock, rung: int, calendar: Calendar, ladder: Ladder | None) -> Moment | None:
    """When a rung fires by the ledger; None: never (suspended or closed before, or the ladder has no such rung)."""
    if rung == Rung.DUE_SOON:
        at = clock.soon_at
    elif rung == Rung.OVERDUE:
        at = clock.due_at
    elif ladder is None or ladder.repeat_every is None or rung - Rung.OVERDUE > ladder.repeat_times:
        return None
    else:
        at = _after_due(clock, ladder.repeat_every, rung - Rung.OVERDUE, calendar)
    return at if at is not None and _is_reached(clock, at) else None


def step_moment(clock: Clock, step: Step, calendar: Calendar) -> Moment | None:
    """When a step of the escalation chain fires by the ledger; None: never."""
    at: Moment | None = None
    if step.share is not None:
        at = moment_after(clock, calendar, int(clock.budget * step.share))
    elif step.after is not None:
        at = _after_due(clock, step.after, 1, calendar)
    elif step.before is not None:
        at = _before(clock, step.before, clock.due_at, calendar)
        at = None if at is None else max(at, clock.started_at)
    return at if at is not None and _is_reached(clock, at) else None


def _after_due(clock: Clock, every: Duration, times: int, calendar: Calendar) -> Moment | None:
    """The moment `times` times `every` after the due one. Where it was suspended meanwhile it counts from when it ran again, so that a long
    wait does not end in a volley."""
    at = clock.due_at
    waits = [(since, until) for since, until, _ in clock.suspensions if until is not None and until > at]
    try:
        for _ in range(times):
            after = due_micros(every, at, calendar)
            while waits and waits[0][0] < after:
                after = due_micros(every, max(at, waits.pop(0)[1]), calendar)
            at = after
    except CalendarError:  # its calendar has no such moment
        return None
    return at


def _is_reached(clock: Clock, at: Moment) -> bool:
    """Whether the clock comes to `at` at all, as far as is known."""
    if clock.closed_at is not None and at > clock.closed_at:
        return False
    return not (clock.is_suspended and at > clock.suspensions[-1][0])


def next_moment(clock: Clock, calendar: Calendar, ladder: Ladder | None) -> Moment | None:
    """When something next fires; None: nothing does."""
    if clock.closed_at is not None or clock.is_suspended:
        return None
    at = rung_moment(clock, clock.rung, calendar, ladder)
    for number, step in enumerate(ladder.steps if ladder is not None else ()):
        # What comes once it is due need not be worked out while something comes before.
        is_later = at is not None and at <= clock.due_at and (step.after is not None or (step.share or 0) >= 1)
        if not is_later and not clock.escalated >> number & 1:
            fires_at = step_moment(clock, step, calendar)
            if fires_at is not None and (at is None or fires_at < at):
                at = fires_at
    return at
