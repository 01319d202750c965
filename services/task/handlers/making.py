"""Making a single task of a definition: for a rule, an occurrence, or by hand. A workflow is planned as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.task.domain.case import Case, Customer
from services.task.domain.lifecycle import Standing, TaskState, trigger
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers.work import Cause, Work
from shared.calendars import due
from shared.schemas.events import TaskScheduled, TaskTriggered


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What a task has otherwise than its definition says; None and empty: as that says."""

    subject_line: str = ""
    description: str = ""
    priority: str | None = None
    assignee: str | None = None
    unit: str = ""
    """Of the assignee."""
    note_id: UUID | None = None
    """The note that it came from."""


AS_DEFINED = Otherwise()


def make_task(
    work: Work,
    *,
    definition: str,
    case: Case | None,
    customer: Customer | None,
    id: UUID,
    at: datetime,
    due_at: datetime | None,
    config_version: int,
    cause: Cause,
    is_waiting: bool = False,
    firing_id: UUID | None = None,
    otherwise: Otherwise = AS_DEFINED,
) -> Task:
    """A task of this definition that can be worked on from `at`, told of as triggered; its time runs from then, unless `due_at` is given.

    `is_waiting`: it is told of as scheduled, and starts by itself at `at` (`start`). `firing_id`: of the automation rule that makes it.

    It is for whom `otherwise` says, else the definition's owner, else the case's unit, else the organisation's default unit. `customer`: of
    a task without a case. The definition must be one of the configuration `config_version`; `KeyError` otherwise.
    """
    compiled = work.compiled(config_version)
    kind = compiled.definitions[definition]
    if otherwise.assignee is not None:
        unit, owner = otherwise.unit, Owner(OwnerKind.USER, otherwise.assignee)
    else:
        unit = kind.unit or (case.unit if case else compiled.default_unit)
        owner = kind.owner or Owner(OwnerKind.UNIT, unit)
    state = TaskState.PLANNED if is_waiting else TaskState.PENDING
    status = compiled.statuses.default_of(state)
    task = Task(
        id=id,
        case_id=case.id if case else None,
        definition=definition,
        config_version=config_version,
        revision=0,
        subject_line=otherwise.subject_line or kind.subject_line,
        description=otherwise.description,
        standing=Standing(state, status, owner, owner.assignee),
        unit=unit,
        priority=otherwise.priority or kind.priority,
        customer=None if case else customer,
        planned_at=cause.at,
        starts_at=at if is_waiting else None,
        triggered_at=None if is_waiting else at,
        due_at=due_at or (None if is_waiting else due(kind.within, at, compiled.calendars[kind.calendar])),
        note_id=otherwise.note_id,
        firing_id=firing_id,
    )
    work.add_tasks((task,))
    work.record(TaskScheduled if is_waiting else TaskTriggered, task, cause, {})
    return task


def start(work: Work, task: Task, cause: Cause) -> None:
    """Start a single task whose time has come."""
    before = task.state
    compiled = work.configuration_of(task)
    task.standing = trigger(task.standing, compiled.statuses)
    task.triggered_at, task.starts_at = task.starts_at or cause.at, None
    kind = compiled.definitions.get(task.definition or "")
    if task.due_at is None and kind is not None:
        task.due_at = due(kind.within, task.triggered_at, compiled.calendars[kind.calendar])
    work.record(TaskTriggered, task, cause, {"state": (before.value, task.state.value)}, before.value)
