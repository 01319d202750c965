"""Handing over everything that one user holds: absence, or a leave for good (TASK-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from services.task.domain.assignment.absences import Meanwhile
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
    # Somebody may have been faster, before the locks were ours.
    held = load_listed(tx, work, repository.open_tasks_held_by(tx, user, limit))
    return [task for task in held if task.state.is_open and task.assignee == user]


def load_listed(tx: Transaction, work: Work, listed: Sequence[tuple[UUID, UUID | None]]) -> list[Task]:
    """These tasks (task, case), as they are once they and their cases are locked; without those that are gone."""
    case_ids = {case_id for _, case_id in listed if case_id is not None}
    work.lock_cases(tx, case_ids)
    work.add_tasks(repository.lock_tasks_without_case(tx, [task_id for task_id, case_id in listed if case_id is None]))
    return [work.tasks[task_id] for task_id, _ in listed if task_id in work.tasks]


class Result(NamedTuple):
    """What became of one task: `reassigned`, `unchanged` since it is for them already, `refused` and why, or `not_found`.

    `why` of one that was reassigned: somebody else has it meanwhile.
    """

    id: UUID
    outcome: Literal["reassigned", "unchanged", "refused", "not_found"]
    why: str = ""


def reassign(
    work: Work,
    task_ids: Sequence[UUID],
    tasks: Sequence[Task],
    owner: Owner,
    unit: str | None,
    caller: Caller,
    cause: Cause,
    there: Meanwhile | None = None,
) -> list[Result]:
    """Give the loaded `tasks` of these ids to another owner, each by itself; the result for every id, in their order."""
    seen = {task.id: task for task in tasks if caller.sees(task)}
    results = []
    for task_id in task_ids:
        if (task := seen.get(task_id)) is None:
            results.append(Result(task_id, "not_found", "there is no such task within your reach"))
            continue
        before = task.revision
        if refused := hand_over(work, [task], owner, unit, caller, cause, there):
            results.append(Result(task_id, "refused", refused[0][1]))
        elif task.revision == before:
            results.append(Result(task_id, "unchanged"))
        else:
            instead = there is not None and task.assignee not in (None, there.user)
            results.append(Result(task_id, "reassigned", f"{owner.code} is away: {task.assignee} stands in" if instead else ""))
    return results


def hand_over(
    work: Work, tasks: list[Task], owner: Owner, unit: str | None, caller: Caller, cause: Cause, there: Meanwhile | None = None
) -> list[tuple[Task, str]]:
    """Give the tasks to another owner; why not, for those that the caller may not give away. `there`: see `commands.assign`."""
    refused: list[tuple[Task, str]] = []
    for task in tasks:
        try:
            commands.assign(work, task, owner, unit, caller.actor_on(task), cause, there)
        except TransitionRefused as error:
            refused.append((task, str(error)))
    return refused
