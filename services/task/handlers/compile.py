"""A version of the configuration as the handlers use it: workflows checked, durations and calendars parsed. Made once per version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.task.domain.lifecycle import Statuses, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.workflow import Dependency, Node, Problem, ProblemKind, Workflow, WorkflowRefused, require_sound
from shared.calendars import ROUND_THE_CLOCK, Calendar, parse_duration
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.models import OwnerSection, Subject, TaskDefinition


@dataclass(frozen=True, slots=True)
class Definition:
    """A task definition (TASK-4)."""

    code: str
    subject_line: str
    description: str
    instructions: str
    messages: Mapping[str, str]
    """By stage: `contact`, `pending`, `complete`."""
    priority: str
    owner: Owner | None
    """None: the case's unit."""
    unit: str | None
    """The unit whose work it always is; None: the case's."""


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What planning and commands need of one configuration. Made once per version, so each is equal to itself only."""

    calendars: Mapping[str, Calendar]
    default_calendar: str
    default_unit: str
    definitions: Mapping[str, Definition]
    workflows: Mapping[str, Workflow]
    """By subject; only sound ones."""
    unsound: Mapping[str, str]
    """Subject -> what is wrong with its workflow."""
    statuses: Statuses
    cancellation_reasons: Mapping[str, str]
    """Name by code."""
    default_cancellation_reason: str


def compile_configuration(configuration: Configuration) -> Compiled:
    """`configuration` as the handlers use it."""
    organisation = configuration.organisation
    calendars = {section.code: calendar_of(section) for section in configuration.calendars}
    calendars.setdefault(organisation.calendar, ROUND_THE_CLOCK)
    units = {user.user: user.unit for user in configuration.users}
    sections = {definition.code: definition for definition in configuration.task_definitions}
    workflows: dict[str, Workflow] = {}
    unsound: dict[str, str] = {}
    for subject in configuration.subjects:
        try:
            workflows[subject.code] = _workflow(subject, sections, organisation.calendar, calendars)
        except WorkflowRefused as error:
            unsound[subject.code] = str(error)
    reasons = {reason.code: reason.name for reason in configuration.cancellation_reasons}
    return Compiled(
        calendars=calendars,
        default_calendar=organisation.calendar,
        default_unit=organisation.default_unit,
        definitions={code: _definition(section, units) for code, section in sections.items()},
        workflows=workflows,
        unsound=unsound,
        statuses=_statuses(configuration),
        cancellation_reasons=reasons,
        default_cancellation_reason=configuration.default_cancellation_reason or next(iter(reasons), "cancelled"),
    )


def _statuses(configuration: Configuration) -> Statuses:
    states = {status.code: TaskState(status.state.value) for status in configuration.task_statuses}
    defaults: dict[TaskState, str] = {}
    for code, state in states.items():
        defaults.setdefault(state, code)
    return Statuses(states, defaults)


def _definition(section: TaskDefinition, units: Mapping[str, str]) -> Definition:
    owner = None if section.owner is None else _owner(section.owner)
    unit: str | None = None
    if owner is not None and owner.kind is OwnerKind.UNIT:
        unit = owner.code
    elif owner is not None and owner.kind is OwnerKind.USER:
        unit = units.get(owner.code)
    return Definition(
        section.code,
        section.subject_line or section.name,
        section.description,
        section.instructions,
        {str(stage): text for stage, text in section.messages.items()},
        section.priority,
        owner,
        unit,
    )


def _owner(section: OwnerSection) -> Owner | None:
    if section.user is not None:
        return Owner(OwnerKind.USER, section.user)
    if section.role is not None:
        return Owner(OwnerKind.ROLE, section.role)
    return None if section.unit is None else Owner(OwnerKind.UNIT, section.unit)


def _workflow(subject: Subject, sections: Mapping[str, TaskDefinition], calendar: str, calendars: Mapping[str, Calendar]) -> Workflow:
    section = subject.workflow
    if missing := [code for code in section.tasks if code not in sections]:
        message = f"there is no task definition {missing[0]}"
        raise WorkflowRefused([Problem(ProblemKind.UNKNOWN_DEFINITION, message, (missing[0],))])
    workflow = Workflow(
        tuple(Node(code, parse_duration(sections[code].complete_within), sections[code].calendar) for code in section.tasks),
        tuple(
            Dependency(
                dependency.task,
                dependency.after,
                parse_duration(dependency.lag) if dependency.lag else None,
                parse_duration(dependency.max_lag) if dependency.max_lag else None,
            )
            for dependency in section.dependencies
        ),
        calendar,
    )
    require_sound(workflow, sections, calendars)
    return workflow
