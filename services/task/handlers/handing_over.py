"""Handing over everything that one user holds: absence, or a leave for good (TASK-7)."""

from __future__ import annotations

from services.task.domain.caller import Caller
from services.task.domain.lifecycle import TransitionRefused
from services.task.domain.ownership import Owner
from services.task.domain.task import Task
from services.task.handlers import commands
from services.task.handlers.work import Cause, Work
from services.task.storage import repository
from shared.storage import Transaction

MOST = 1000
"""Tasks handed over by one command; whoever holds more is asked about again."""


def load_held(tx: Transaction, work: Work, user: str, limit: int = MOST) -> list[Task]:
    """Up to `limit` open tasks that this user has, locked with their cases."""
    held = repository.open_tasks_held_by(tx, user, limit)
    case_ids = {case_id for _, case_id in held if case_id is not None}
    work.cases = repository.lock_cases(tx, case_ids)
    work.add_tasks(repository.tasks_of_cases(tx, case_ids).values())
    work.add_tasks(repository.lock_tasks_without_case(tx, [task_id for task_id, case_id in held if case_id is None]))
    # Somebody may have been faster, before the locks were ours.
    found = [work.tasks[task_id] for task_id, _ in held if task_id in work.tasks]
    return [task for task in found if task.state.is_open and task.assignee == user]


def hand_over(work: Work, tasks: list[Task], owner: Owner, unit: str | None, caller: Caller, cause: Cause) -> list[tuple[Task, str]]:
    """Give the tasks to another owner; why not, for those that the caller may not give away."""
    refused: list[tuple[Task, str]] = []
    for task in tasks:
        try:
            commands.assign(work, task, owner, unit, caller.actor_on(task), cause)
        except TransitionRefused as error:
            refused.append((task, str(error)))
    return refused
