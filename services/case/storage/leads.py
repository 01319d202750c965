"""Leads, their competitors and interests (LEAD-1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.leads.lead import Competitor, Interest, Lead, LeadLifeCycle, Opened
from services.case.storage.records import columns_of, insert, update
from shared.storage import Transaction, arrays

COLUMNS = ", ".join(columns_of(Lead))
_STATE = columns_of(Lead).index("state")


class _CompetitorRow(NamedTuple):
    lead_id: UUID
    position: int
    name: str
    website: str
    description: str


class _InterestRow(NamedTuple):
    lead_id: UUID
    position: int
    kind: str
    code: str


def _lead(row: Sequence[Any]) -> Lead:
    values = list(row)
    values[_STATE] = LeadLifeCycle(values[_STATE])
    return Lead(*values)


def next_numbers(tx: Transaction, count: int) -> list[int]:
    """The next `count` lead numbers. They have gaps where a transaction was rolled back, never a repeat."""
    return [row[0] for row in tx.rows("select nextval('lead_numbers') from generate_series(1, %s)", (count,))] if count else []


def add(tx: Transaction, opened: Sequence[Opened]) -> None:
    """Insert new leads with all that hangs on them."""
    insert(tx, "leads", [one.lead for one in opened])
    _add_children(tx, opened)


def known(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these leads there are."""
    return {row[0] for row in tx.rows("select id from leads where id = any(%b)", (arrays.uuids(ids),))}


def lock(tx: Transaction, lead_id: UUID) -> Lead | None:
    """Lock a lead, and load it."""
    row = tx.row(f"select {COLUMNS} from leads where id = %s for update", (lead_id,))
    return None if row is None else _lead(row)


def get(tx: Transaction, lead_id: UUID) -> Lead | None:
    """One lead."""
    row = tx.row(f"select {COLUMNS} from leads where id = %s", (lead_id,))
    return None if row is None else _lead(row)


def lock_opened_from(tx: Transaction, communication_id: UUID) -> list[Lead]:
    """Lock the leads that were opened from a communication, and load them."""
    rows = tx.rows(f"select {COLUMNS} from leads where communication_id = %s order by id for update", (communication_id,))
    return [_lead(row) for row in rows]


def of_contacts(tx: Transaction, contact_ids: Sequence[UUID]) -> list[Lead]:
    """The leads of these contacts, in the order of their ids, locked."""
    rows = tx.rows(f"select {COLUMNS} from leads where contact_id = any(%b) order by id for update", (arrays.uuids(contact_ids),))
    return [_lead(row) for row in rows]


def lock_after(tx: Transaction, after: UUID | None, limit: int) -> list[Lead]:
    """The next `limit` leads in the order of their ids, locked."""
    rows = tx.rows(
        f"select {COLUMNS} from leads where %s::uuid is null or id > %s::uuid order by id limit %s for update", (after, after, limit)
    )
    return [_lead(row) for row in rows]


def change(tx: Transaction, lead: Lead) -> None:
    """Write a changed lead; it is locked."""
    update(tx, "leads", [lead])


def whole(tx: Transaction, found: Sequence[Lead]) -> list[Opened]:
    """These leads with what hangs on them."""
    ids = arrays.uuids(lead.id for lead in found)
    competitors: dict[UUID, list[Competitor]] = {}
    interests: dict[UUID, list[Interest]] = {}
    if found:
        for id, *values in tx.rows(
            "select lead_id, name, website, description from lead_competitors where lead_id = any(%b) order by lead_id, position", (ids,)
        ):
            competitors.setdefault(id, []).append(Competitor(*values))
        for id, *values in tx.rows(
            "select lead_id, kind, code from lead_products where lead_id = any(%b) order by lead_id, position", (ids,)
        ):
            interests.setdefault(id, []).append(Interest(*values))
    return [Opened(lead, tuple(competitors.get(lead.id, ())), tuple(interests.get(lead.id, ()))) for lead in found]


def replace_children(tx: Transaction, opened: Opened) -> None:
    """Write the competitors and interests of a locked lead again."""
    for table in ("lead_competitors", "lead_products"):
        tx.execute(f"delete from {table} where lead_id = %s", (opened.lead.id,))
    _add_children(tx, [opened])


def _add_children(tx: Transaction, opened: Iterable[Opened]) -> None:
    competitors = [_CompetitorRow(one.lead.id, place, *each) for one in opened for place, each in enumerate(one.competitors)]
    interests = [_InterestRow(one.lead.id, place, *each) for one in opened for place, each in enumerate(one.interests)]
    insert(tx, "lead_competitors", competitors)
    insert(tx, "lead_products", interests)
