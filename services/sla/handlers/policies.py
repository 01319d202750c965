"""From a configuration version to the rules of its clocks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

from services.sla.domain.clocks import ClockKind, Ladder, Step
from services.sla.domain.policy import Policy, Target
from shared.calendars import HOLIDAYS_EDITION, ROUND_THE_CLOCK, Calendar, Duration, parse_duration
from shared.messaging import ReferenceData
from shared.schemas.configuration import Configuration
from shared.schemas.configuration import sla as sections
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.models import CalendarSection, Subject
from shared.schemas.configuration.tasks import TaskDefinition


@dataclass(frozen=True, slots=True)
class _Named:
    """What targets name by its code."""

    calendars: Mapping[str, Calendar]
    own: Calendar
    """The organisation's."""
    ladders: Mapping[str, Ladder]


class Policies:
    """The policies of a stream's configuration versions, all by the calendars of the newest: a holiday that becomes known counts for what
    began before as well."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference
        self._version = -1
        self._sections: tuple[CalendarSection, ...] = ()
        self._calendars: dict[str, Calendar] = {}
        self._built: dict[int, Policy] = {}
        self.mark = 0
        """Tells these calendars from others; the same in every process that has the same."""

    def get(self, version: int) -> Policy:
        """The policy of a version (0: the newest)."""
        if self._version != self._reference.version:
            self.refresh()
        wanted = version or self._version
        found = self._built.get(wanted)
        if found is None:
            found = self._built[wanted] = build_policy(self._reference.configuration(wanted), self._calendars, self.mark)
        return found

    def refresh(self) -> None:
        """Take over the calendars of the newest version, where they are others."""
        version = self._reference.version
        sections = self._reference.configuration().calendars
        if sections != self._sections:
            self._sections = sections
            self._calendars = {section.code: calendar_of(section) for section in sections}
            self._built.clear()
            written = json.dumps([_reckoned_by(section, self._calendars[section.code]) for section in sections], sort_keys=True)
            self.mark = crc32(written.encode()) | 1
        self._version = version


def _reckoned_by(section: CalendarSection, calendar: Calendar) -> list[object]:
    """What of a calendar makes a difference to clocks. Closed days do, whether they are listed or a feed named them, and so does the table
    of public holidays, which a new release may bring.
    """
    written = section.model_dump(mode="json", exclude={"name", "description", "closed_days", "feeds"})
    return [written, sorted(str(day) for day in calendar.closed_days), HOLIDAYS_EDITION if section.holidays else ""]


def build_policy(configuration: Configuration, newest: Mapping[str, Calendar] | None = None, mark: int = 0) -> Policy:
    """The policy of a configuration that was checked. `newest`: calendars that take the place of its own; `mark` tells them apart."""
    calendars = {section.code: calendar_of(section) for section in configuration.calendars} | dict(newest or {})
    own = calendars[configuration.organisation.calendar]
    ladders = {section.code: _ladder(section, section.code) for section in configuration.sla.ladders}
    named = _Named(calendars, own, ladders)
    return Policy(
        calendar=own,
        calendars=calendars,
        default_targets=_targets(configuration.sla.targets, named),
        method_targets={method.code: _targets(method.targets, named) for method in configuration.methods},
        subject_targets={subject.code: _subject_targets(subject, named) for subject in configuration.subjects},
        ladder=_ladder(configuration.sla.ladder),
        ladders=ladders,
        mark=mark,
        task_calendars={d.code: _task_calendar(d, calendars, own) for d in configuration.task_definitions},
        lead_calendars={kind.code: ROUND_THE_CLOCK for kind in configuration.leads.types if _is_plain(kind.complete_within)},
        recalculating=frozenset(subject.code for subject in configuration.subjects if subject.recalculate_on_response),
        expiries={m.code: parse_duration(m.expire_after) for m in configuration.methods if m.expire_after},
        task_ladders={d.code: ladders[d.ladder] for d in configuration.task_definitions if d.ladder},
    )


def _ladder(section: sections.Ladder, code: str = "") -> Ladder:
    every = _duration(section.repeat_overdue_every)
    return Ladder(
        section.due_soon_share,
        every,
        section.repeat_overdue_times if every else 0,
        _duration(section.due_soon_before),
        tuple(Step(step.tell, step.at, _duration(step.before), _duration(step.after)) for step in section.escalations),
        code,
    )


def _duration(text: str | None) -> Duration | None:
    return parse_duration(text) if text else None


def _targets(listed: Iterable[sections.Target], named: _Named) -> tuple[Target, ...]:
    return tuple(
        Target(
            ClockKind[section.clock.upper()],
            parse_duration(section.within),
            named.calendars[section.calendar] if section.calendar else named.own,
            section.priority,
            section.pauses,
            section.unit,
            named.ladders[section.ladder] if section.ladder else None,
        )
        for section in listed
    )


def _subject_targets(subject: Subject, named: _Named) -> tuple[Target, ...]:
    """A subject's targets; its "to be completed within" stands in for a completion target of its own."""
    targets = _targets(subject.targets, named)
    if subject.complete_within is None:
        return targets
    return (*targets, Target(ClockKind.COMPLETION, parse_duration(subject.complete_within), named.own))


def _task_calendar(definition: TaskDefinition, calendars: Mapping[str, Calendar], own: Calendar) -> Calendar:
    """Where a definition counts plain time, its share passes in plain time too."""
    if _is_plain(definition.complete_within):
        return ROUND_THE_CLOCK
    return calendars[definition.calendar] if definition.calendar else own


def _is_plain(duration: str | None) -> bool:
    """Whether it is a span of plain time, not of working time."""
    return duration is not None and not parse_duration(duration).business
