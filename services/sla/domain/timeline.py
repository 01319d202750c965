"""A clock's ledger as a timeline in words: what it ran, what it waited for, when it was due. Pure; the present moment is given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final, Literal, NamedTuple

from services.sla.domain.clocks import Clock, Moment, Span
from services.sla.domain.standing import Ending, ran_over, used_by
from services.sla.domain.words import moment_words, span_words
from shared.calendars import Calendar

EntryKind = Literal["started", "ran", "paused", "retargeted", "due-soon", "overdue", "escalated", "closed", "reopened", "due"]
_ORDER: Final = ("started", "reopened", "retargeted", "ran", "paused", "due-soon", "escalated", "overdue", "due", "closed")
"""Of entries of the same moment."""


class Entry(NamedTuple):
    """Something in a clock's life. `until` None: it is a moment, or goes on."""

    at: Moment
    until: Moment | None
    kind: EntryKind
    span: Span | None
    """Of what ran: time on its calendar; of a pause: plain time."""
    words: str


class Told(NamedTuple):
    """What is told with a clock."""

    summary: str
    used: Span | None
    left: Span | None
    entries: list[Entry]


def tell(clock: Clock, calendar: Calendar, ending: Ending, now: Moment, zone: tzinfo, within: str = "") -> Told:
    """The clock's story until `now`. `within`: its time as the target has it (`4 working hours`), where that is known."""
    used = used_by(clock, calendar, now)
    left = None if used is None else clock.budget - used
    is_working = not calendar.round_the_clock
    allowed = within or span_words(clock.budget, in_days=not is_working) + (" of working time" if is_working else "")
    entries = sorted(_entries(clock, calendar, ending, now, zone, allowed), key=lambda entry: (entry.at, _ORDER.index(entry.kind)))
    return Told(_summary(clock, ending, now, zone, allowed, left, is_working), used, left, entries)


def _entries(clock: Clock, calendar: Calendar, ending: Ending, now: Moment, zone: tzinfo, allowed: str) -> Iterator[Entry]:
    is_working = not calendar.round_the_clock
    end = now if clock.closed_at is None else clock.closed_at
    yield Entry(clock.started_at, None, "started", None, f"started with {allowed}")
    at = clock.started_at
    for since, until in clock.suspensions:
        if since > end:
            break
        yield from _ran(at, since, calendar, is_working)
        yield _paused(since, until, end, now, zone)
        at = end if until is None else max(at, until)
    yield from _ran(at, end, calendar, is_working)
    ran_until = clock.suspensions[-1][0] if clock.is_suspended else end
    if clock.soon_at is not None and clock.started_at < clock.soon_at <= ran_until and clock.soon_at < clock.due_at:
        yield Entry(clock.soon_at, None, "due-soon", None, "due soon")
    if clock.due_at < ran_until or (clock.due_at <= ran_until and clock.closed_at is None):
        yield Entry(clock.due_at, None, "overdue", None, f"overdue: {_up(allowed)}")
    elif clock.closed_at is None and not clock.is_suspended:
        yield Entry(clock.due_at, None, "due", None, f"due, in {span_words(clock.due_at - now)}")
    if clock.closed_at is not None:
        yield Entry(clock.closed_at, None, "closed", None, _ended(clock, ending, ran_until))


def _ran(since: Moment, until: Moment, calendar: Calendar, is_working: bool) -> Iterator[Entry]:
    if until <= since:
        return
    span = ran_over(calendar, since, until)
    if span is None:
        yield Entry(since, until, "ran", None, "ran")
    elif span == 0:
        yield Entry(since, until, "ran", 0, "no working time passed")
    else:
        yield Entry(since, until, "ran", span, f"ran {span_words(span, in_days=not is_working)}{' of working time' if is_working else ''}")


def _paused(since: Moment, until: Moment | None, end: Moment, now: Moment, zone: tzinfo) -> Entry:
    if until is None or until > end:
        words = f"paused since {moment_words(since, zone, now)}, waiting for the customer"
        return Entry(since, None, "paused", end - since, words)
    return Entry(since, until, "paused", until - since, f"paused {span_words(until - since)} waiting for the customer")


def _ended(clock: Clock, ending: Ending, ran_until: Moment) -> str:
    if ending == "missed":
        return f"closed, {span_words(ran_until - clock.due_at)} late"
    if ending == "cancelled":
        return "cancelled"
    return "closed in time" if ending == "met" else "closed"


def _up(allowed: str) -> str:
    return f"{allowed} {'was' if allowed.startswith('1 ') else 'were'} up"


def _summary(clock: Clock, ending: Ending, now: Moment, zone: tzinfo, allowed: str, left: Span | None, is_working: bool) -> str:
    rest = "" if left is None else span_words(max(0, left), in_days=not is_working)
    if clock.closed_at is not None:
        at = moment_words(clock.closed_at, zone, now)
        if ending == "missed":
            return f"Missed: it was due {moment_words(clock.due_at, zone, now)} after {allowed}, and ended {at}."
        if ending == "met":
            return f"Met {at}, with {rest} left of {allowed}." if rest else f"Met {at}."
        return f"Cancelled {at}." if ending == "cancelled" else f"Ended {at}."
    due = moment_words(clock.due_at, zone, now)
    if clock.is_suspended:
        since = clock.suspensions[-1][0]
        paused = f"Paused since {moment_words(since, zone, now)}, waiting for the customer"
        if clock.due_at <= since:
            return f"{paused}; it was overdue then, since {due}."
        return f"{paused}: {rest} left of {allowed}." if rest else f"{paused}."
    if clock.due_at <= now:
        return f"Overdue since {due}: {_up(allowed)}."
    remaining = f": {rest} left of {allowed}." if rest else "."
    if clock.soon_at is not None and clock.soon_at <= now:
        return f"Due soon, {due}{remaining}"
    return f"Due {due}{remaining}"
