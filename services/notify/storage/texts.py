"""SQL on deliveries that are text messages. They are claimed apart, so that neither they nor mails wait for the other's server."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from services.notify.storage.deliveries import Claimed
from shared.storage import Transaction

_CLAIM = """
with due as (
    select id, state = 'claimed' as taken_over from deliveries
    where channel = 'sms' and state in ('queued', 'claimed') and due_at <= now()
    order by due_at, sequence limit %(limit)s for update skip locked
)
update deliveries d
set state = 'claimed', claimed_by = %(me)s, due_at = now() + %(lease)s, attempts = attempts + 1, takeovers = takeovers + due.taken_over::int
from due where d.id = due.id
returning d.id, definition, template, config_version, item_kind, item_id, case_id, thread_id, recipient, recipient_name, audience,
          facts::json, message_id, traceparent, attempts, due.taken_over, created_at, now() - created_at
"""


def claim(tx: Transaction, me: str, limit: int, lease: timedelta) -> list[Claimed]:
    """Claim up to `limit` due text messages, also those whose lease has run out; skips what others are just claiming."""
    tx.execute("set local synchronous_commit = off")
    return [Claimed(*row) for row in tx.rows(_CLAIM, {"me": me, "limit": limit, "lease": lease})]


def message_id_of(tx: Transaction, delivery: UUID) -> str:
    """The Message-ID of a text message that was sent; empty: there is none of this id."""
    row = tx.row("select message_id from deliveries where id = %s and channel = 'sms' and state in ('claimed', 'sent')", (delivery,))
    return str(row[0]) if row else ""
