"""Sending the present state of plans and tasks again, for a consumer that starts anew."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.task.handlers.work import Cause, Work
from services.task.storage import repository
from shared.schemas.events import TaskRepublished
from shared.storage import Transaction

CHUNK = 200
"""Cases (or tasks without one) in one transaction."""


def republish_cases(tx: Transaction, work: Work, case_ids: Sequence[UUID], cause: Cause) -> int:
    """Tell of these cases' tasks and plans again; the number of tasks. A plan is told of after its tasks, as when it was made."""
    work.lock_cases(tx, case_ids)
    count = 0
    for case in work.cases.values():
        tasks = work.tasks_of(case.id)
        for task in tasks:
            work.record(TaskRepublished, task, Cause(cause.id, cause.at, task.changed_by, cause.traceparent))
        count += len(tasks)
        if case.planned_at is not None:
            planned = tuple(task.id for task in tasks if task.definition is not None)
            work.record_plan(case, planned, cause)
    return count


def republish_tasks(tx: Transaction, work: Work, task_ids: Sequence[UUID], cause: Cause) -> int:
    """Tell of these tasks, which belong to no case, again; their number."""
    tasks = repository.lock_tasks_without_case(tx, task_ids)
    work.add_tasks(tasks)
    for task in tasks:
        work.record(TaskRepublished, task, Cause(cause.id, cause.at, task.changed_by, cause.traceparent))
    return len(tasks)
