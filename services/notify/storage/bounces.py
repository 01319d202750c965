"""SQL on deliveries that came back, and on addresses that are dead. Every statement works on a set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from services.notify.domain.bounces import Verdict
from services.notify.storage.deliveries import FINISHED, Finished
from shared.storage import Transaction, arrays

_BOUNCED = f"""
with back as (
    select * from unnest(%(ids)b, %(message_ids)b, %(errors)b) as b(id, message_id, error)
), locked as (
    select d.id from deliveries d join back b on b.id = d.id and b.message_id = d.message_id
    where d.state <> 'bounced' order by d.id for update of d
)
update deliveries d
set state = 'bounced', error = b.error, revision = d.revision + 1, finished_at = now()
from locked l join back b on b.id = l.id where d.id = l.id
returning {FINISHED}
"""
_DIE = """
insert into dead_addresses (address, status, delivery_id)
select distinct on (lower(d.recipient)) lower(d.recipient), v.status, d.id
from unnest(%(ids)b, %(statuses)b) as v(id, status) join deliveries d on d.id = v.id
order by lower(d.recipient) on conflict do nothing
"""


def came_back(tx: Transaction, verdicts: Sequence[Verdict]) -> list[Finished]:
    """Record that deliveries bounced, each once, and which addresses are dead. Returns those that were not known to have bounced."""
    if not verdicts:
        return []
    by_id = {verdict.delivery_id: verdict for verdict in verdicts}
    columns = {
        "ids": arrays.uuids(list(by_id)),
        "message_ids": arrays.texts([verdict.message_id for verdict in by_id.values()]),
        "errors": arrays.texts([f"bounced: {verdict.status}" for verdict in by_id.values()]),
    }
    found = [Finished(*row) for row in tx.rows(_BOUNCED, columns)]
    dead = [by_id[one.id] for one in found if by_id[one.id].is_dead]
    if dead:
        statuses = arrays.texts([verdict.status for verdict in dead])
        tx.execute(_DIE, {"ids": arrays.uuids([verdict.delivery_id for verdict in dead]), "statuses": statuses})
    return found


def is_any_dead(tx: Transaction) -> bool:
    """Whether any address is dead at all: mostly none is, and nothing more need be asked."""
    return tx.row("select 1 from dead_addresses limit 1") is not None


def dead(tx: Transaction, addresses: Collection[str]) -> dict[str, str]:
    """Those of `addresses` (in small letters) that are dead, with the status that was reported."""
    if not addresses:
        return {}
    rows = tx.rows("select address, status from dead_addresses where address = any(%b)", (arrays.texts(sorted(addresses)),))
    return {row[0]: row[1] for row in rows}


def listed_dead(tx: Transaction, after: str, limit: int) -> list[dict[str, Any]]:
    """Dead addresses with what was reported and when, by address, from the first one after `after`."""
    return tx.dicts(
        """select a.address, a.status, a.delivery_id, a.since from dead_addresses a
           where a.address > %s order by a.address limit %s""",
        (after, limit),
    )


def revive(tx: Transaction, addresses: Collection[str]) -> int:
    """Whoever has these addresses (in small letters) made contact: they are written to again. Returns how many were dead."""
    if not addresses:
        return 0
    return tx.execute("delete from dead_addresses where address = any(%b)", (arrays.texts(sorted(addresses)),)).rowcount


def revive_one(tx: Transaction, address: str) -> UUID | None:
    """Write to this address (in small letters) again; the delivery that came back from it. None: it was not dead."""
    row = tx.row("delete from dead_addresses where address = %s returning delivery_id", (address,))
    return row[0] if row else None
