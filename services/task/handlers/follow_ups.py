"""Tasks that are added by hand: follow-ups in a case, for a lead or by themselves, and tasks of a case by definition (TASK-3, LEAD-2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.task.domain.case import Case, Customer
from services.task.domain.lifecycle import Standing, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers.compile import Compiled, Definition
from services.task.handlers.making import Otherwise, make_task
from services.task.handlers.work import Cause, Work
from shared.ids import UserId, derive
from shared.schemas.events import TaskTriggered


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What somebody asks for."""

    subject_line: str
    description: str
    due_at: datetime
    priority: str
    assignee: str
    unit: str
    customer: Customer
    """Of a follow-up without a case."""
    note_id: UUID | None = None
    """The note that it came from."""
    definition: str | None = None
    """What kind of task it is, where it is of one: a lead's type may allow only some."""


def why_not(wanted: FollowUp, case: Case | None, compiled: Compiled) -> str:
    """Why this task cannot be added, to a case, a lead or nothing; empty: it can."""
    if wanted.definition is not None and wanted.definition not in compiled.definitions:
        return f"There is no task definition {wanted.definition}."
    allowed = compiled.activity_types.get(case.subject) if case is not None and case.is_lead else None
    if case is not None and allowed and wanted.definition not in allowed:
        return f"For leads of type {case.subject} the task definition is one of: {', '.join(sorted(allowed))}."
    return ""


def follow_up_id(cause: UUID) -> UUID:
    """The id of the follow-up that this command makes."""
    return derive("follow-up", cause)


def create(work: Work, wanted: FollowUp, case: Case | None, config_version: int, cause: Cause) -> Task:
    """The follow-up, ready to be worked on."""
    version = case.config_version if case else config_version
    statuses = work.compiled(version).statuses
    owner = Owner(OwnerKind.USER, wanted.assignee)
    task = Task(
        id=follow_up_id(cause.id),
        case_id=case.id if case else None,
        definition=wanted.definition,
        config_version=version,
        revision=0,
        subject_line=wanted.subject_line,
        description=wanted.description,
        standing=Standing(TaskState.PENDING, statuses.default_of(TaskState.PENDING), owner, UserId(wanted.assignee)),
        unit=wanted.unit,
        priority=wanted.priority,
        customer=None if case else wanted.customer,
        planned_at=cause.at,
        triggered_at=cause.at,
        due_at=wanted.due_at,
        note_id=wanted.note_id,
    )
    work.add_tasks((task,))
    work.record(TaskTriggered, task, cause, {})
    return task


@dataclass(frozen=True, slots=True)
class Defined:
    """A task of a definition that somebody adds to a case."""

    definition: str
    due_at: datetime | None
    """None: as the definition says."""
    otherwise: Otherwise


def possible(work: Work, case: Case) -> list[Definition]:
    """What can be added to the case by hand: what belongs to its subject, by the configuration that it began under, and is not in it yet.

    All its tasks must be loaded.
    """
    there = {task.definition for task in work.tasks_of(case.id)}
    return [each for each in work.compiled(case.config_version).definitions_of(case.subject) if each.code not in there]


def why_not_possible(work: Work, case: Case, code: str) -> str:
    """Why a task of this definition cannot be added to the case, which does not have it yet; empty: it can."""
    compiled = work.compiled(case.config_version)
    if code not in compiled.definitions:
        return f"There is no task definition {code}."
    belonging = sorted(each.code for each in compiled.definitions_of(case.subject))
    return "" if code in belonging else f"The task definition {code} does not belong to {case.subject}; these do: {', '.join(belonging)}."


def already_there(work: Work, case: Case, code: str) -> Task | None:
    """The case's task of this definition, whatever has become of it: to repeat it takes a clone of the definition (TASK-1)."""
    return next((task for task in work.tasks_of(case.id) if task.definition == code), None)


def add(work: Work, wanted: Defined, case: Case, cause: Cause) -> Task:
    """The task, ready to be worked on. It is none of the case's plan."""
    return make_task(
        work,
        definition=wanted.definition,
        case=case,
        customer=None,
        id=follow_up_id(cause.id),
        at=cause.at,
        due_at=wanted.due_at,
        config_version=case.config_version,
        cause=cause,
        otherwise=wanted.otherwise,
    )
