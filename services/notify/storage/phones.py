"""SQL on the numbers that customers get text messages at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from shared.storage import Transaction, arrays


def learn(tx: Transaction, heard: Mapping[UUID, str], told: Mapping[UUID, str]) -> None:
    """Keep numbers by contact. `heard`: by which somebody made contact, kept where none is known; `told`: as staff have them now, empty:
    none.
    """
    for numbers, otherwise in ((heard, "nothing"), (told, "update set number = excluded.number")):
        given = {contact: numbers[contact] for contact in sorted(numbers) if numbers[contact]}
        if given:
            tx.execute(
                f"""insert into phones (contact_id, number) select * from unnest(%b::uuid[], %b::text[])
                    on conflict (contact_id) do {otherwise}""",
                (arrays.uuids(list(given)), arrays.texts(list(given.values()))),
            )
    forget(tx, [contact for contact, number in told.items() if not number])


def forget(tx: Transaction, contacts: Collection[UUID]) -> None:
    """These contacts have no number, or were erased."""
    if contacts:
        tx.execute("delete from phones where contact_id = any(%b)", (arrays.uuids(sorted(contacts)),))


def of(tx: Transaction, contacts: Collection[UUID]) -> dict[UUID, str]:
    """The numbers of those contacts that have one."""
    if not contacts:
        return {}
    rows = tx.rows("select contact_id, number from phones where contact_id = any(%b)", (arrays.uuids(sorted(contacts)),))
    return {row[0]: row[1] for row in rows}
