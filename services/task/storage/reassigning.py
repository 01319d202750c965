"""Which tasks are to be given to somebody else, by what they have in common."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from services.task.domain.caller import Caller
from shared.storage import Transaction, arrays


@dataclass(frozen=True, slots=True)
class Wanted:
    """Open tasks with all of these in common; None: whatever."""

    held_by: str | None = None
    role: str | None = None
    """That they are for."""
    unit: str | None = None
    """Whose work they are."""
    definition: str | None = None


def cases_of(tx: Transaction, task_ids: Collection[UUID]) -> list[tuple[UUID, UUID | None]]:
    """(task, case) of those of these tasks that there are; not locked."""
    rows = tx.rows("select id, case_id from tasks where id = any(%b) order by id", (arrays.uuids(sorted(task_ids)),))
    return [(row[0], row[1]) for row in rows]


def matching(tx: Transaction, wanted: Wanted, caller: Caller, after: UUID | None, limit: int) -> list[tuple[UUID, UUID | None]]:
    """(task, case) of up to `limit` open tasks that the caller may give away, by id, after this one; not locked."""
    conditions = ["state in ('planned', 'pending', 'in_progress')"]
    if wanted.held_by is not None:
        conditions.append("assignee = %(held_by)s")
    if wanted.role is not None:
        conditions.append("owner_kind = 'role' and owner_code = %(role)s")
    if wanted.unit is not None:
        conditions.append("unit = %(unit)s")
    if wanted.definition is not None:
        conditions.append("definition = %(definition)s")
    if caller.scope != "all":
        conditions.append("(unit = %(own_unit)s or assignee = %(user)s)" if caller.scope == "unit" else "assignee = %(user)s")
    if after is not None:
        conditions.append("id > %(after)s")
    rows = tx.rows(
        f"select id, case_id from tasks where {' and '.join(conditions)} order by id limit %(limit)s",
        {
            "held_by": wanted.held_by,
            "role": wanted.role,
            "unit": wanted.unit,
            "definition": wanted.definition,
            "own_unit": caller.unit,
            "user": caller.user,
            "after": after,
            "limit": limit,
        },
    )
    return [(row[0], row[1]) for row in rows]
