"""Telling what became of deliveries."""

from __future__ import annotations

from services.notify.domain.digest import DIGEST
from services.notify.storage.deliveries import Finished
from shared.schemas.events import DeliveryBounced, DeliveryFailed, DeliverySent, ItemKind
from shared.storage import Transaction

_PAYLOADS = {"sent": DeliverySent, "failed": DeliveryFailed, "bounced": DeliveryBounced}


def emit_outcome(tx: Transaction, delivery: Finished) -> None:
    """Emit the event of a delivery that has reached its end. A digest has none of its own: those of the messages in it say how it went."""
    if delivery.item_kind == DIGEST:
        return
    tx.emit(
        _PAYLOADS[delivery.state].model_validate(
            {
                "delivery_id": delivery.id,
                "case_id": delivery.case_id,
                "item_kind": ItemKind(delivery.item_kind),
                "item_id": delivery.item_id,
                "definition": delivery.definition,
                "channel": delivery.channel,
                "recipient": delivery.recipient,
                "message_id": delivery.message_id,
                "state": delivery.state,
                "error": delivery.error,
            }
        ),
        aggregate_id=delivery.id,
        key=delivery.case_id or delivery.item_id,
        revision=delivery.revision,
        cause=delivery.cause,
        time=delivery.finished_at,
        config_version=delivery.config_version,
        traceparent=delivery.traceparent,
        ordinal=delivery.revision,
    )
