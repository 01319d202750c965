"""What the API shows: lists by keyset, one task, its history, counts. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.task.domain.caller import Caller
from services.task.domain.case import Case
from services.task.domain.task import Task
from services.task.storage.repository import CASE_COLUMNS, TASK_COLUMNS, case_of, task_of
from shared.storage import Transaction

Sort = Literal["due", "priority"]
OPEN_STATES = ("pending", "in_progress")
"""States in which somebody has something to do."""

_TASK = ", ".join(f"t.{name.strip()}" for name in TASK_COLUMNS.split(","))
_CASE = ", ".join(f"c.{name.strip()}" for name in CASE_COLUMNS.split(","))
_TASK_WIDTH = TASK_COLUMNS.count(",") + 1
_DUE = "coalesce(t.due_at, 'infinity')"
RANKS = ("high", "normal", "low")
"""Priorities as lists sorted by them run."""
_RANK = "case t.priority when 'high' then 0 when 'normal' then 1 when 'low' then 2 else 3 end"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks are asked for; None: whatever."""

    case_id: UUID | None = None
    states: Sequence[str] = ()
    owner: str | None = None
    """A user, role or unit, by its code."""
    assignee: str | None = None
    unit: str | None = None
    available: bool = False
    """Only what nobody has yet."""


Shown = tuple[Task, Case | None]


def list_tasks(tx: Transaction, caller: Caller, wanted: Filter, sort: Sort, limit: int, after: tuple[Any, ...] | None) -> list[Shown]:
    """Up to `limit` tasks within the caller's reach, after the row whose `keys_of` are `after`."""
    conditions, values = _reach(caller)
    if wanted.case_id is not None:
        conditions.append("t.case_id = %(case_id)s")
    if wanted.states:
        # Written out, since the partial indexes hold only for what the planner can see.
        open_only = set(wanted.states) == set(OPEN_STATES)
        conditions.append("t.state in ('pending', 'in_progress')" if open_only else "t.state = any(%(states)s)")
    if wanted.owner is not None:
        conditions.append("t.owner_code = %(owner)s")
    if wanted.assignee is not None:
        conditions.append("t.assignee = %(assignee)s")
    if wanted.unit is not None:
        conditions.append("t.unit = %(wanted_unit)s")
    if wanted.available:
        conditions.append("t.assignee is null")
    order = f"{_DUE}, t.id" if sort == "due" else f"{_RANK}, {_DUE}, t.id"
    if after is not None:
        place = "coalesce(%(due_at)s::timestamptz, 'infinity'), %(id)s::uuid"
        conditions.append(f"({order}) > ({place if sort == 'due' else '%(rank)s::int, ' + place})")
        values |= {"due_at": after[-2], "id": after[-1], "rank": after[0]}
    values |= {
        "case_id": wanted.case_id,
        "states": list(wanted.states),
        "owner": wanted.owner,
        "assignee": wanted.assignee,
        "wanted_unit": wanted.unit,
        "limit": limit,
    }
    rows = tx.rows(
        f"select {_TASK}, {_CASE} from tasks t left join cases c on c.id = t.case_id"
        f" where {' and '.join(conditions) or 'true'} order by {order} limit %(limit)s",
        values,
    )
    return [_shown(row) for row in rows]


def keys_of(task: Task, sort: Sort) -> tuple[Any, ...]:
    """What a list is ordered by, for the cursor of its next page."""
    due_at = task.due_at.isoformat() if task.due_at else None
    return (due_at, task.id) if sort == "due" else (task.priority, due_at, task.id)


def get_task(tx: Transaction, task_id: UUID) -> Shown | None:
    """One task with its case."""
    row = tx.row(f"select {_TASK}, {_CASE} from tasks t left join cases c on c.id = t.case_id where t.id = %s", (task_id,))
    return None if row is None else _shown(row)


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


def _reach(caller: Caller) -> tuple[list[str], dict[str, Any]]:
    """What `Caller.sees` says of one task, as a condition."""
    values: dict[str, Any] = {"user": caller.user, "roles": sorted(caller.roles), "unit": caller.unit}
    if caller.scope == "all":
        return [], values
    ways = [
        "t.assignee = %(user)s",
        "(t.owner_kind = 'user' and t.owner_code = %(user)s)",
        "(t.assignee is null and t.owner_kind = 'role' and t.owner_code = any(%(roles)s))",
        "(t.assignee is null and t.owner_kind = 'unit' and t.owner_code = %(unit)s)",
    ]
    if caller.scope == "unit":
        ways.append("t.unit = %(unit)s")
    return [f"({' or '.join(ways)})"], values


def _shown(row: tuple[Any, ...]) -> Shown:
    task, case = row[:_TASK_WIDTH], row[_TASK_WIDTH:]
    return task_of(task), None if case[0] is None else case_of(case)
