"""What ingest publishes, and what upstream systems publish to it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import BounceReport, FileRef, Handle, ScriptAnswer

ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ScriptAnswers = Annotated[tuple[ScriptAnswer, ...], Field(max_length=50)]


class ContactEvent(Payload):
    """An upstream system's word that a customer made contact (COM-6); also the body of ingest's `POST /contacts`."""

    event_type: ClassVar[str] = "casestream.contact-event.v1"
    topic: ClassVar[str] = topics.CONTACT_EVENTS

    source_system: Code
    external_id: ExternalId
    """Unique within the source system: a repeat is the same contact."""
    method: Code
    """Communication method of the configuration."""
    direction: Literal["inbound", "outbound"] = "inbound"
    sender: Handle
    subject_line: Line = ""
    """Empty: the communication method's own, if it has one."""
    text: Annotated[str, StringConstraints(max_length=1_000_000)] = ""
    occurred_at: AwareDatetime
    conversation: Annotated[str, StringConstraints(max_length=200)] = ""
    """The source system's name for the conversation that this belongs to, if it has one."""
    subjects: tuple[Code, ...] = ()
    """Subjects chosen by the source; empty: routing decides."""
    location: Annotated[str, StringConstraints(max_length=200)] = ""
    """Where it was; one of the communication method's locations if it has any."""
    scripts: ScriptAnswers = ()
    """What was answered to the prompts of the communication method's scripts."""


class CommunicationReceived(Payload):
    """One contact with a customer reached us (COM-1)."""

    event_type: ClassVar[str] = "casestream.communication.received.v1"
    topic: ClassVar[str] = topics.COMMUNICATIONS

    communication_id: UUID
    conversation_id: UUID
    direction: Literal["inbound", "outbound"]
    method: Code
    channel_account: str = ""
    """The nominated account it reached (a mailbox's address, a handle, a number), if any."""
    location: str = ""
    sender: Handle
    recipients: tuple[str, ...] = ()
    subject_line: Line = ""
    text: str = ""
    text_truncated: bool = False
    own_text_length: Annotated[int, Field(ge=0)] | None = None
    """How many Unicode characters at the beginning of `text` are the sender's own; the rest is history they quoted. Null: all of it."""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    attachments: tuple[FileRef, ...] = ()
    raw: FileRef | None = None
    """The whole message as it came."""
    robot: Literal["none", "auto_reply", "bounce", "bulk"] = "none"
    """Why it counts as sent by a machine (COM-7)."""
    bounce: BounceReport | None = None
    """What it reports, where `robot` is `bounce` and it tells."""
    opens_case: bool = True
    """False: it opens no case by itself, as a call, whose subject staff choose (COM-5); it joins the cases of its conversation."""
    old: bool = False
    """It happened before we took over, and was imported: it is kept as history, opens no case, starts no clock, and nobody is told."""
    subjects: tuple[Code, ...] = ()
    """Subjects chosen at the source; empty: routing decides."""
    script_answers: ScriptAnswers = ()
    """What the customer answered to the method's scripts at the point of contact."""
    entered_by: Annotated[str, StringConstraints(max_length=64)] = ""
    """The member of staff who entered it by hand (COM-6); empty: it came by itself."""
