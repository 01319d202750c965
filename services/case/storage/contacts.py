"""Contacts and their handles (CON-1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from services.case.domain.contacts import Contact, HandleRow, person_of
from services.case.storage.records import columns_of, insert, update
from shared.storage import Transaction, arrays

__all__ = ["Contact", "HandleRow"]

HandleKey = tuple[str, str]
"""Kind and value of a handle."""
_COLUMNS = ", ".join(columns_of(Contact))
# Where the contact has no area, the account's counts.
_KNOWN = ", ".join("coalesce(nullif(c.area, ''), a.area, '')" if name == "area" else f"c.{name}" for name in columns_of(Contact))
_LOCK = 0x636F6E74616374
"""The advisory lock of whose a handle is: shared by all who record by it, held alone by who changes it."""


def recording(tx: Transaction) -> None:
    """Until this transaction ends nobody changes whose a handle is. To be taken before any row is locked."""
    tx.execute(f"select pg_advisory_xact_lock_shared({_LOCK})")


def alone(tx: Transaction) -> None:
    """Until this transaction ends nobody records by handles, and what was recorded before is seen. To be taken before any row is locked."""
    tx.execute(f"select pg_advisory_xact_lock({_LOCK})")


def load_by_handles(tx: Transaction, handles: Collection[HandleKey]) -> dict[HandleKey, list[Contact]]:
    """Everybody who has one of these handles, with the account's area where they have none; who was known first comes first."""
    rows = tx.rows(
        f"""select h.kind, h.value, {_KNOWN}
            from unnest(%b::text[], %b::text[]) as wanted (kind, value)
            join handles h using (kind, value) join contacts c on c.id = h.contact_id left join accounts a on a.id = c.account_id
            order by c.created_at, c.id""",
        (arrays.texts(kind for kind, _ in handles), arrays.texts(value for _, value in handles)),
    )
    found: dict[HandleKey, list[Contact]] = {}
    for kind, value, *contact in rows:
        found.setdefault((kind, value), []).append(Contact(*contact))
    return found


def meet(tx: Transaction, handles: Collection[HandleKey]) -> tuple[dict[HandleKey, list[Contact]], dict[HandleKey, UUID]]:
    """As `load_by_handles`; and for handles that nobody has, the id of the contact who is to get it.

    That is the first one derived from the handle which is free: the others belong to contacts who had it once, and have it no more.
    """
    found = load_by_handles(tx, handles)
    strangers: dict[HandleKey, UUID] = {}
    left, count = [handle for handle in handles if handle not in found], 0
    while left:
        ids = {handle: person_of(*handle, count) for handle in left}
        # One statement sees one moment: a contact that another replica has just made is met with its handle, or not at all.
        rows = tx.rows(
            """select kind, value, exists (select from handles h where h.kind = w.kind and h.value = w.value)
               from unnest(%b::text[], %b::text[], %b::uuid[]) as w (kind, value, id) join contacts using (id)""",
            (arrays.texts(kind for kind, _ in left), arrays.texts(value for _, value in left), arrays.uuids(ids.values())),
        )
        met = {(kind, value) for kind, value, is_known in rows if is_known}
        if met:
            found |= load_by_handles(tx, met)
        left, count = [(kind, value) for kind, value, is_known in rows if not is_known], count + 1
        strangers |= {handle: id for handle, id in ids.items() if handle not in met and handle not in left}
    return found, strangers


def add(tx: Transaction, contacts: Sequence[Contact], handles: Sequence[HandleRow]) -> None:
    """Add contacts with their handles. Another replica may add the same ones at once: ids are derived, and the order is everybody's."""
    insert(tx, "contacts", sorted(contacts, key=lambda contact: contact.id), "on conflict do nothing")
    insert(tx, "handles", sorted(handles, key=lambda handle: (handle.kind, handle.value, handle.contact_id)), "on conflict do nothing")


def get(tx: Transaction, contact_id: UUID) -> Contact | None:
    """One contact, with the account's area where it has none itself."""
    row = tx.row(f"select {_KNOWN} from contacts c left join accounts a on a.id = c.account_id where c.id = %s", (contact_id,))
    return None if row is None else Contact(*row)


def lock(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, Contact]:
    """Lock these contacts in the order of their ids, and load them as their rows are."""
    rows = tx.rows(f"select {_COLUMNS} from contacts where id = any(%b) order by id for update", (arrays.uuids(set(ids)),))
    return {row[0]: Contact(*row) for row in rows}


def change(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """Write changed contacts; they are locked."""
    update(tx, "contacts", contacts)


def handles_of(tx: Transaction, contact_id: UUID) -> list[tuple[str, str]]:
    """Kind and value of a contact's handles, sorted."""
    return [
        (row[0], row[1]) for row in tx.rows("select kind, value from handles where contact_id = %s order by kind, value", (contact_id,))
    ]


def remove_handles(tx: Transaction, contact_id: UUID, handles: Collection[tuple[str, str]]) -> None:
    """Take these handles from a contact."""
    if handles:
        tx.execute(
            """delete from handles h using unnest(%b::text[], %b::text[]) as gone (kind, value)
               where h.kind = gone.kind and h.value = gone.value and h.contact_id = %b""",
            (arrays.texts(kind for kind, _ in handles), arrays.texts(value for _, value in handles), contact_id),
        )
