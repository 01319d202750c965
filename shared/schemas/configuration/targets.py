"""Which targets hold for a case: the subject's, else its communication method's, else the organisation's (SLA-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from shared.schemas.configuration.models import Configuration
from shared.schemas.configuration.sla import Target, TargetClock

Source = Literal["subject", "method", "organisation"]
CLOCKS: tuple[TargetClock, ...] = get_args(TargetClock)


class Holding(NamedTuple):
    """A target that holds for a case, and whose it is. `calendar`: its code; empty: the organisation's."""

    clock: TargetClock
    within: str
    calendar: str
    source: Source


class Targets:
    """The targets of a configuration, to be asked about cases."""

    def __init__(self, configuration: Configuration) -> None:
        self._organisation = configuration.sla.targets
        self._methods: Mapping[str, Sequence[Target]] = {method.code: method.targets for method in configuration.methods}
        subjects: dict[str, Sequence[Target]] = {}
        for subject in configuration.subjects:
            # "To be completed within" stands in for a completion target of the subject's own.
            within = subject.complete_within
            also = () if within is None else (Target(clock="completion", within=within),)
            subjects[subject.code] = (*subject.targets, *also)
        self._subjects = subjects

    def of(self, subject: str, method: str, priority: str, unit: str) -> tuple[Holding, ...]:
        """What holds for a case of this subject, method, priority and unit: for each clock the first place that has one for it."""
        return tuple([found for clock in CLOCKS if (found := self._of(clock, subject, method, priority, unit)) is not None])

    def _of(self, clock: TargetClock, subject: str, method: str, priority: str, unit: str) -> Holding | None:
        places: tuple[tuple[Source, Sequence[Target]], ...] = (
            ("subject", self._subjects.get(subject, ())),
            ("method", self._methods.get(method, ())),
            ("organisation", self._organisation),
        )
        for source, targets in places:
            for wanted in ((priority, unit), (priority, None), (None, unit), (None, None)):
                for target in targets:
                    if target.clock == clock and (target.priority, target.unit) == wanted:
                        return Holding(clock, target.within, target.calendar or "", source)
        return None
