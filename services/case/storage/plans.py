"""What is known of cases' tasks: what completion waits for (CASE-8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.case.domain.progress import Gate
from services.case.storage.records import insert
from shared.storage import Transaction


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
    return Gate(is_planned=bool(row and row[0]), open_tasks=int(row[1]) if row else 0)
