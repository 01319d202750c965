"""Telephone calls as they go on (COM-5): what ingest hears of them, and what case makes of it for whoever answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code
from shared.schemas.parts import ContactRef, CustomerRef, Handle

CallOutcome = Literal["", "completed", "busy", "no_answer", "cancelled", "failed"]
"""How a call ended; empty: it has not, or nobody told."""
Answerer = Annotated[str, StringConstraints(max_length=320)]
Seconds = Annotated[int, Field(ge=0)]


class CallStage(StrEnum):
    """How far a telephone call has got."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class CommunicationUpdated(Payload):
    """A telephone gateway's word of a call that is known already: one for each stage that it reports, in any order (COM-5).

    Each is a `ce_subject` of its own. The call's `casestream.communication.received.v1` goes before it.
    """

    event_type: ClassVar[str] = "casestream.communication.updated.v1"
    topic: ClassVar[str] = topics.COMMUNICATIONS

    communication_id: UUID
    conversation_id: UUID
    stage: CallStage
    at: AwareDatetime
    """When it reached the stage; where the gateway does not tell, when we heard of it."""
    outcome: CallOutcome = ""
    """How it ended, where that is told."""
    duration_seconds: Seconds | None = None
    answered_by: Answerer = ""
    """Who answered, as the gateway names them, where it does."""
    leg: bool = False
    """It is told of one leg that the call was passed on by: there may be others, and the end of one need not be the call's."""


class CallChanged(Payload):
    """A telephone call as it is now, with all that whoever answers it needs to see at once (COM-5).

    The `ce_subject` is `call:` and the communication's id.
    """

    event_type: ClassVar[str] = "casestream.call.changed.v1"
    topic: ClassVar[str] = topics.CALLS

    communication_id: UUID
    conversation_id: UUID
    direction: Literal["inbound", "outbound"]
    method: Code
    line: str
    """Our number, in E.164."""
    unit: Code | None = None
    """The business unit of the line, if it has one."""
    other_party: Handle
    """Who calls, or is called; an empty value: the number is withheld."""
    customer: CustomerRef
    """The contact; without an id: nobody known, or several share the number."""
    candidates: tuple[ContactRef, ...] = ()
    """The contacts that share the number, at most 20, where there are several."""
    stage: CallStage
    began_at: AwareDatetime
    """When it was first heard of; of a call that rang, when it began to."""
    answered_at: AwareDatetime | None = None
    answered_by: Answerer = ""
    ended_at: AwareDatetime | None = None
    outcome: CallOutcome = ""
    duration_seconds: Seconds | None = None
