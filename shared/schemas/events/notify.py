"""What notify publishes: what became of each message, and addresses that are written to again."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, StringConstraints

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.kinds import ItemKind
from shared.schemas.events.texts import Code, Line


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
    audience: Literal["", "staff", "unit", "customer"] = ""
    """Whom it is for; empty: an earlier release did not tell."""
    conversation_id: UUID | None = None
    """Of a message to a customer, the conversation that it belongs to."""
    queued_at: AwareDatetime | None = None
    subject_line: Line = ""
    """Of a message to a customer that a communication definition or a rule made, with `text`: what was sent, as far as it was made."""
    text: str = ""
    """Its plain text, cut at `BODY_LIMIT_BYTES`."""
    undeliverable_since: AwareDatetime | None = None
    """Since when it is known that nothing arrives at this address or number, where this message's end says so."""
    status: str = ""
    """With it, what was reported: as RFC 3463 has it, or by the gateway of text messages."""


class DeliverySent(DeliveryState):
    """The server took the message."""

    event_type: ClassVar[str] = "casestream.delivery.sent.v1"


class DeliveryBounced(DeliveryState):
    """The message came back, with the reported status; it had been sent before."""

    event_type: ClassVar[str] = "casestream.delivery.bounced.v1"


class DeliveryFailed(DeliveryState):
    """The message is given up, with the reason."""

    event_type: ClassVar[str] = "casestream.delivery.failed.v1"


class AddressRevived(Payload):
    """An operator has had an address or number written to again that messages had come back from for good."""

    event_type: ClassVar[str] = "casestream.address.revived.v1"
    topic: ClassVar[str] = topics.NOTIFICATIONS

    revival_id: UUID
    kind: Literal["email", "phone"]
    address: Annotated[str, StringConstraints(max_length=320)]
    """In small letters; a number in E.164."""
    revived_by: str
