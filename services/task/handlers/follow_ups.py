"""Follow-up tasks: by hand, without a definition, in a case or by themselves (TASK-3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.task.domain.case import Case, Customer
from services.task.domain.lifecycle import Standing, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task
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
        definition=None,
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
    )
    work.add_tasks((task,))
    work.record(TaskTriggered, task, cause, {})
    return task
