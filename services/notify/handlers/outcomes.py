"""Telling what became of deliveries."""

from __future__ import annotations

from typing import Any

from services.notify.domain.digest import DIGEST
from services.notify.domain.message import Written
from services.notify.domain.templates import one_line
from services.notify.handlers.by_hand import is_by_hand
from services.notify.storage import messages
from services.notify.storage.deliveries import Claimed, Finished
from shared.schemas.events import BODY_LIMIT_BYTES, DeliveryBounced, DeliveryFailed, DeliverySent, ItemKind
from shared.schemas.events.texts import LINE_LENGTH
from shared.storage import Transaction

_PAYLOADS = {"sent": DeliverySent, "failed": DeliveryFailed, "bounced": DeliveryBounced}


def is_told_with_text(delivery: Finished | Claimed) -> bool:
    """Whether others are told what the message said: what a customer was told, but for what staff wrote by hand, which is known."""
    is_ours = delivery.item_kind != DIGEST and not is_by_hand(delivery.definition, delivery.template)
    return is_ours and delivery.audience == "customer"


def emit_outcome(tx: Transaction, delivery: Finished, written: Written | None = None, text: str = "") -> None:
    """Emit the event of a delivery that has reached its end. A digest has none of its own: those of the messages in it say how it went.

    `written`: what was made of it, as far as it came to that; `text`: of a text message. Both without links by which its reader can answer.
    """
    if delivery.item_kind == DIGEST:
        return
    told: dict[str, Any] = {"audience": delivery.audience, "queued_at": delivery.created_at}
    if delivery.audience == "customer":
        told["conversation_id"] = delivery.thread_id
    if delivery.dead_status:
        told |= {"undeliverable_since": delivery.dead_since or delivery.finished_at, "status": delivery.dead_status}
    if is_by_hand(delivery.definition, delivery.template):
        messages.let_go(tx, [delivery.id])
    elif is_told_with_text(delivery):
        subject_line, text = (written.subject_line, written.text) if written is not None else ("", text)
        told["subject_line"] = one_line(subject_line)[:LINE_LENGTH]
        told["text"] = text.encode("utf-8", "replace")[:BODY_LIMIT_BYTES].decode("utf-8", "ignore")
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
