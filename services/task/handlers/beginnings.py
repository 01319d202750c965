"""What cases begin with: the tasks of their subject's workflow, and what events tell of them.

A batch has many cases that open under one subject at one moment, and begin alike. What they have in common (due times, owners, texts) is
worked out once, as patterns; a case then costs no more than its own ids and rows.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from services.task.domain.lifecycle import Standing, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.plan import PlannedTask, first_tasks
from services.task.domain.task import Task
from services.task.handlers import payloads
from services.task.handlers.compile import Compiled
from shared.schemas import events

_NO_CASE: Final = UUID(int=0)


class Beginning(NamedTuple):
    """One task that cases begin with."""

    code: str
    """Of its definition."""
    task: Task
    """As it belongs to no case yet; never changed, since many cases are made from it."""
    told: events.TaskState
    """The data of the event that tells of it, likewise."""


@lru_cache(maxsize=256)
def beginnings(compiled: Compiled, config_version: int, subject: str, unit: str, at: datetime) -> tuple[Beginning, ...]:
    """The tasks, in the workflow's order, of a case that opens at this moment; `unit` is the case's."""
    planned = first_tasks(compiled.workflows[subject], at, compiled.calendars)
    return tuple(_beginning(each, compiled, config_version, unit, at) for each in planned.values())


def _beginning(planned: PlannedTask, compiled: Compiled, config_version: int, unit: str, at: datetime) -> Beginning:
    definition = compiled.definitions[planned.code]
    owner = definition.owner or Owner(OwnerKind.UNIT, unit)
    status = compiled.statuses.default_of(planned.state)
    task = Task(
        id=_NO_CASE,
        case_id=None,
        definition=planned.code,
        config_version=config_version,
        revision=0,
        subject_line=definition.subject_line,
        description="",
        standing=Standing(planned.state, status, owner, owner.assignee),
        unit=definition.unit or unit,
        priority=definition.priority,
        customer=None,
        planned_at=at,
        triggered_at=planned.starts_at,
        due_at=planned.due_at,
    )
    event = events.TaskTriggered if planned.state is TaskState.PENDING else events.TaskPlanned
    return Beginning(planned.code, task, payloads.task_payload(event, task, None, compiled))
