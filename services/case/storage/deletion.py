"""What refers to a case, and removing one to which nothing does (CASE-8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.case import SYSTEM
from services.case.domain.deletion import Surroundings
from services.case.storage.records import insert
from shared.storage import Transaction, arrays

REFERRING: Mapping[str, str] = {
    "tasks that somebody worked on": "select count(*) from case_tasks where case_id = %(case)s",
    "approvals": "select count(*) from case_approvals where case_id = %(case)s",
    "notes": "select count(*) from notes where kind = 'case' and record_id = %(case)s",
    "answers": "select count(*) from answers where case_id = %(case)s",
    "merges": "select count(*) from case_merges where case_id = %(case)s or into_id = %(case)s",
    "splits": "select count(*) from case_splits where case_id = %(case)s or new_id = %(case)s",
    "links": "select count(*) from case_links where case_id = %(case)s or other_id = %(case)s",
    "products": "select count(*) from case_products where case_id = %(case)s",
    "feedback": "select count(*) from feedback where case_id = %(case)s",
    "children": "select count(*) from cases where parent_id = %(case)s",
    "major cases": "select count(parent_id) from cases where id = %(case)s",
}
"""What keeps a case from being deleted, each with the statement that counts it. Tables that refer to cases have their line here."""


class DeletedCase(NamedTuple):
    """What is left of a deleted case: nothing that names a person. Field names are those of the table `deleted_cases`."""

    id: UUID
    number: str
    subject: str
    unit: str
    owner: str | None
    communication_id: UUID
    revision: int
    deleted_by: str
    deleted_at: datetime
    reason: str


def surroundings(tx: Transaction, case_id: UUID) -> Surroundings:
    """What the deletion of a locked case depends on."""
    counts = ", ".join(f"({statement})" for statement in REFERRING.values())
    row = tx.row(
        f"""select (select changed_by from history where case_id = %(case)s and field = 'state' and old_value is null order by id limit 1),
                   (select legal_hold from cases where id = %(case)s),
                   (select count(*) from case_communications l join communications c on c.id = l.communication_id
                    where l.case_id = %(case)s and c.robot <> 'notice'), {counts}""",
        {"case": case_id},
    )
    assert row is not None  # noqa: S101 - a select without a table gives one row
    opened_by, is_held, communications, *found = row
    referring = [f"{count} {what}" for what, count in zip(REFERRING, found, strict=True) if count]
    return Surroundings(opened_by or SYSTEM, bool(is_held), int(communications), referring)


def remove(tx: Transaction, deleted: DeletedCase) -> None:
    """Remove a locked case; its history stays, and a line that tells of it."""
    for table in ("case_communications", "joined_conversations", "case_plans", "answers", "chases"):
        tx.execute(f"delete from {table} where case_id = %s", (deleted.id,))
    tx.execute("delete from cases where id = %s", (deleted.id,))
    insert(tx, "deleted_cases", [deleted])


def deleted_among(tx: Transaction, ids: list[UUID]) -> set[UUID]:
    """Which of these were the ids of cases that are deleted."""
    return {row[0] for row in tx.rows("select id from deleted_cases where id = any(%b)", (arrays.uuids(ids),))}


def listed(tx: Transaction, unit: str | None, after: tuple[datetime, UUID] | None, limit: int) -> list[dict[str, Any]]:
    """Deleted cases, the last first; `unit`: only those of this unit."""
    at, id = after or (None, None)
    return tx.dicts(
        f"""select id, number, subject, unit, owner, communication_id, deleted_by, deleted_at, reason from deleted_cases
            where (%(unit)s::text is null or unit = %(unit)s)
              and (%(at)s::timestamptz is null or (deleted_at, id) < (%(at)s::timestamptz, %(id)s::uuid))
            order by deleted_at desc, id desc limit {int(limit)}""",
        {"unit": unit, "at": at, "id": id},
    )


def unit_of(tx: Transaction, case_id: UUID) -> str | None:
    """The unit that a deleted case lay with; None: no such case was deleted."""
    row = tx.row("select unit from deleted_cases where id = %s", (case_id,))
    return None if row is None else str(row[0])
