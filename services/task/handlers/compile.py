"""A version of the configuration as the handlers use it: workflows checked, durations and calendars parsed. Made once per version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from services.task.domain.approvals import Before
from services.task.domain.assignment.choosing import Member, Policy, Staff, staff_of
from services.task.domain.automation.rules import Rules
from services.task.domain.lifecycle import Statuses, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.resources.time_spent import ServiceOfTask
from services.task.domain.workflow import (
    Dependency,
    DependencyKind,
    Node,
    Problem,
    ProblemKind,
    Workflow,
    WorkflowRefused,
    require_sound,
    without,
)
from services.task.handlers.compile_rules import rules_of
from shared.calendars import ROUND_THE_CLOCK, Calendar, Duration, parse_duration
from shared.conditions import Holds, compile_condition
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.models import Subject, User
from shared.schemas.configuration.resources import minutes_of
from shared.schemas.configuration.tasks import ConditionalTask, OwnerSection, TaskDefinition
from shared.schemas.configuration.tasks import Workflow as WorkflowSection


@dataclass(frozen=True, slots=True)
class RequiredApproval:
    """What a definition wants approved (TASK-4), and who may be asked: users with their units, and heads by unit."""

    before: Before
    what: str
    remind_every: str | None
    """None: as the organisation does."""
    remind_times: int | None
    candidates: tuple[tuple[str, str], ...]
    heads: Mapping[str, str]

    def approver(self, unit: str, asker: str) -> str:
        """Who is asked about work of this unit: its head; else of the candidates one of the unit, rather not the asker."""
        if not self.candidates:
            return self.heads.get(unit) or next(iter(self.heads.values()), "")
        return min(self.candidates, key=lambda each: (each[0] == asker, each[1] != unit, each[0]))[0]


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
    within: Duration
    calendar: str
    """By which it is reckoned."""
    approval: RequiredApproval | None = None
    services: tuple[ServiceOfTask, ...] = ()
    """What a task of it may include; mandatory ones are on every one (TASK-10)."""
    skills: frozenset[str] = frozenset()
    assign: Policy = Policy.ACCEPT


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What planning and commands need of one configuration. Made once per version, so each is equal to itself only."""

    calendars: Mapping[str, Calendar]
    default_calendar: str
    default_unit: str
    definitions: Mapping[str, Definition]
    workflows: Mapping[str, Workflow]
    """By subject; only sound ones."""
    conditions: Mapping[str, tuple[tuple[str, Holds], ...]]
    """By subject: the tasks of its workflow that not every case gets, each with what must hold of the case as it opens. Subjects whose
    cases get all are absent."""
    unsound: Mapping[str, str]
    """Subject -> what is wrong with its workflow."""
    statuses: Statuses
    cancellation_reasons: Mapping[str, str]
    """Name by code."""
    default_cancellation_reason: str
    activity_types: Mapping[str, frozenset[str]]
    """By lead type: the only definitions that its leads' tasks may have; a type that is not among them allows any, or none."""
    staff: Staff
    """Who is active."""
    rules: Rules = field(default_factory=Rules)
    """Automation rules, by the event that they are for (AUTO-1)."""
    asks_at_start: frozenset[str] = frozenset()
    """Definitions whose tasks need an approval before they start."""
    reminders: tuple[str, int] = ("", 0)
    """How approvers are reminded: after each such duration, so many times."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Name by code."""
    of_subjects: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By subject: the only definitions that may be used on its cases; a subject that is not among them allows any."""

    def definitions_of(self, subject: str) -> Iterator[Definition]:
        """Those that belong to this subject, in their order."""
        allowed = self.of_subjects.get(subject)
        return (each for code, each in self.definitions.items() if allowed is None or code in allowed)


def compile_configuration(configuration: Configuration, version: int = 0) -> Compiled:
    """`configuration` as the handlers use it. `version`: its number."""
    organisation = configuration.organisation
    calendars = {section.code: calendar_of(section) for section in configuration.calendars}
    calendars.setdefault(organisation.calendar, ROUND_THE_CLOCK)
    units = {user.user: user.unit for user in configuration.users}
    sections = {definition.code: definition for definition in configuration.task_definitions}
    workflows: dict[str, Workflow] = {}
    unsound: dict[str, str] = {}
    for subject in configuration.subjects:
        try:
            workflows[subject.code] = workflow_of(subject.workflow, sections, organisation.calendar, calendars)
        except WorkflowRefused as error:
            unsound[subject.code] = str(error)
    reasons = {reason.code: reason.name for reason in configuration.cancellation_reasons}
    at_start = [code for code, section in sections.items() if section.approval is not None and section.approval.before == "start"]
    return Compiled(
        asks_at_start=frozenset(at_start),
        reminders=(configuration.approvals.remind_every, configuration.approvals.remind_times),
        calendars=calendars,
        default_calendar=organisation.calendar,
        default_unit=organisation.default_unit,
        definitions={
            code: _definition(section, units, organisation.calendar, _approval(section, configuration))
            for code, section in sections.items()
        },
        workflows=workflows,
        conditions={subject.code: found for subject in configuration.subjects if (found := _conditions(subject))},
        unsound=unsound,
        statuses=_statuses(configuration),
        cancellation_reasons=reasons,
        default_cancellation_reason=configuration.default_cancellation_reason or next(iter(reasons), "cancelled"),
        activity_types={kind.code: frozenset(kind.activity_types) for kind in configuration.leads.types if kind.activity_types},
        rules=rules_of(configuration, version),
        services={service.code: service.name for service in configuration.services},
        of_subjects={
            subject.code: frozenset((*subject.activity_types, *subject.workflow.codes))
            for subject in configuration.subjects
            if subject.activity_types
        },
        staff=staff_of([_member(user) for user in configuration.users if user.active]),
    )


def _statuses(configuration: Configuration) -> Statuses:
    states = {status.code: TaskState(status.state.value) for status in configuration.task_statuses}
    defaults: dict[TaskState, str] = {}
    for code, state in states.items():
        defaults.setdefault(state, code)
    return Statuses(states, defaults)


def _approval(section: TaskDefinition, configuration: Configuration) -> RequiredApproval | None:
    wanted = section.approval
    if wanted is None:
        return None
    by = wanted.by
    staff = [user for user in configuration.users if user.active and (user.user == by.user or by.role in user.roles)]
    heads = {
        unit.code: (unit.manager or unit.leader if by.head == "manager" else unit.leader or unit.manager) or ""
        for unit in configuration.units
        if by.head is not None
    }
    return RequiredApproval(
        Before(wanted.before),
        wanted.what,
        wanted.remind_every,
        wanted.remind_times,
        ((by.user, ""),) if by.user is not None else tuple((user.user, user.unit) for user in staff),
        heads,
    )


def _definition(section: TaskDefinition, units: Mapping[str, str], calendar: str, approval: RequiredApproval | None) -> Definition:
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
        parse_duration(section.complete_within),
        section.calendar or calendar,
        approval,
        tuple(ServiceOfTask(each.service, each.mandatory, minutes_of(each.minimum or "0 minutes")) for each in section.services),
        frozenset(section.skills),
        Policy(section.assign),
    )


def _member(user: User) -> Member:
    return Member(user.user, user.unit, frozenset(user.roles), frozenset(user.skills), user.capacity)


def _owner(section: OwnerSection) -> Owner | None:
    if section.user is not None:
        return Owner(OwnerKind.USER, section.user)
    if section.role is not None:
        return Owner(OwnerKind.ROLE, section.role)
    return None if section.unit is None else Owner(OwnerKind.UNIT, section.unit)


@lru_cache(maxsize=1024)
def workflow_without(compiled: Compiled, subject: str, left_out: frozenset[str]) -> Workflow:
    """The subject's workflow without these tasks."""
    return without(compiled.workflows[subject], left_out) if left_out else compiled.workflows[subject]


def _conditions(subject: Subject) -> tuple[tuple[str, Holds], ...]:
    entries = [entry for entry in subject.workflow.tasks if isinstance(entry, ConditionalTask)]
    return tuple((entry.task, compile_condition(entry.condition)) for entry in entries)


def workflow_of(
    section: WorkflowSection, sections: Mapping[str, TaskDefinition], calendar: str, calendars: Mapping[str, Calendar]
) -> Workflow:
    """The workflow that a section of the configuration describes. Raises `WorkflowRefused` with all that is wrong with it."""
    missing = [(place, code) for place, code in enumerate(section.codes) if code not in sections]
    if missing:
        raise WorkflowRefused(
            [Problem(ProblemKind.UNKNOWN_DEFINITION, f"there is no task definition {code}", (code,), node=place) for place, code in missing]
        )
    workflow = Workflow(
        tuple(Node(code, parse_duration(sections[code].complete_within), sections[code].calendar) for code in section.codes),
        tuple(
            Dependency(
                dependency.task,
                dependency.after,
                parse_duration(dependency.lag) if dependency.lag else None,
                parse_duration(dependency.max_lag) if dependency.max_lag else None,
                DependencyKind(dependency.kind),
            )
            for dependency in section.dependencies
        ),
        calendar,
    )
    require_sound(workflow, sections, calendars)
    return workflow
