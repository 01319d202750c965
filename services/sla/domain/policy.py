"""What one version of the configuration says about clocks: targets, calendars, the ladder, expiry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from services.sla.domain.clocks import CASE_CLOCKS, ClockKind, Ladder
from shared.calendars import ROUND_THE_CLOCK, Calendar, Duration

KEPT: Final = 10_000
"""Most answers that are kept."""


@dataclass(frozen=True, slots=True)
class Target:
    """How long a clock may take; `priority` None: any."""

    kind: ClockKind
    within: Duration
    calendar: Calendar
    priority: str | None = None
    pauses: bool = True
    unit: str | None = None
    """Of cases of this unit only; None: of any."""
    ladder: Ladder | None = None
    """None: the organisation's."""
    source: str = ""
    """Whose it is: `subject`, `method` or `organisation`; `Policy.target` says so."""

    @property
    def runs_on(self) -> Calendar:
        """The calendar on which its time passes: plain time passes round the clock."""
        return self.calendar if self.within.business else ROUND_THE_CLOCK


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for clocks of one configuration version."""

    calendar: Calendar
    """The organisation's own."""
    calendars: Mapping[str, Calendar]
    default_targets: tuple[Target, ...] = ()
    method_targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    subject_targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    ladder: Ladder = field(default_factory=Ladder)
    ladders: Mapping[str, Ladder] = field(default_factory=dict)
    """Those that are not the organisation's own, by code."""
    task_calendars: Mapping[str, Calendar] = field(default_factory=dict)
    """By task definition; others run on the organisation's."""
    task_ladders: Mapping[str, Ladder] = field(default_factory=dict)
    """By task definition, for those with one that is not the organisation's."""
    lead_calendars: Mapping[str, Calendar] = field(default_factory=dict)
    """By lead type; others run on the organisation's."""
    expiries: Mapping[str, Duration] = field(default_factory=dict)
    """By communication method, for those with an expiry rule."""
    recalculating: frozenset[str] = frozenset()
    """Subjects whose cases count their time to completion from the response once there is one (CASE-9)."""
    mark: int = 0
    """Tells apart the calendars that clocks were reckoned by: other calendars, another number."""
    found: dict[tuple[str, str, str, str], dict[ClockKind, Target]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `targets` has answered: cases of one subject and priority are many."""

    def targets(self, subject: str, method: str, priority: str, unit: str = "") -> Mapping[ClockKind, Target]:
        """The targets of a case, for each kind of clock that it has one for: of the subject, else of the method, else the organisation's,
        the first that has one (SLA-1).

        Of those of one of them the nearest: for priority and unit, for the priority, for the unit, for any.
        """
        question = (subject, method, priority, unit)
        answer = self.found.get(question)
        if answer is None:
            if len(self.found) >= KEPT:
                self.found.clear()
            found = {kind: self._target(kind, subject, method, priority, unit) for kind in CASE_CLOCKS}
            answer = self.found[question] = {kind: target for kind, target in found.items() if target is not None}
        return answer

    def target(self, kind: ClockKind, subject: str, method: str, priority: str, unit: str = "") -> Target | None:
        """The one of `targets` for this kind of clock."""
        return self.targets(subject, method, priority, unit).get(kind)

    def _target(self, kind: ClockKind, subject: str, method: str, priority: str, unit: str) -> Target | None:
        places = (
            ("subject", self.subject_targets.get(subject, ())),
            ("method", self.method_targets.get(method, ())),
            ("organisation", self.default_targets),
        )
        for source, targets in places:
            for wanted in ((priority, unit), (priority, None), (None, unit), (None, None)):
                for target in targets:
                    if target.kind == kind and (target.priority, target.unit) == wanted:
                        return replace(target, source=source)
        return None

    def calendar_of(self, code: str) -> Calendar:
        """The calendar with this code; one that is gone gives way to the organisation's."""
        return self.calendars.get(code, self.calendar) if code else ROUND_THE_CLOCK

    def ladder_of(self, code: str) -> Ladder:
        """The ladder with this code; one that is gone gives way to the organisation's."""
        return self.ladders.get(code, self.ladder) if code else self.ladder

    def task_calendar(self, definition: str | None) -> Calendar:
        """The calendar on which a task's time passes."""
        return self.task_calendars.get(definition or "", self.calendar)

    def lead_calendar(self, lead_type: str) -> Calendar:
        """The calendar on which a lead's time passes."""
        return self.lead_calendars.get(lead_type, self.calendar)

    def task_ladder(self, definition: str | None) -> Ladder:
        """The ladder of a task's clock."""
        return self.task_ladders.get(definition or "", self.ladder)
