"""Major cases and their children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.case.domain.progress import Gate
from services.case.storage import plans
from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction, arrays


def open_children(tx: Transaction, parent: UUID) -> list[UUID]:
    """The children that are neither completed nor cancelled."""
    rows = tx.rows("select id from cases where parent_id = %s and state not in ('completed', 'cancelled') order by id", (parent,))
    return [row[0] for row in rows]


def count_children(tx: Transaction, parent: UUID) -> int:
    """How many children the case has, open or not."""
    row = tx.row("select count(*) from cases where parent_id = %s", (parent,))
    return int(row[0]) if row else 0


def parents(tx: Transaction, case_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these cases have children."""
    return {row[0] for row in tx.rows("select distinct parent_id from cases where parent_id = any(%b)", (arrays.uuids(case_ids),))}


def children(tx: Transaction, parent: UUID, rows: Rows, after: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
    """The children among these rows, the oldest first."""
    conditions = Conditions()
    rows.restrict(conditions)
    conditions.add("parent_id = %(parent)s", parent=parent)
    if after is not None:
        conditions.add("(opened_at, id) > (%(at)s::timestamptz, %(after)s::uuid)", at=after[0], after=after[1])
    return tx.dicts(
        f"""select id, number, subject, title, state, status, unit, owner, opened_at, contact_id, customer_name
            from cases {conditions.sql()} order by opened_at, id limit {int(limit)}""",
        conditions.params,
    )


def gates(tx: Transaction, case_ids: Sequence[UUID]) -> dict[UUID, Gate]:
    """What completion of each of these cases waits for."""
    rows = tx.rows(
        """select w.id, p.case_id is not null,
                  (select count(*) from (
                       select unnest(p.task_ids) as task_id union select task_id from case_tasks where case_id = w.id) as named
                   left join case_tasks t using (task_id) where t.is_open is not false)
           from unnest(%b) as w (id) left join case_plans p on p.case_id = w.id""",
        (arrays.uuids(case_ids),),
    )
    approvals = plans.open_approvals(tx, case_ids)
    return {row[0]: Gate(is_planned=row[1], open_tasks=int(row[2]), approvals=approvals.get(row[0], ())) for row in rows}
