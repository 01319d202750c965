"""Cases and their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.case.domain.case import Case, HistoryEntry
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.quoting import QuotedCase
from services.case.storage.records import columns_of, insert, update
from shared.storage import Transaction, arrays

COLUMNS = ", ".join(columns_of(Case))
_STATE = columns_of(Case).index("state")


def _case(row: Sequence[Any]) -> Case:
    values = list(row)
    values[_STATE] = LifeCycle(values[_STATE])
    return Case(*values)


def next_numbers(tx: Transaction, count: int) -> list[int]:
    """The next `count` case numbers. They have gaps where a transaction was rolled back, never a repeat."""
    return [row[0] for row in tx.rows("select nextval('case_numbers') from generate_series(1, %s)", (count,))] if count else []


def add(tx: Transaction, cases: Sequence[Case]) -> None:
    """Insert new cases."""
    insert(tx, "cases", cases)


def lock(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Case]:
    """Lock these cases in the order of their ids, and load them."""
    rows = tx.rows(f"select {COLUMNS} from cases where id = any(%b) order by id for update", (arrays.uuids(ids),))
    return {row[0]: _case(row) for row in rows}


def change(tx: Transaction, cases: Sequence[Case]) -> None:
    """Write changed cases; they are locked."""
    update(tx, "cases", cases)


def get(tx: Transaction, case_id: UUID) -> Case | None:
    """One case, not locked."""
    row = tx.row(f"select {COLUMNS} from cases where id = %s", (case_id,))
    return None if row is None else _case(row)


def lock_after(tx: Transaction, after: UUID | None, limit: int) -> list[Case]:
    """The next `limit` cases in the order of their ids, locked."""
    rows = tx.rows(
        f"select {COLUMNS} from cases where %s::uuid is null or id > %s::uuid order by id limit %s for update",
        (after, after, limit),
    )
    return [_case(row) for row in rows]


def by_conversation(tx: Transaction, conversations: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, UUID | None]]]:
    """For each conversation its cases with their contacts, in the order they were opened: those that began in it or that it joined.

    A case's own id names a conversation too: that of our messages to staff about it, which they answer.
    """
    rows = tx.rows(
        """select thread, id, contact_id from (
               select conversation_id as thread, id, contact_id, opened_at, number from cases where conversation_id = any(%(ids)b)
               union all
               select id, id, contact_id, opened_at, number from cases where id = any(%(ids)b)
               union all
               select j.conversation_id, c.id, c.contact_id, c.opened_at, c.number from joined_conversations j
               join cases c on c.id = j.case_id where j.conversation_id = any(%(ids)b)) found
           order by opened_at, number""",
        {"ids": arrays.uuids(conversations)},
    )
    found: dict[UUID, list[tuple[UUID, UUID | None]]] = {}
    for conversation, case_id, contact in rows:
        found.setdefault(conversation, []).append((case_id, contact))
    return found


def quoted(tx: Transaction, quotes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], QuotedCase]:
    """The cases with these numbers, each quoted by an address (in small letters); unknown numbers are left out."""
    rows = tx.rows(
        """select w.number, w.sender, c.id, c.contact_id,
                  exists (select from handles h where h.kind = 'email' and h.value = w.sender and h.contact_id = c.contact_id)
                  or exists (
                      select from case_communications l join communications m on m.id = l.communication_id
                      where l.case_id = c.id
                        and (m.sender_kind = 'email' and lower(m.sender) = w.sender
                             or exists (select from unnest(m.recipients) r (address) where lower(r.address) = w.sender)))
           from unnest(%b::text[], %b::text[]) as w (number, sender) join cases c using (number)""",
        (arrays.texts(number for number, _ in quotes), arrays.texts(sender for _, sender in quotes)),
    )
    return {(number, sender): QuotedCase(*case) for number, sender, *case in rows}


def add_history(tx: Transaction, entries: Sequence[HistoryEntry]) -> None:
    """Append to the history, in this order."""
    insert(tx, "history", entries)
