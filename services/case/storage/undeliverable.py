"""SQL on handles that nothing arrives at any more (EDGE-2). Whoever changes one has locked the contacts who have it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.case.domain.undeliverable import Undeliverable
from services.case.storage.contacts import HandleKey
from services.case.storage.records import columns_of, insert
from shared.storage import Transaction, arrays

_COLUMNS = ", ".join(f"u.{name}" for name in columns_of(Undeliverable))
_WANTED = "unnest(%b::text[], %b::text[]) as w (kind, value)"


def holders(tx: Transaction, handles: Collection[HandleKey]) -> dict[HandleKey, list[UUID]]:
    """Who has each of these handles; those that nobody has are left out."""
    found: dict[HandleKey, list[UUID]] = {}
    for kind, value, contact in tx.rows(
        f"select kind, value, h.contact_id from {_WANTED} join handles h using (kind, value)", _pairs(handles)
    ):
        found.setdefault((kind, value), []).append(contact)
    return found


def known(tx: Transaction, handles: Collection[HandleKey]) -> dict[HandleKey, Undeliverable]:
    """What is known of these handles, also of those that work again."""
    rows = tx.rows(f"select {_COLUMNS} from {_WANTED} join undeliverable_handles u using (kind, value)", _pairs(handles))
    return {(row[0], row[1]): Undeliverable(*row) for row in rows}


def marked(tx: Transaction, kind: str, values: Collection[str]) -> set[HandleKey]:
    """Those of these handles, all of one kind, that are marked now."""
    rows = tx.rows(
        "select kind, value from undeliverable_handles where kind = %s and value = any(%b) and restored_at is null",
        (kind, arrays.texts(sorted(values))),
    )
    return {(row[0], row[1]) for row in rows}


def put(tx: Transaction, handles: Sequence[Undeliverable]) -> None:
    """Write what is known of handles."""
    settings = ", ".join(f"{name} = excluded.{name}" for name in columns_of(Undeliverable) if name not in ("kind", "value"))
    rows = sorted(handles, key=lambda one: one.handle)
    insert(tx, "undeliverable_handles", rows, f"on conflict (kind, value) do update set {settings}")


def last_heard(tx: Transaction, holders: Collection[UUID], addresses: Collection[str], since: datetime) -> dict[str, datetime]:
    """When a person last wrote from each of these addresses, as far as it was after `since`."""
    rows = tx.rows(
        """select lower(sender), max(received_at) from communications
           where contact_id = any(%b) and received_at > %b and direction = 'inbound' and sender_kind = 'email' and robot = 'none'
             and entered_by = '' and not old and lower(sender) = any(%b)
           group by 1""",
        (arrays.uuids(sorted(set(holders))), since, arrays.texts(sorted(addresses))),
    )
    return {row[0]: row[1] for row in rows}


def of_contact(tx: Transaction, contact_id: UUID) -> list[dict[str, Any]]:
    """The contact's handles that are marked now, with since when and what was reported."""
    return tx.dicts(
        """select u.kind, u.value, u.since, u.status from handles h join undeliverable_handles u using (kind, value)
           where h.contact_id = %s and u.restored_at is null order by u.kind, u.value""",
        (contact_id,),
    )


def forget_unheld(tx: Transaction, handle: HandleKey) -> None:
    """Forget what is known of a handle that nobody has any more."""
    tx.execute(
        """delete from undeliverable_handles u where u.kind = %(kind)s and u.value = %(value)s
             and not exists (select from handles h where h.kind = u.kind and h.value = u.value)""",
        {"kind": handle[0], "value": handle[1]},
    )


def _pairs(handles: Collection[HandleKey]) -> tuple[arrays.Array, arrays.Array]:
    found = sorted(handles)
    return arrays.texts(kind for kind, _ in found), arrays.texts(value for _, value in found)
