"""What is known of cases' tasks and approvals: what completion waits for (CASE-8, EDGE-6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.progress import Gate, OpenApproval
from services.case.storage.records import insert
from shared.storage import Transaction, arrays


class CasePlan(NamedTuple):
    """The tasks that a case's plan names."""

    case_id: UUID
    task_ids: tuple[UUID, ...]


class CaseTask(NamedTuple):
    """A task that has changed; `revision` is its own."""

    task_id: UUID
    case_id: UUID
    revision: int
    is_open: bool


class CaseApproval(NamedTuple):
    """An approval that a case waits for, or waited; `revision` is its own."""

    approval_id: UUID
    case_id: UUID
    revision: int
    blocks: bool
    is_declined: bool
    approver: str
    since: datetime


def keep_plans(tx: Transaction, plans: Sequence[CasePlan]) -> None:
    """Keep plans, one a case; a later plan of a case adds to it."""
    insert(
        tx,
        "case_plans",
        sorted(plans, key=lambda plan: plan.case_id),
        """on conflict (case_id) do update set task_ids =
               array(select distinct unnest(case_plans.task_ids || excluded.task_ids))""",
    )


def keep_tasks(tx: Transaction, tasks: Sequence[CaseTask]) -> None:
    """Keep tasks as they are now, one row a task; an older revision changes nothing."""
    insert(
        tx,
        "case_tasks",
        sorted(tasks, key=lambda task: task.task_id),
        """on conflict (task_id) do update set revision = excluded.revision, is_open = excluded.is_open
           where case_tasks.revision < excluded.revision""",
    )


def keep_approvals(tx: Transaction, approvals: Sequence[CaseApproval]) -> None:
    """Keep approvals as they are now, one row an approval; an older revision changes nothing."""
    insert(
        tx,
        "case_approvals",
        sorted(approvals, key=lambda approval: approval.approval_id),
        """on conflict (approval_id) do update set revision = excluded.revision, blocks = excluded.blocks,
               is_declined = excluded.is_declined, approver = excluded.approver, since = excluded.since
           where case_approvals.revision < excluded.revision""",
    )


def open_approvals(tx: Transaction, case_ids: Sequence[UUID]) -> dict[UUID, tuple[OpenApproval, ...]]:
    """Those that these cases wait for, the oldest first, by case; none for a case that waits for none."""
    found: dict[UUID, tuple[OpenApproval, ...]] = {}
    for case_id, approver, since, is_declined in tx.rows(
        "select case_id, approver, since, is_declined from case_approvals where case_id = any(%b) and blocks order by since, approval_id",
        (arrays.uuids(case_ids),),
    ):
        found[case_id] = (*found.get(case_id, ()), OpenApproval(approver, since, is_declined))
    return found


def is_task_of(tx: Transaction, case_id: UUID, task_id: UUID) -> bool:
    """Whether this task is known as one of this case."""
    row = tx.row(
        """select 1 from case_plans where case_id = %(case)s and %(task)s = any(task_ids)
           union all select 1 from case_tasks where case_id = %(case)s and task_id = %(task)s limit 1""",
        {"case": case_id, "task": task_id},
    )
    return row is not None


def gate(tx: Transaction, case_id: UUID) -> Gate:
    """What completion of this case waits for."""
    row = tx.row(
        """select exists (select from case_plans where case_id = %(case)s),
                  (select count(*) from (
                       select unnest(task_ids) as task_id from case_plans where case_id = %(case)s
                       union select task_id from case_tasks where case_id = %(case)s) as named
                   left join case_tasks t using (task_id) where t.is_open is not false)""",
        {"case": case_id},
    )
    approvals = open_approvals(tx, [case_id]).get(case_id, ())
    return Gate(is_planned=bool(row and row[0]), open_tasks=int(row[1]) if row else 0, approvals=approvals)
