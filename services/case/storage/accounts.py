"""Accounts (CON-1): what contacts belong to."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.case.domain.contacts import Account, account_number
from services.case.storage.records import columns_of, insert, update
from shared.storage import Transaction

__all__ = ["Account"]

_COLUMNS = ", ".join(columns_of(Account))


def next_numbers(tx: Transaction, count: int) -> list[str]:
    """The numbers of the next `count` accounts. They have gaps where a transaction was rolled back, never a repeat."""
    rows = tx.rows("select nextval('account_numbers') from generate_series(1, %s)", (count,)) if count else []
    return [account_number(row[0]) for row in rows]


def add(tx: Transaction, accounts: Sequence[Account]) -> None:
    """Insert new accounts."""
    insert(tx, "accounts", accounts)


def get(tx: Transaction, account_id: UUID) -> Account | None:
    """One account."""
    row = tx.row(f"select {_COLUMNS} from accounts where id = %s", (account_id,))
    return None if row is None else Account(*row)


def lock(tx: Transaction, account_id: UUID) -> Account | None:
    """One account, locked."""
    row = tx.row(f"select {_COLUMNS} from accounts where id = %s for update", (account_id,))
    return None if row is None else Account(*row)


def lock_after(tx: Transaction, after: UUID | None, limit: int) -> list[Account]:
    """The next accounts in the order of their ids, locked."""
    rows = tx.rows(
        f"select {_COLUMNS} from accounts where %s::uuid is null or id > %s::uuid order by id limit %s for update", (after, after, limit)
    )
    return [Account(*row) for row in rows]


def change(tx: Transaction, accounts: Sequence[Account]) -> None:
    """Write changed accounts; they are locked."""
    update(tx, "accounts", accounts)
