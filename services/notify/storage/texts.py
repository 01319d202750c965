"""SQL on deliveries that are text messages."""

from __future__ import annotations

from uuid import UUID

from shared.storage import Transaction


def message_id_of(tx: Transaction, delivery: UUID) -> str:
    """The Message-ID of a text message that was sent; empty: there is none of this id."""
    row = tx.row("select message_id from deliveries where id = %s and channel = 'sms' and state in ('claimed', 'sent')", (delivery,))
    return str(row[0]) if row else ""
