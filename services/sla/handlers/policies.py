"""From a configuration version to the rules of its clocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.sla.domain.clocks import ClockKind, Ladder
from services.sla.domain.policy import Policy, Target
from shared.calendars import ROUND_THE_CLOCK, Calendar, parse_duration
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.models import Subject
from shared.schemas.configuration.models import Target as TargetSection
from shared.schemas.configuration.tasks import TaskDefinition


def build_policy(configuration: Configuration) -> Policy:
    """The policy of a configuration that was checked."""
    calendars = {section.code: calendar_of(section) for section in configuration.calendars}
    own = calendars[configuration.organisation.calendar]
    ladder = configuration.sla.ladder
    return Policy(
        calendar=own,
        calendars=calendars,
        default_targets=_targets(configuration.sla.targets, calendars, own),
        method_targets={method.code: _targets(method.targets, calendars, own) for method in configuration.methods},
        subject_targets={subject.code: _subject_targets(subject, calendars, own) for subject in configuration.subjects},
        ladder=Ladder(
            ladder.due_soon_share,
            parse_duration(ladder.repeat_overdue_every) if ladder.repeat_overdue_every else None,
            ladder.repeat_overdue_times if ladder.repeat_overdue_every else 0,
        ),
        task_calendars={d.code: _task_calendar(d, calendars, own) for d in configuration.task_definitions},
        recalculating=frozenset(subject.code for subject in configuration.subjects if subject.recalculate_on_response),
        expiries={m.code: parse_duration(m.expire_after) for m in configuration.methods if m.expire_after},
    )


def _targets(sections: Iterable[TargetSection], calendars: Mapping[str, Calendar], own: Calendar) -> tuple[Target, ...]:
    return tuple(
        Target(
            ClockKind[section.clock.upper()],
            parse_duration(section.within),
            calendars[section.calendar] if section.calendar else own,
            section.priority,
            section.pauses,
        )
        for section in sections
    )


def _subject_targets(subject: Subject, calendars: Mapping[str, Calendar], own: Calendar) -> tuple[Target, ...]:
    """A subject's targets; its "to be completed within" stands in for a completion target of its own."""
    targets = _targets(subject.targets, calendars, own)
    if subject.complete_within is None:
        return targets
    return (*targets, Target(ClockKind.COMPLETION, parse_duration(subject.complete_within), own))


def _task_calendar(definition: TaskDefinition, calendars: Mapping[str, Calendar], own: Calendar) -> Calendar:
    """Where a definition counts plain time, its share passes in plain time too."""
    if not parse_duration(definition.complete_within).business:
        return ROUND_THE_CLOCK
    return calendars[definition.calendar] if definition.calendar else own
