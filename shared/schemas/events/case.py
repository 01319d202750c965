"""What case publishes: cases and communications as they change."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.kinds import ItemKind
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import BounceReport, CustomerRef, Part


class CaseLifeCycle(StrEnum):
    """Life-cycle states of a case."""

    PENDING = "pending"
    RESPONDED = "responded"
    TEMPORARILY_RESOLVED = "temporarily_resolved"
    FINALLY_RESOLVED = "finally_resolved"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class CaseState(Payload):
    """A case as it is now: the data of every event on a case."""

    topic: ClassVar[str] = topics.CASES

    case_id: UUID
    number: str
    subject: Code
    title: Line
    communication_id: UUID
    conversation_id: UUID
    method: Code
    customer: CustomerRef
    state: CaseLifeCycle
    status: Code
    status_before: Code | None = None
    urgency: Code
    impact: Code
    priority: Code
    category: str = ""
    unit: Code
    owner: str | None = None
    """The user who has it."""
    waiting_for_customer: bool = False
    opened_at: AwareDatetime
    responded_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    expected_completion_at: AwareDatetime | None = None
    completion_was_expected_at: AwareDatetime | None = None
    """Before this change, where it moved `expected_completion_at` (CASE-9)."""
    response_category: str = ""
    """The category of the response; empty: none was chosen (CASE-4)."""
    temporary_category: str = ""
    final_category: str = ""
    awaiting_acceptance: Literal["", "response", "temporary_resolution", "final_resolution"] = ""
    """The answer that the customer has to accept before the case can go further (CASE-12); empty: none."""
    estimated_completion_at: AwareDatetime | None = None
    """When staff reckon that it will be complete (CASE-9)."""
    customer_updated_at: AwareDatetime | None = None
    """When the customer last heard of it from us: an answer, news, a message or a call; nothing that goes out by itself. Null: not yet."""
    changed_by: str = "system"
    reason: str = ""
    """Why the last change was made, where a reason was given; `expired` when expiry cancelled it (COM-8)."""
    firing_id: UUID | None = None
    """The firing of the automation rule that made this change, where one did: what follows is reckoned to it (AUTO-1)."""


class CaseOpened(CaseState):
    """A communication opened this case (CASE-1)."""

    event_type: ClassVar[str] = "casestream.case.opened.v1"


class CaseStatusChanged(CaseState):
    """The case's status changed, and with it perhaps its life-cycle state (CASE-3)."""

    event_type: ClassVar[str] = "casestream.case.status-changed.v1"


class CaseAssigned(CaseState):
    """The case was assigned or accepted (CASE-7)."""

    event_type: ClassVar[str] = "casestream.case.assigned.v1"


class CasePriorityChanged(CaseState):
    """Urgency or impact changed (CASE-5)."""

    event_type: ClassVar[str] = "casestream.case.priority-changed.v1"


class CaseAmended(CaseState):
    """Something else of the case changed: its category, an answer or the customer's word on it, an estimate, or that they heard of it."""

    event_type: ClassVar[str] = "casestream.case.amended.v1"


class CaseAcceptanceAsked(CaseState):
    """An answer was given or amended that the customer has to accept (CASE-12); told instead of the change of status that came with it."""

    event_type: ClassVar[str] = "casestream.case.acceptance-asked.v1"


class CaseChased(CaseState):
    """The customer, for whom the case waits, kept silent and is reminded (EDGE-10)."""

    event_type: ClassVar[str] = "casestream.case.chased.v1"

    reminder: int = Field(ge=1)
    """Which reminder it is since they wrote last, or since the case began to wait: 1 is the first."""


class CaseDeleted(CaseState):
    """The case was deleted, as nothing referred to it (CASE-8). Its `state` is `cancelled`: what hangs on it ends as if it were."""

    event_type: ClassVar[str] = "casestream.case.deleted.v1"


class CaseRepublished(CaseState):
    """The case as it is now, sent again for a consumer that starts anew; nothing happened to it."""

    event_type: ClassVar[str] = "casestream.case.republished.v1"


class Concerned(Part):
    """A case or lead that the customer wrote about, which was there before: what telling its owner needs."""

    item_kind: ItemKind
    item_id: UUID
    number: str
    title: Line
    subject: Code
    """The case's subject, the lead's type."""
    status: Code
    priority: str
    """Of a lead it is a number from 1 to 10."""
    unit: Code
    owner: str | None = None
    """The user who has it."""


class CommunicationRecorded(Payload):
    """case recorded a communication: activity on its conversation, and what its expiry depends on (COM-8).

    With a higher revision: staff opened a case from it, joined it to one, or recorded script answers; its key stays as it was.
    """

    event_type: ClassVar[str] = "casestream.communication.recorded.v1"
    topic: ClassVar[str] = topics.CASES

    communication_id: UUID
    conversation_id: UUID
    method: Code
    case_ids: tuple[UUID, ...]
    """The cases it opened or joined, the first one first."""
    customer: CustomerRef
    subject_line: Line = ""
    direction: Literal["inbound", "outbound"]
    robot: str = "none"
    bounce: BounceReport | None = None
    occurred_at: AwareDatetime
    concerns: tuple[Concerned, ...] = ()
    """What a person who is no member of staff wrote or called about by it: said once, when it came, or when staff joined it to a case."""


class CommunicationBounced(CommunicationRecorded):
    """case recorded a bounce that tells of what it reports: instead of `CommunicationRecorded`."""

    event_type: ClassVar[str] = "casestream.communication.bounced.v1"


class CommunicationExpired(CommunicationRecorded):
    """The communication expired after its method's time without activity (COM-8); or staff did something with an expired one."""

    event_type: ClassVar[str] = "casestream.communication.expired.v1"


class CommunicationErased(Payload):
    """A communication's texts, people and files were erased for privacy: whoever keeps copies erases them too (EDGE-17)."""

    event_type: ClassVar[str] = "casestream.communication.erased.v1"
    topic: ClassVar[str] = topics.CASES

    communication_id: UUID
    case_ids: tuple[UUID, ...] = ()
    """The cases it opened or joined."""
    opened: tuple[UUID, ...] = ()
    """Those of them that it opened: their titles were its subject line, and are erased as well."""
