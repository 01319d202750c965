"""SQL on deliveries that are of no use any more."""

from __future__ import annotations

from services.notify.domain.occasions import EXPIRED
from services.notify.storage.deliveries import FINISHED, Finished
from shared.storage import Transaction

# One whose lease ran out is sent by nobody; one that is just being sent goes out.
_EXPIRE = f"""
with useless as (
    select id from deliveries
    where expires_at is not null and state in ('queued', 'claimed') and expires_at <= now() and (state = 'queued' or due_at <= now())
    order by expires_at limit %(limit)s for update skip locked
)
update deliveries d set state = 'failed', limited = false, revision = d.revision + 1, finished_at = now(), error = %(error)s
from useless where d.id = useless.id returning {FINISHED}
"""


def expire(tx: Transaction, limit: int) -> list[Finished]:
    """Deliveries that wait though their use has passed have failed: up to `limit`, those that are so longest. Returns them."""
    return [Finished(*row) for row in tx.rows(_EXPIRE, {"limit": limit, "error": EXPIRED})]
