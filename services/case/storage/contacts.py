"""Contacts and their handles (CON-1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.storage.records import insert
from shared.storage import Transaction, arrays


class Contact(NamedTuple):
    """A person who contacts us."""

    id: UUID
    revision: int
    account_id: UUID | None
    name: str
    email: str
    created_at: datetime


class HandleRow(NamedTuple):
    """A handle by which a contact is recognised."""

    kind: str
    value: str
    contact_id: UUID


def load_by_handles(tx: Transaction, handles: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Contact]]:
    """Everybody who has one of these handles; who was known first comes first."""
    rows = tx.rows(
        """select h.kind, h.value, c.id, c.revision, c.account_id, c.name, c.email, c.created_at
           from unnest(%b::text[], %b::text[]) as wanted (kind, value)
           join handles h using (kind, value) join contacts c on c.id = h.contact_id
           order by c.created_at, c.id""",
        (arrays.texts(kind for kind, _ in handles), arrays.texts(value for _, value in handles)),
    )
    found: dict[tuple[str, str], list[Contact]] = {}
    for kind, value, *contact in rows:
        found.setdefault((kind, value), []).append(Contact(*contact))
    return found


def add(tx: Transaction, contacts: Sequence[Contact], handles: Sequence[HandleRow]) -> None:
    """Add contacts with their handles. Another replica may add the same ones at once: ids are derived, and the order is everybody's."""
    insert(tx, "contacts", sorted(contacts, key=lambda contact: contact.id), "on conflict do nothing")
    insert(tx, "handles", sorted(handles, key=lambda handle: (handle.kind, handle.value, handle.contact_id)), "on conflict do nothing")


def shown(tx: Transaction, contact_id: UUID) -> dict[str, Any] | None:
    """A contact with its handles, for people."""
    found = tx.dicts("select id, account_id, name, email, created_at from contacts where id = %s", (contact_id,))
    if not found:
        return None
    handles = tx.dicts("select kind, value from handles where contact_id = %s order by kind, value", (contact_id,))
    return found[0] | {"handles": handles}
