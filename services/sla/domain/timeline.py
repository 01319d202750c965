"""A clock's ledger as a timeline in words: what it ran, what it waited for, when it was due. Pure; the present moment is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from services.sla.domain.clocks import STEP, Clock, ClockKind, Moment, Reason, Rung, Span
from services.sla.domain.journal import CaseTurn, TaskTurn, Turn
from services.sla.domain.policy import Policy, Target
from services.sla.domain.records import Record
from services.sla.domain.standing import ran_over, used_by
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


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells of the clocks of a record at a moment, in a zone; `policy_of` gives the rules of a configuration version."""

    record: Record
    policy_of: Callable[[int], Policy]
    now: Moment
    zone: tzinfo

    def tell(self, clock: Clock, ending: str) -> Told:
        """The clock's story."""
        policy = self.policy_of(self.record.config_version)
        calendar = policy.calendar_of(clock.calendar)
        used = used_by(clock, calendar, self.now)
        left = None if used is None else clock.budget - used
        is_working = not calendar.round_the_clock
        target = target_at(clock.kind, self.record.turns[-1], policy) if clock.target and self.record.turns else None
        plain = span_words(clock.budget, in_days=not is_working) + (" of working time" if is_working else "")
        allowed = plain if target is None else str(target.within)
        entries = [*self._course(clock, calendar, ending, allowed), *self._retargetings(clock), *self._told(clock, policy)]
        entries.sort(key=lambda entry: (entry.at, _ORDER.index(entry.kind)))
        return Told(self._summary(clock, ending, allowed, left, is_working), used, left, entries)

    def _course(self, clock: Clock, calendar: Calendar, ending: str, allowed: str) -> Iterator[Entry]:
        is_working = not calendar.round_the_clock
        end = self.now if clock.closed_at is None else clock.closed_at
        yield Entry(clock.started_at, None, "started", None, f"started with {allowed}")
        at = clock.started_at
        for since, until, reason in clock.suspensions:
            if since > end:
                break
            yield from _ran(at, since, calendar, is_working)
            yield from self._rested(since, until, reason, end)
            at = end if until is None else max(at, until)
        yield from _ran(at, end, calendar, is_working)
        ran_until = clock.suspensions[-1][0] if clock.is_suspended else end
        if clock.soon_at is not None and clock.started_at < clock.soon_at <= ran_until and clock.soon_at < clock.due_at:
            yield Entry(clock.soon_at, None, "due-soon", None, "due soon")
        if clock.due_at < ran_until or (clock.due_at <= ran_until and clock.closed_at is None):
            yield Entry(clock.due_at, None, "overdue", None, f"overdue: {_up(allowed)}")
        elif clock.closed_at is None and not clock.is_suspended:
            yield Entry(clock.due_at, None, "due", None, f"due, in {span_words(clock.due_at - self.now)}")
        if clock.closed_at is not None:
            yield Entry(clock.closed_at, None, "closed", None, _ended(clock, ending))

    def _rested(self, since: Moment, until: Moment | None, reason: int, end: Moment) -> Iterator[Entry]:
        if until is None or until > end:
            yield Entry(since, None, "paused", end - since, f"paused since {self._moment(since)}, waiting for the customer")
        elif reason == Reason.CLOSED:
            yield Entry(since, None, "closed", None, "stopped")
            yield Entry(until, None, "reopened", until - since, f"runs again after {span_words(until - since)}, which do not count")
        else:
            yield Entry(since, until, "paused", until - since, f"paused {span_words(until - since)} waiting for the customer")

    def _retargetings(self, clock: Clock) -> Iterator[Entry]:
        """What gave the clock another time, as the item's journal has it."""
        end = self.now if clock.closed_at is None else clock.closed_at
        for before, after in pairwise(self.record.turns):
            if after.at > end:
                break
            if after.at < clock.started_at:
                continue
            if isinstance(before, CaseTurn) and isinstance(after, CaseTurn):
                words = self._retargeted(clock, before, after)
            elif clock.kind == ClockKind.DUE and isinstance(before, TaskTurn) and isinstance(after, TaskTurn):
                words = self._moved(before, after)
            else:
                words = ""
            if words:
                yield Entry(after.at, None, "retargeted", None, words)

    def _retargeted(self, clock: Clock, before: CaseTurn, after: CaseTurn) -> str:
        old = target_at(clock.kind, before, self.policy_of(before.config_version))
        new = target_at(clock.kind, after, self.policy_of(after.config_version))
        if _terms(old) == _terms(new):
            return ""
        changed = [
            f"{name} {getattr(after, name)}"
            for name in ("priority", "subject", "method", "unit")
            if getattr(before, name) != getattr(after, name)
        ]
        if before.config_version != after.config_version and not changed:
            changed = [f"configuration {after.config_version}"]
        since = f": {', '.join(changed)} since {self._moment(after.at)}" if changed else ""
        if old is None or new is None:
            return f"{'no target' if old is None else old.within} became {'no target' if new is None else new.within}{since}"
        if str(old.within) != str(new.within):
            return f"{old.within} became {new.within}{since}"
        if old.pauses != new.pauses:
            return f"{'pauses' if new.pauses else 'does not pause'} while the customer is awaited{since}"
        return f"{new.within}, now on the calendar {new.calendar.code}{since}"

    def _moved(self, before: TaskTurn, after: TaskTurn) -> str:
        if before.due_at is None or after.due_at is None or before.due_at == after.due_at:
            return ""
        return f"due {self._moment(after.due_at)} instead of {self._moment(before.due_at)}"

    def _told(self, clock: Clock, policy: Policy) -> Iterator[Entry]:
        """Escalations and repetitions that were told."""
        steps = policy.ladder_of(clock.ladder).steps
        for code, _, fell_on, _ in clock.told:
            if fell_on < clock.started_at:  # of an earlier run
                continue
            if code >= STEP:
                tell = steps[code - STEP].tell if code - STEP < len(steps) else ()
                yield Entry(fell_on, None, "escalated", None, f"escalated{' to ' if tell else ''}{' and '.join(tell)}")
            elif code >= Rung.FIRST_REPETITION:
                yield Entry(fell_on, None, "overdue", None, f"still overdue, told again ({code - Rung.OVERDUE})")

    def _summary(self, clock: Clock, ending: str, allowed: str, left: Span | None, is_working: bool) -> str:
        rest = "" if left is None else span_words(max(0, left), in_days=not is_working)
        due = self._moment(clock.due_at)
        if clock.closed_at is not None:
            at = self._moment(clock.closed_at)
            if ending == "missed":
                return f"Missed: it was due {due} after {allowed}, and ended {at}."
            if ending == "met":
                return f"Met {at}, with {rest} left of {allowed}." if rest else f"Met {at}."
            return f"Cancelled {at}." if ending == "cancelled" else f"Ended {at}."
        if clock.is_suspended:
            since = clock.suspensions[-1][0]
            paused = f"Paused since {self._moment(since)}, waiting for the customer"
            if clock.due_at <= since:
                return f"{paused}; it was overdue then, since {due}."
            return f"{paused}: {rest} left of {allowed}." if rest else f"{paused}."
        if clock.due_at <= self.now:
            return f"Overdue since {due}: {_up(allowed)}."
        remaining = f": {rest} left of {allowed}." if rest else "."
        if clock.soon_at is not None and clock.soon_at <= self.now:
            return f"Due soon, {due}{remaining}"
        return f"Due {due}{remaining}"

    def _moment(self, at: Moment) -> str:
        return moment_words(at, self.zone, self.now)


def target_at(kind: ClockKind, turn: Turn, policy: Policy) -> Target | None:
    """The target that held for an item as it was then."""
    if not isinstance(turn, CaseTurn):
        return None
    return policy.target(kind, turn.subject, turn.method, turn.priority, turn.unit)


def _terms(target: Target | None) -> tuple[object, ...]:
    return () if target is None else (str(target.within), target.calendar.code, target.pauses)


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


def _ended(clock: Clock, ending: str) -> str:
    if ending == "missed":
        return f"closed, {span_words((clock.closed_at or 0) - clock.due_at)} late"
    if ending == "cancelled":
        return "cancelled"
    return "closed in time" if ending == "met" else "closed"


def _up(allowed: str) -> str:
    return f"{allowed} {'was' if allowed.startswith('1 ') else 'were'} up"
