"""What the API shows of one task or case. Reads only; lists are `lists`'."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from services.task.domain.case import Case
from services.task.domain.task import Task
from services.task.storage.repository import CASE_COLUMNS, TASK_COLUMNS, case_of, task_of
from shared.storage import Transaction, arrays

_TASK = ", ".join(f"t.{name.strip()}" for name in TASK_COLUMNS.split(","))
_CASE = ", ".join(f"c.{name.strip()}" for name in CASE_COLUMNS.split(","))
_TASK_WIDTH = TASK_COLUMNS.count(",") + 1
SHOWN_COLUMNS = f"{_TASK}, {_CASE}"
"""A task `t` with its case `c`, if it has one."""


Shown = tuple[Task, Case | None]


def get_task(tx: Transaction, task_id: UUID) -> Shown | None:
    """One task with its case."""
    row = tx.row(f"select {SHOWN_COLUMNS} from tasks t left join cases c on c.id = t.case_id where t.id = %s", (task_id,))
    return None if row is None else shown_of(row)


def get_case(tx: Transaction, case_id: UUID) -> Case | None:
    """One case."""
    row = tx.row(f"select {CASE_COLUMNS} from cases where id = %s", (case_id,))
    return None if row is None else case_of(row)


def tasks_of_case(tx: Transaction, case_id: UUID) -> list[Task]:
    """All tasks of a case, to look at."""
    return [task_of(row) for row in tx.rows(f"select {TASK_COLUMNS} from tasks where case_id = %s", (case_id,))]


def history_of(tx: Transaction, task_id: UUID) -> list[tuple[int, datetime, str, str, dict[str, Any]]]:
    """(revision, at, changed by, event, changes), the oldest first. The making of the task is not among them."""
    return [
        (row[0], row[1], row[2], row[3], row[4])
        for row in tx.rows("select revision, at, changed_by, event, changes from history where task_id = %s order by revision", (task_id,))
    ]


def changes_at(tx: Transaction, revisions: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], dict[str, Any]]:
    """(task, revision) -> {field: [old, new]}, as far as it was kept."""
    rows = tx.rows(
        "select task_id, revision, changes from unnest(%b, %b) as w (task_id, revision) join history using (task_id, revision)",
        (arrays.uuids(task_id for task_id, _ in revisions), arrays.big_ints(revision for _, revision in revisions)),
    )
    return {(row[0], row[1]): row[2] for row in rows}


def count_tasks(tx: Transaction) -> int:
    """How many tasks there are."""
    row = tx.row("select count(*) from tasks")
    return int(row[0]) if row else 0


def case_ids_after(tx: Transaction, after: UUID | None, limit: int) -> list[UUID]:
    """The next cases in the order of their ids."""
    rows = tx.rows("select id from cases where %s::uuid is null or id > %s order by id limit %s", (after, after, limit))
    return [row[0] for row in rows]


def tasks_without_case_after(tx: Transaction, after: UUID | None, limit: int) -> list[UUID]:
    """The next tasks that belong to no case, in the order of their ids."""
    rows = tx.rows(
        "select id from tasks where case_id is null and (%s::uuid is null or id > %s) order by id limit %s",
        (after, after, limit),
    )
    return [row[0] for row in rows]


def shown_of(row: tuple[Any, ...]) -> Shown:
    """The task with its case in a row of `SHOWN_COLUMNS`."""
    task, case = row[:_TASK_WIDTH], row[_TASK_WIDTH:]
    return task_of(task), None if case[0] is None else case_of(case)
