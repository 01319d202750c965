"""Links between cases: made by staff, and by replies to closed cases (CASE-11, CASE-8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.storage.records import insert
from shared.storage import Transaction, arrays

FOLLOW_UP = "follow_up"
"""The case takes up what the other, closed one was about."""


class CaseLink(NamedTuple):
    """Field names are those of the table `case_links`."""

    case_id: UUID
    other_id: UUID
    kind: str
    created_by: str
    created_at: datetime


def add(tx: Transaction, links: Sequence[CaseLink]) -> None:
    """Add links; those that are there stay as they are."""
    insert(tx, "case_links", links, "on conflict do nothing")


def exists(tx: Transaction, case_id: UUID, other_id: UUID, kind: str) -> bool:
    """Whether this link is there."""
    row = tx.row("select exists (select from case_links where case_id = %s and other_id = %s and kind = %s)", (case_id, other_id, kind))
    return bool(row and row[0])


def remove(tx: Transaction, case_id: UUID, other_id: UUID, kind: str) -> None:
    """Remove a link."""
    tx.execute("delete from case_links where case_id = %s and other_id = %s and kind = %s", (case_id, other_id, kind))


def open_follow_ups(tx: Transaction, case_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, UUID | None]]:
    """For each of these cases the newest open one, with its contact, that follows it up, itself or by way of others."""
    rows = tx.rows(
        """with recursive way (start, id) as (
               select w.id, l.case_id from unnest(%b) as w (id) join case_links l on l.other_id = w.id and l.kind = 'follow_up'
               union
               select way.start, further.id from way join lateral (
                   select l.case_id from case_links l where l.other_id = way.id and l.kind = 'follow_up'
                   union all
                   select m.merged_into from cases m where m.id = way.id and m.merged_into is not null) further (id) on true)
           select way.start, c.id, c.contact_id from way join cases c using (id)
           where c.state not in ('completed', 'cancelled') order by c.opened_at, c.number""",
        (arrays.uuids(case_ids),),
    )
    return {row[0]: (row[1], row[2]) for row in rows}
