"""What case publishes of messages that staff write to customers: about a case, or about something else."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.kinds import ItemKind
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import FileRef

LONGEST_TEXT = 20_000
"""Characters of a message that somebody writes."""


class MessageToSend(Payload):
    """A message that a member of staff wrote to a customer, as it is to be sent."""

    topic: ClassVar[str] = topics.CASES

    communication_id: UUID
    conversation_id: UUID
    item_kind: ItemKind = ItemKind.CASE
    """What it is about, with `item_id`."""
    item_id: UUID
    number: str
    """The case's, or that of what it is about otherwise; it may be empty. It stands in the subject line, so that answers are recognised."""
    unit: Code
    owner: str = ""
    """With `unit`: in whose hands that is which it is about."""
    method: Code
    recipient: Annotated[str, StringConstraints(min_length=1, max_length=320)]
    recipient_name: Annotated[str, StringConstraints(max_length=200)] = ""
    reply_to: str = ""
    """The mail account that answers come in by; empty: the sender's."""
    message_id: str
    in_reply_to: str = ""
    """Message-ID of the customer's mail that it answers."""
    subject_line: Line
    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
    files: Annotated[tuple[FileRef, ...], Field(max_length=50)] = ()
    written_by: str
    written_at: AwareDatetime


class MessageAsked(MessageToSend):
    """A member of staff wrote to a customer: the message is recorded as an outbound communication, and is to be sent (NOTE-2).

    What becomes of it is told by the events of its delivery, whose id is the communication's.
    """

    event_type: ClassVar[str] = "casestream.message.asked.v1"

    case_id: UUID


class RecordMessageAsked(MessageToSend):
    """As `casestream.message.asked.v1`, for a message that belongs to no case: about a lead, or to a contact (`item_kind` tells)."""

    event_type: ClassVar[str] = "casestream.record-message.asked.v1"
