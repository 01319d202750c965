"""What is shown of contacts and accounts: the customer's page, and lists (CON-2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.case.storage.contacts import HandleKey
from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction

_CONTACT = "c.id, c.revision, c.account_id, c.name, c.email, c.state, c.area, c.merged_into, c.created_at"
_ACCOUNT = "id, revision, number, name, kind, area, classification, credit_rating, created_at"
_HANDLES = """coalesce((
    select jsonb_agg(jsonb_build_object('kind', h.kind, 'value', h.value, 'undeliverable',
                                        case when u.kind is not null then jsonb_build_object('since', u.since, 'status', u.status) end)
                     order by h.kind, h.value)
    from handles h left join undeliverable_handles u on u.kind = h.kind and u.value = h.value and u.restored_at is null
    where h.contact_id = c.id), '[]'::jsonb) as handles"""
_OF_ACCOUNT = "cases.contact_id in (select id from contacts where account_id = accounts.id)"
MOST_OTHERS = 50
"""Contacts of an account that are shown with one of them."""


def show_contact(tx: Transaction, contact_id: UUID) -> dict[str, Any] | None:
    """A contact with its handles."""
    found = tx.dicts(f"select {_CONTACT}, {_HANDLES} from contacts c where c.id = %s", (contact_id,))
    return found[0] if found else None


def show_account(tx: Transaction, account_id: UUID) -> dict[str, Any] | None:
    """An account."""
    found = tx.dicts(f"select {_ACCOUNT} from accounts where id = %s", (account_id,))
    return found[0] if found else None


def contacts_of(tx: Transaction, account_id: UUID, limit: int = MOST_OTHERS) -> list[dict[str, Any]]:
    """The contacts of an account, those not counted that were merged into others; who was known first comes first."""
    return tx.dicts(
        """select id, name, email, state from contacts where account_id = %s and merged_into is null
           order by created_at, id limit %s""",
        (account_id, limit),
    )


def list_contacts(
    tx: Transaction, rows: Rows, handle: HandleKey | None, filters: dict[str, Any], after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Contacts with their handles in the order of their ids; those that were merged are left out. `filters`: columns to values."""
    conditions = Conditions(["c.merged_into is null"])
    if handle is not None:
        having = "c.id in (select contact_id from handles where kind = %(kind)s and value = %(value)s)"
        conditions.add(having, kind=handle[0], value=handle[1])
    for column in ("account_id", "state", "area"):
        if filters.get(column) is not None:
            conditions.add(f"c.{column} = %({column})s", **{column: filters[column]})
    if after is not None:
        conditions.add("c.id > %(after)s", after=after)
    _within(conditions, rows, "cases.contact_id = c.id")
    return tx.dicts(f"select {_CONTACT}, {_HANDLES} from contacts c {conditions.sql()} order by c.id limit {int(limit)}", conditions.params)


def list_accounts(tx: Transaction, rows: Rows, filters: dict[str, Any], after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Accounts in the order of their ids. `filters`: columns to values."""
    conditions = Conditions()
    for column in ("number", "kind", "area", "classification", "credit_rating"):
        if filters.get(column) is not None:
            conditions.add(f"{column} = %({column})s", **{column: filters[column]})
    if after is not None:
        conditions.add("id > %(after)s", after=after)
    _within(conditions, rows, _OF_ACCOUNT)
    return tx.dicts(f"select {_ACCOUNT} from accounts {conditions.sql()} order by id limit {int(limit)}", conditions.params)


def reaches_account(tx: Transaction, account_id: UUID, rows: Rows) -> bool:
    """Whether there is this account, and the reader reaches it."""
    conditions = Conditions(["id = %(id)s"], {"id": account_id})
    _within(conditions, rows, _OF_ACCOUNT)
    return bool(tx.rows(f"select 1 from accounts {conditions.sql()}", conditions.params))


def open_cases(tx: Transaction, contact_id: UUID, rows: Rows, columns: str, ranks: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """The contact's open cases within these rows: the highest priority first, of one priority the oldest. `ranks`: the highest last."""
    conditions = Conditions(["contact_id = %(contact)s and state not in ('completed', 'cancelled')"], {"contact": contact_id})
    rows.restrict(conditions)
    conditions.params["ranks"] = list(ranks)
    return tx.dicts(
        f"""select {columns} from cases {conditions.sql()}
            order by array_position(%(ranks)s::text[], priority) desc nulls last, opened_at, id limit {int(limit)}""",
        conditions.params,
    )


def count_cases(tx: Transaction, contact_id: UUID, rows: Rows) -> tuple[int, int]:
    """How many open and closed cases of the contact are within these rows."""
    conditions = Conditions(["contact_id = %(contact)s"], {"contact": contact_id})
    rows.restrict(conditions)
    row = tx.row(
        f"""select count(*) filter (where state not in ('completed', 'cancelled')),
                   count(*) filter (where state in ('completed', 'cancelled')) from cases {conditions.sql()}""",
        conditions.params,
    )
    return (row[0], row[1]) if row else (0, 0)


def _within(conditions: Conditions, rows: Rows, which: str) -> None:
    """Whoever reaches only their own cases reaches those cases' customers; a unit's members everybody."""
    if rows.unit is None and rows.owner is not None:
        inner = Conditions([which])
        rows.restrict(inner)
        conditions.add(f"exists (select from cases {inner.sql()})", **inner.params)
