"""Cases and their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.case import Case, HistoryEntry
from services.case.domain.life_cycle import LifeCycle
from services.case.storage.records import columns_of, insert, update
from shared.storage import Transaction, arrays
from shared.storage.database import SerializationFailure

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


def lock_free(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Case]:
    """Lock those of these cases that nobody else has locked, and load them."""
    rows = tx.rows(f"select {COLUMNS} from cases where id = any(%b) order by id for update skip locked", (arrays.uuids(ids),))
    return {row[0]: _case(row) for row in rows}


class Held(NamedTuple):
    """A case that is kept from being deleted. Others may be changing it."""

    id: UUID
    number: str
    title: str
    subject: str
    status: str
    priority: str
    unit: str
    owner: str | None
    state: LifeCycle


def hold(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """Keep these cases from being deleted until the transaction ends. One that is gone by now is a conflict: all is to be done again."""
    held = tx.rows(f"select {', '.join(Held._fields)} from cases where id = any(%b) order by id for key share", (arrays.uuids(ids),))
    if len(held) < len(set(ids)):
        raise SerializationFailure("a case was deleted meanwhile")
    return {row[0]: Held._make([*row[:-1], LifeCycle(row[-1])]) for row in held}


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


def add_history(tx: Transaction, entries: Sequence[HistoryEntry]) -> None:
    """Append to the history, in this order."""
    insert(tx, "history", entries)
