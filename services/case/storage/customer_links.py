"""Links that customers used: a link is good once, and that it was used is what is kept of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.storage import Transaction


class UsedLink(NamedTuple):
    """A link's use. Field names are those of the table `customer_links`."""

    id: bytes
    purpose: str
    record_id: UUID
    issued_at: datetime
    expires_at: datetime
    used_at: datetime
    used_for: str


def used_at(tx: Transaction, link_id: bytes) -> datetime | None:
    """When this link was used; None: it was not yet."""
    row = tx.row("select used_at from customer_links where id = %s", (link_id,))
    return None if row is None else row[0]


def use(tx: Transaction, used: UsedLink) -> bool:
    """Use a link up, within this transaction; False: somebody did before. Waits for whoever is just at it."""
    row = tx.row(
        f"""insert into customer_links ({", ".join(UsedLink._fields)}) values (%s, %s, %s, %s, %s, %s, %s)
            on conflict (id) do nothing returning 1""",
        tuple(used),
    )
    return row is not None


def tell(tx: Transaction, link_id: bytes, used_for: str) -> None:
    """What the link was used for, once that is known."""
    tx.execute("update customer_links set used_for = %s where id = %s", (used_for, link_id))
