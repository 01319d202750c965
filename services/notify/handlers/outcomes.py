"""Telling what became of deliveries."""

from __future__ import annotations

from typing import Any

from services.notify.domain.message import Written
from services.notify.domain.templates import one_line
from services.notify.handlers.by_hand import is_by_hand
from services.notify.storage import messages
from services.notify.storage.deliveries import Finished
from shared.schemas.events import BODY_LIMIT_BYTES, DeliveryBounced, DeliveryFailed, DeliverySent, ItemKind
from shared.schemas.events.texts import LINE_LENGTH
from shared.storage import Transaction

_PAYLOADS = {"sent": DeliverySent, "failed": DeliveryFailed, "bounced": DeliveryBounced}


def emit_outcome(tx: Transaction, delivery: Finished, written: Written | None = None) -> None:
    """Emit the event of a delivery that has reached its end. `written`: the message that was made of it, as far as it came to that."""
    told: dict[str, Any] = {"audience": delivery.audience, "queued_at": delivery.created_at}
    if delivery.audience == "customer":
        told["conversation_id"] = delivery.thread_id
    if is_by_hand(delivery.template):
        messages.let_go(tx, [delivery.id])
    elif delivery.audience == "customer" and written is not None:
        told["subject_line"] = one_line(written.subject_line)[:LINE_LENGTH]
        told["text"] = written.text.encode("utf-8", "replace")[:BODY_LIMIT_BYTES].decode("utf-8", "ignore")
    tx.emit(
        _PAYLOADS[delivery.state].model_validate(
            {
                "delivery_id": delivery.id,
                "case_id": delivery.case_id,
                "item_kind": ItemKind(delivery.item_kind),
                "item_id": delivery.item_id,
                "definition": delivery.definition,
                "channel": "email",
                "recipient": delivery.recipient,
                "message_id": delivery.message_id,
                "state": delivery.state,
                "error": delivery.error,
            }
            | told
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
