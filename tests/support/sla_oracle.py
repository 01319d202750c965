"""What sla has to tell, worked out from its event log alone by rules of the oracle's own: nothing of `services.sla` is used here.

The log says for each event when it happened (`at`) and when Kafka had it (`appended`: the topics need `LogAppendTime`). A rung whose moment
came while its clock ran must be told, unless an event that ended it was read first. Which came first is certain where Kafka had the event
before the moment (then it was read first; and where it happened before the moment and Kafka had it after, what was told is withdrawn), or
so long after that the rung had surely been told: `Weather.tolerance` after it in calm weather and after the storm in which it fell, or as
soon as its partition told something that was due later. In between both courses are followed: what was told must be one of them, whole,
and nothing may have been told after it was over.

Durations are plain time, and an item's subject and priority stay: the oracle refuses what it cannot judge.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

Moment = int
"""Microseconds since 1970-01-01 UTC."""

SECOND = 1_000_000
_UNITS = {"second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND, "day": 86_400 * SECOND}
_ORDER = ("responded", "temporarily_resolved", "finally_resolved", "completed")
REACHED = {
    "response": frozenset(_ORDER),
    "temporary_resolution": frozenset(_ORDER[1:]),
    "resolution": frozenset(_ORDER[2:]),
    "completion": frozenset(_ORDER[3:]),
}
OVER = frozenset({"completed", "cancelled"})
STAMP_SLACK = 20_000
"""Kafka's stamps are whole milliseconds, and the asking where an input ends takes a moment too."""


class Logged(NamedTuple):
    """An event on an input topic, as far as clocks depend on it."""

    item: str
    revision: int
    at: Moment
    appended: Moment
    state: str
    started_at: Moment
    """Of a case when it was opened, of a task when it could be worked on."""
    due_at: Moment | None = None
    done_at: Mapping[str, Moment] = {}
    """When which kind of clock was done, where the event says so."""
    waits: bool = False
    subject: str = ""
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """How long a clock of this kind may take."""

    kind: str
    within: int
    pauses: bool
    priority: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says of clocks."""

    share: float
    repeat_every: int | None
    repeat_times: int
    defaults: tuple[Target, ...]
    by_subject: Mapping[str, tuple[Target, ...]]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Rules:
        """Read from a whole configuration; of methods' targets nothing is known here."""
        ladder = document["sla"]["ladder"]
        every = ladder.get("repeat_overdue_every")
        return cls(
            ladder["due_soon_share"],
            span_of(every) if every else None,
            ladder.get("repeat_overdue_times", 0),
            _targets(document["sla"]["targets"]),
            {subject["code"]: _targets(subject.get("targets", ())) for subject in document["subjects"]},
        )

    def target(self, kind: str, subject: str, priority: str) -> Target | None:
        """The subject's, else the organisation's; the one for the priority before one for any."""
        for targets in (self.by_subject.get(subject, ()), self.defaults):
            for wanted in (priority, None):
                for target in targets:
                    if (target.kind, target.priority) == (kind, wanted):
                        return target
        return None


def span_of(text: str) -> int:
    """A duration of plain time in microseconds."""
    found = re.fullmatch(r"(\d+) (second|minute|hour|day)s?", text)
    if found is None:
        raise NotImplementedError(f"the oracle counts plain time only, not {text!r}")
    return int(found[1]) * _UNITS[found[2]]


def _targets(sections: Iterable[Mapping[str, Any]]) -> tuple[Target, ...]:
    return tuple(Target(s["clock"], span_of(s["within"]), s.get("pauses", True), s.get("priority")) for s in sections)


@dataclass(frozen=True, slots=True)
class Weather:
    """When replicas were being harmed, and how long firing may take in between; of a partition, also what it has fired."""

    tolerance: int
    storms: tuple[tuple[Moment, Moment], ...] = ()
    """In order."""
    fired: tuple[tuple[Moment, Moment], ...] = ()
    """Moments in order, each with when somebody was first seen to fire something due then or later."""

    def over(self, firings: Iterable[tuple[Moment, Moment]]) -> Weather:
        """The same over a partition in which these moments were fired, each at that time: by then all earlier ones were."""
        fired: list[tuple[Moment, Moment]] = []
        for moment, at in sorted(firings, reverse=True):
            fired.append((moment, min(at, fired[-1][1]) if fired else at))
        return replace(self, fired=tuple(reversed(fired)))

    def fired_by(self, moment: Moment) -> Moment:
        """When what was due at `moment` has certainly been told."""
        limit = moment + self.tolerance
        for begin, end in self.storms:
            if begin <= limit < end + self.tolerance:
                limit = end + self.tolerance
        place = bisect_left(self.fired, (moment, 0))
        return min(limit, self.fired[place][1]) if place < len(self.fired) else limit

    def was_harmed(self, since: Moment, until: Moment) -> bool:
        """Whether there was a storm between these."""
        return any(begin <= until and since <= end for begin, end in self.storms)


class Told(NamedTuple):
    """An alert that stands, or was taken back."""

    rung: str
    repetition: int
    due_at: Moment
    moment: Moment
    before: Moment
    """When Kafka had the event before which this was told, in this course."""
    is_withdrawn: bool = False

    @property
    def identity(self) -> tuple[str, int, Moment, bool]:
        """What is compared: the moment is the oracle's own."""
        return self.rung, self.repetition, self.due_at, self.is_withdrawn


@dataclass(frozen=True, slots=True)
class Course:
    """A clock in one possible course of things."""

    started_at: Moment
    budget: int
    due_at: Moment
    pauses: bool
    known_at: Moment
    """When Kafka had the event that made it so."""
    rung: int = 0
    """0: due soon is next, 1: overdue, 2: its first repetition, ..."""
    closed_at: Moment | None = None
    spans: tuple[tuple[Moment, Moment | None], ...] = ()
    told: frozenset[Told] = frozenset()
    closings: tuple[tuple[Moment, str], ...] = ()

    @property
    def is_suspended(self) -> bool:
        """Whether it waits now."""
        return bool(self.spans) and self.spans[-1][1] is None

    def after(self, budget: int) -> Moment:
        """When it has run for so long."""
        at = self.started_at
        for since, until in self.spans:
            if since > at:
                if since - at >= budget:
                    break
                budget -= since - at
            at = max(at, until if until is not None else since)
        return at + budget

    def next_moment(self, rules: Rules) -> Moment | None:
        """When the next rung's moment is."""
        if self.closed_at is not None or self.is_suspended:
            return None
        if self.rung == 0:
            return self.after(int(self.budget * rules.share))
        return self.due_at if self.rung == 1 else self._repetition(self.rung - 1, rules)

    def _repetition(self, number: int, rules: Rules) -> Moment | None:
        """Each counts from the one before, or from the end of the wait that came between."""
        if rules.repeat_every is None or number > rules.repeat_times:
            return None
        moment = self.due_at
        waits = [(since, until) for since, until in self.spans if until is not None and until > moment]
        for _ in range(number):
            after = moment + rules.repeat_every
            for since, until in list(waits):
                if since > after:
                    break
                waits.remove((since, until))
                after = max(moment, until) + rules.repeat_every
            moment = after
        return moment

    def fire(self, moment: Moment, before: Moment) -> Course:
        """The next rung told, before an event that Kafka had then was read."""
        name = "overdue" if self.rung else "due-soon"
        told = Told(name, max(0, self.rung - 1), self.due_at, moment, before)
        return replace(self, rung=self.rung + 1, told=self.told | {told})

    def withdraw(self, at: Moment) -> Course:
        """What was told of moments after `at` was wrong."""
        if not any(told.moment > at and not told.is_withdrawn for told in self.told):
            return self
        return replace(self, told=frozenset(told._replace(is_withdrawn=told.is_withdrawn or told.moment > at) for told in self.told))

    def close(self, at: Moment, is_cancelled: bool) -> Course:
        """Over, for now at least."""
        if self.closed_at is not None:
            return self
        closed = self.withdraw(at)
        at = max(at, self.started_at)
        used_until = self.spans[-1][0] if self.is_suspended else at
        outcome = "cancelled" if is_cancelled else "met" if used_until <= self.due_at else "missed"
        return replace(closed, closed_at=at, closings=(*self.closings, (at, outcome)))

    def resume(self, at: Moment) -> Course:
        """Running again from `at`."""
        since = self.spans[-1][0]
        running = replace(self, spans=(*self.spans[:-1], (since, max(at, since))))
        return replace(running, due_at=running.after(self.budget))

    def suspend(self, at: Moment) -> Course:
        """Waiting from `at`. What this takes back comes again after it."""
        since = max([at, self.started_at, *[until or 0 for _, until in self.spans]])
        waiting = replace(self.withdraw(at), spans=(*self.spans, (since, None)))
        taken_back = [_rung_of(told) for told in waiting.told - self.told]
        return replace(waiting, rung=min([waiting.rung, *taken_back]))


def _rung_of(told: Told) -> int:
    return 0 if told.rung == "due-soon" else 1 + told.repetition


def after_task(course: Course | None, event: Logged) -> Iterable[Course | None]:
    """A task's due time after an event."""
    if event.state in OVER:
        at = event.done_at.get("due", event.at)
        yield course and course.close(at, event.state == "cancelled")
        return
    if event.state == "planned" or event.due_at is None or (course is not None and course.closed_at is not None):
        raise NotImplementedError(f"the oracle does not judge tasks that wait or come back: {event}")
    if course is not None and (course.started_at, course.due_at) == (event.started_at, event.due_at):
        yield course
        return
    budget = max(0, event.due_at - event.started_at)
    fresh = Course(event.started_at, budget, event.due_at, False, event.appended, rung=0 if budget else 1)
    before = course.withdraw(event.at) if course is not None else fresh
    yield replace(fresh, told=before.told, closings=before.closings)


def after_case(course: Course | None, event: Logged, kind: str, target: Target | None) -> Iterable[Course | None]:
    """A case's clock after an event."""
    is_reached = event.state in REACHED[kind] or kind in event.done_at
    is_over = is_reached or event.state in OVER
    if course is None:
        if is_over or target is None:
            yield None
            return
        course = Course(event.started_at, target.within, event.started_at + target.within, target.pauses, event.appended)
    if is_over:
        yield course.close(event.done_at.get(kind, event.at), not is_reached)
        return
    if course.closed_at is not None:
        raise NotImplementedError(f"the oracle does not judge cases that come back: {event}")
    if event.waits and course.pauses and not course.is_suspended:
        yield replace(course.suspend(event.at), known_at=event.appended)
    elif course.is_suspended and not event.waits:
        yield replace(course.resume(event.at), known_at=event.appended)
    else:
        yield course


def courses_of(events: Sequence[Logged], rules: Rules, weather: Weather, until: Moment) -> dict[str, set[Course]]:
    """Every possible course of the clocks of one item up to `until`, by their kind."""
    known: dict[int, Logged] = {}
    for event in events:
        known.setdefault(event.revision, event)
    ordered = [known[revision] for revision in sorted(known)]
    first = ordered[0]
    if any((event.subject, event.priority) != (first.subject, first.priority) for event in ordered):
        raise NotImplementedError(f"the oracle does not judge changed targets: {first.item}")
    kinds = ("due",) if first.due_at is not None else tuple(REACHED)
    found: dict[str, set[Course]] = {}
    for kind in kinds:
        target = rules.target(kind, first.subject, first.priority) if kind != "due" else None
        courses: set[Course | None] = {None}
        for event in ordered:
            courses = {later for course in courses for later in _passing(course, event.appended, rules, weather)}
            courses = {
                after
                for course in courses
                for after in (after_task(course, event) if kind == "due" else after_case(course, event, kind, target))
            }
        ended = {later for course in courses for later in _passing(course, until, rules, weather)} - {None}
        if ended:
            found[kind] = {course for course in ended if course is not None}
    return found


def _passing(course: Course | None, until: Moment, rules: Rules, weather: Weather) -> Iterable[Course | None]:
    """What may have been told before something that Kafka got at `until` was read."""
    while course is not None:
        moment = course.next_moment(rules)
        if moment is None:
            break
        earliest = max(moment, course.known_at)
        if earliest > until + STAMP_SLACK:
            break
        if weather.fired_by(earliest) >= until:
            yield course
        course = course.fire(moment, until)
    yield course
