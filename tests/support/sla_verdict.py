"""Holds what sla has told against what its oracle says (`tests.support.sla_oracle`): each alert once, no other, closings, lateness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.sla_oracle import SECOND, Course, Logged, Moment, Rules, Weather, courses_of


class Alert(NamedTuple):
    """An event on `casestream.sla`, in the order of its partition."""

    id: str
    type: str
    item: str
    kind: str
    revision: int
    rung: str
    repetition: int
    due_at: Moment
    fired_at: Moment
    late: bool
    outcome: str


@dataclass(slots=True)
class Verdict:
    """What was told beside what had to be."""

    items: int = 0
    clocks: int = 0
    must: int = 0
    """Alerts that had to be told and stand, or be told and withdrawn."""
    may: int = 0
    """Alerts that could be told or not, since something ended them close to their moment."""
    fired: int = 0
    late: int = 0
    withdrawn: int = 0
    closed: int = 0
    problems: list[str] = field(default_factory=list)
    delays: list[tuple[Moment, Moment]] = field(default_factory=list)
    """Of each alert, when it had to be told and when it was."""

    def check_stream(self, alerts: Sequence[Alert]) -> None:
        """What holds of all alerts of a partition, whatever the log says: each once, and each clock's in order without a gap."""
        ids: set[str] = set()
        rungs: set[tuple[object, ...]] = set()
        last: dict[tuple[str, str], int] = {}
        for alert in alerts:
            clock = alert.item, alert.kind
            rung = (*clock, alert.type, alert.rung, alert.repetition, alert.due_at, alert.fired_at if alert.type == "closed" else 0)
            if alert.id in ids or rung in rungs:
                self.problems.append(f"told twice: {alert}")
            if alert.revision != last.get(clock, 0) + 1:
                self.problems.append(f"revision {last.get(clock, 0)} is followed by {alert}")
            ids.add(alert.id)
            rungs.add(rung)
            last[clock] = alert.revision

    def check_item(
        self, events: Sequence[Logged], alerts: Sequence[Alert], rules: Rules, weather: Weather, until: Moment, late_after: int
    ) -> None:
        """Hold what was told of one item against its possible courses."""
        self.items += 1
        by_kind: dict[str, list[Alert]] = {}
        for alert in alerts:
            by_kind.setdefault(alert.kind, []).append(alert)
        courses = courses_of(events, rules, weather, until)
        before = len(self.problems)
        self.clocks += len(courses)
        for kind in by_kind.keys() - courses.keys():
            self.problems.append(f"{events[0].item} has no clock {kind}, but: {by_kind[kind]}")
        for kind, possible in courses.items():
            self._check_clock(f"{events[0].item} {kind}", possible, by_kind.get(kind, []), weather, late_after)
        if len(self.problems) > before:
            self.problems[-1] += f"; its events: {events}"

    def _check_clock(self, name: str, possible: set[Course], alerts: Sequence[Alert], weather: Weather, late_after: int) -> None:
        sets = [{told.identity for told in course.told} for course in possible]
        certain = set.intersection(*sets)
        self.must += len(certain)
        self.may += len({identity[:3] for one in sets for identity in one - certain})
        withdrawn = {(alert.rung, alert.repetition, alert.due_at) for alert in alerts if alert.type == "withdrawn"}
        fired = {(a.rung, a.repetition, a.due_at): a for a in alerts if a.type in ("due-soon", "overdue")}
        closed = sorted((alert.fired_at, alert.outcome) for alert in alerts if alert.type == "closed")
        others = [alert for alert in alerts if alert.type not in ("due-soon", "overdue", "withdrawn", "closed")]
        self.fired += len(fired)
        self.withdrawn += len(withdrawn)
        self.closed += len(closed)
        if others or withdrawn - fired.keys():
            self.problems.append(f"{name}: not understood: {others or withdrawn - fired.keys()}")
        actual = {(*rung, rung in withdrawn) for rung in fired}
        fitting = [course for course in possible if {told.identity for told in course.told} == actual]
        if not fitting:
            missing, wrong = certain - actual, actual - set.union(*sets)
            self.problems.append(f"{name}: missing {sorted(missing)}, wrong {sorted(wrong)}, told {sorted(actual)} of {possible}")
            return
        # Courses may differ in when something had to be told and not in what: the one counts that fits best.
        found = min((_problems_of(name, course, fired, closed, weather, late_after) for course in fitting), key=lambda pair: len(pair[0]))
        self.problems += found[0]
        self.late += sum(alert.late for alert in fired.values())
        self.delays += [(told.moment, fired[told.identity[:3]].fired_at) for told in found[1].told]


def _problems_of(
    name: str,
    course: Course,
    fired: Mapping[tuple[str, int, Moment], Alert],
    closed: list[tuple[Moment, str]],
    weather: Weather,
    late_after: int,
) -> tuple[list[str], Course]:
    """What is wrong with the moments of what was told, if things went this course."""
    problems = [f"{name}: closed {closed} and not {sorted(course.closings)}"] if closed != sorted(course.closings) else []
    for told in course.told:
        alert = fired[told.identity[:3]]
        delay = alert.fired_at - told.moment
        if delay < 0:
            problems.append(f"{name}: {-delay / SECOND:.6f} s before its moment: {alert}")
        if alert.fired_at > told.before + weather.tolerance:
            problems.append(f"{name}: told {(alert.fired_at - told.before) / SECOND:.3f} s after what ended it could be read: {alert}")
        if not alert.late and delay > late_after:
            problems.append(f"{name}: told {delay / SECOND:.1f} s after its moment and not as late: {alert}")
        if alert.late and delay < late_after and not weather.was_harmed(told.moment, alert.fired_at):
            problems.append(f"{name}: told as late in calm weather after {delay / SECOND:.3f} s: {alert}")
    return problems, course
