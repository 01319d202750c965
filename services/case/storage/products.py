"""Products of cases and accounts, and the checks made on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.case.domain.products import Check, Holder, Item
from shared.storage import Transaction

_AFTER_HOLDER = "product, serial_number, issued_on, warranty_until, return_policy, replaced_by, changed_at, changed_by"
_ITEM_COUNT = len(Item._fields)
_CHECK = ", ".join(Check._fields)


def _columns(holder: Holder) -> str:
    return f"id, revision, {holder}_id, {_AFTER_HOLDER}"


def add(tx: Transaction, holder: Holder, item: Item) -> None:
    """Keep a new one."""
    tx.execute(f"insert into {holder}_products ({_columns(holder)}) values ({', '.join(['%s'] * _ITEM_COUNT)})", tuple(item))


def lock(tx: Transaction, holder: Holder, holder_id: UUID, item_id: UUID) -> Item | None:
    """One of this case or account, locked."""
    row = tx.row(
        f"select {_columns(holder)} from {holder}_products where id = %s and {holder}_id = %s for update",
        (item_id, holder_id),
    )
    return None if row is None else Item(*row)


def change(tx: Transaction, holder: Holder, item: Item) -> None:
    """Write a changed one; it is locked."""
    names = [name.strip() for name in _AFTER_HOLDER.split(",")]
    settings = ", ".join(f"{name} = %({name})s" for name in ("revision", *names))
    tx.execute(f"update {holder}_products set {settings} where id = %(id)s", item._asdict())


def remove(tx: Transaction, holder: Holder, item_id: UUID) -> None:
    """Take one away; what was checked on it stays."""
    tx.execute(f"delete from {holder}_products where id = %s", (item_id,))


def of_holder(tx: Transaction, holder: Holder, holder_id: UUID, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Those of a case or account, in the order of their ids."""
    seen = "and id > %(after)s::uuid" if after else ""
    return tx.dicts(
        f"select {_columns(holder)} from {holder}_products where {holder}_id = %(holder)s {seen} order by id limit {int(limit)}",
        {"holder": holder_id, "after": after},
    )


def shown(tx: Transaction, holder: Holder, holder_id: UUID, item_id: UUID) -> dict[str, Any] | None:
    """One of this case or account."""
    found = tx.dicts(f"select {_columns(holder)} from {holder}_products where id = %s and {holder}_id = %s", (item_id, holder_id))
    return found[0] if found else None


def add_check(tx: Transaction, check: Check) -> None:
    """Keep what was decided."""
    tx.execute(f"insert into product_checks ({_CHECK}) values ({', '.join(['%s'] * len(check))})", tuple(check))


def checks_of(
    tx: Transaction, holder: Holder, holder_id: UUID, item_id: UUID, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """What was decided on one of them, the newest first; `after`: time and id of the last one seen."""
    seen = "and (checked_at, id) < (%(at)s::timestamptz, %(last)s::uuid)" if after else ""
    at, last = after or (None, None)
    return tx.dicts(
        f"""select {_CHECK} from product_checks
            where item_id = %(item)s and holder = %(kind)s and holder_id = %(holder)s {seen}
            order by checked_at desc, id desc limit {int(limit)}""",
        {"item": item_id, "kind": holder.value, "holder": holder_id, "at": at, "last": last},
    )


def expect_task(tx: Transaction, case_id: UUID, task_id: UUID) -> None:
    """A task of this case that is on its way: the case is not complete before it, even while nobody has told us of it."""
    tx.execute(
        "insert into case_tasks (task_id, case_id, revision, is_open) values (%s, %s, 0, true) on conflict (task_id) do nothing",
        (task_id, case_id),
    )


def has_case(tx: Transaction, account_id: UUID, owner: str) -> bool:
    """Whether this user has a case of the account."""
    return bool(tx.rows("select 1 from cases where account_id = %s and owner = %s limit 1", (account_id, owner)))
