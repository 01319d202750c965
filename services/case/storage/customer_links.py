"""Links that customers used, and since when links of a case are void: all that is kept of links."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.storage import Transaction, arrays


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


def revoke(tx: Transaction, case_ids: Iterable[UUID], now: datetime) -> None:
    """Make void what links of these locked cases were made until now."""
    tx.execute(
        """insert into revoked_links (case_id, revoked_at) select id, %s from unnest(%b::uuid[]) as t (id)
           on conflict (case_id) do update set revoked_at = greatest(revoked_links.revoked_at, excluded.revoked_at)""",
        (now, arrays.uuids(case_ids)),
    )


def revoked_at(tx: Transaction, case_id: UUID) -> datetime | None:
    """Up to when links of this case are void; None: none is. A case that is forgotten takes its links with it."""
    row = tx.row(
        "select greatest(r.revoked_at, c.forgotten_at) from cases c left join revoked_links r on r.case_id = c.id where c.id = %s",
        (case_id,),
    )
    return None if row is None else row[0]
