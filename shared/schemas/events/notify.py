"""What notify publishes: what became of each message."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.sla import ItemKind
from shared.schemas.events.texts import Code


class DeliveryState(Payload):
    """A message to somebody and what became of it (NOTE-2)."""

    topic: ClassVar[str] = topics.NOTIFICATIONS

    delivery_id: UUID
    case_id: UUID | None
    item_kind: ItemKind
    item_id: UUID
    definition: Code
    channel: Literal["email", "sms"]
    recipient: str
    message_id: str = ""
    state: Literal["queued", "sent", "failed", "bounced"]
    error: str = ""


class DeliverySent(DeliveryState):
    """The server took the message."""

    event_type: ClassVar[str] = "casestream.delivery.sent.v1"


class DeliveryBounced(DeliveryState):
    """The message came back, with the reported status; it had been sent before."""

    event_type: ClassVar[str] = "casestream.delivery.bounced.v1"


class DeliveryFailed(DeliveryState):
    """The message is given up, with the reason."""

    event_type: ClassVar[str] = "casestream.delivery.failed.v1"
