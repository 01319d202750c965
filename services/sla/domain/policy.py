"""What one version of the configuration says about clocks: targets, calendars, the ladder, expiry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.sla.domain.clocks import ClockKind, Ladder
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
    task_calendars: Mapping[str, Calendar] = field(default_factory=dict)
    """By task definition; others run on the organisation's."""
    expiries: Mapping[str, Duration] = field(default_factory=dict)
    """By communication method, for those with an expiry rule."""
    task_ladders: Mapping[str, Ladder] = field(default_factory=dict)
    """By task definition, for those that name one; others alert by `ladder`."""
    recalculating: frozenset[str] = frozenset()
    """Subjects whose cases count their time to completion from the response once there is one (CASE-9)."""
    found: dict[tuple[int, str, str, str], Target | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `target` has answered: cases of one subject and priority are many."""

    def target(self, kind: ClockKind, subject: str, method: str, priority: str) -> Target | None:
        """The target of the subject, else of the method, else the organisation's: the first that has one for the priority (SLA-1)."""
        question = (int(kind), subject, method, priority)
        if question not in self.found:
            if len(self.found) >= KEPT:
                self.found.clear()
            self.found[question] = self._target(kind, subject, method, priority)
        return self.found[question]

    def _target(self, kind: ClockKind, subject: str, method: str, priority: str) -> Target | None:
        for targets in (self.subject_targets.get(subject, ()), self.method_targets.get(method, ()), self.default_targets):
            for wanted in (priority, None):
                for target in targets:
                    if target.kind == kind and target.priority == wanted:
                        return target
        return None

    def calendar_of(self, code: str) -> Calendar:
        """The calendar with this code; one that is gone gives way to the organisation's."""
        return self.calendars.get(code, self.calendar) if code else ROUND_THE_CLOCK

    def task_calendar(self, definition: str | None) -> Calendar:
        """The calendar on which a task's time passes."""
        return self.task_calendars.get(definition or "", self.calendar)
