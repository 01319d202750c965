"""SQL on deliveries that came back, and what that says of their addresses. Every statement works on a set."""

from __future__ import annotations

from collections.abc import Sequence

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
insert into suppressions as s (address, status, delivery_id)
select distinct on (lower(d.recipient)) lower(d.recipient), v.status, d.id
from unnest(%(ids)b, %(statuses)b) as v(id, status) join deliveries d on d.id = v.id
order by lower(d.recipient)
on conflict (address) do update set reason = 'bounced', status = excluded.status, delivery_id = excluded.delivery_id, since = now(),
    until = null, note = '', added_by = '', applied = false where s.until <= now()
"""


def came_back(tx: Transaction, verdicts: Sequence[Verdict]) -> list[Finished]:
    """Record that deliveries bounced, each once, and suppress addresses that are dead. Returns those not known to have bounced."""
    if not verdicts:
        return []
    by_id = {verdict.delivery_id: verdict for verdict in verdicts}
    columns = {
        "ids": arrays.uuids(list(by_id)),
        "message_ids": arrays.texts([verdict.message_id for verdict in by_id.values()]),
        "errors": arrays.texts([f"bounced: {verdict.status}" for verdict in by_id.values()]),
    }
    found = [Finished(*row) for row in tx.rows(_BOUNCED, columns)]
    found = [one._replace(dead_status=by_id[one.id].status) if by_id[one.id].is_dead else one for one in found]
    suppress(tx, found)
    return found


def suppress(tx: Transaction, finished: Sequence[Finished]) -> None:
    """Suppress the addresses of those of these deliveries that found nothing to arrive there."""
    dead = [one for one in finished if one.dead_status]
    if dead:
        tx.execute(_DIE, {"ids": arrays.uuids([one.id for one in dead]), "statuses": arrays.texts([one.dead_status for one in dead])})
