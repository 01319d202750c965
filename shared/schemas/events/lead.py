"""What case publishes of leads: possible business with a customer, as it changes (LEAD-1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import CustomerRef, Part


class LeadLifeCycle(StrEnum):
    """Life-cycle states of a lead."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    WON = "won"
    LOST = "lost"
    CANCELLED = "cancelled"


class LeadSource(StrEnum):
    """Where a lead came from. The set is fixed; an organisation relabels its members."""

    ADVERTISEMENT = "advertisement"
    NOTIFICATION = "notification"
    COMMUNICATION = "communication"
    RECOMMENDED_BY_CONTACT = "recommended_by_contact"
    RECOMMENDED_BY_EMPLOYEE = "recommended_by_employee"
    RECOMMENDED_BY_PARTNER = "recommended_by_partner"
    WEBSITE = "website"
    OTHER = "other"
    CUSTOM_1 = "custom_1"
    CUSTOM_2 = "custom_2"
    CUSTOM_3 = "custom_3"
    CUSTOM_4 = "custom_4"
    CUSTOM_5 = "custom_5"


class InterestRef(Part):
    """What the customer is interested in: one product, or all of a type, brand or family."""

    kind: Literal["product", "type", "brand", "family"]
    code: Annotated[str, Field(max_length=200)]


class LeadState(Payload):
    """A lead as it is now: the data of every event on a lead. Its key is its id."""

    topic: ClassVar[str] = topics.CASES

    lead_id: UUID
    number: str
    lead_type: Code
    title: Line
    source: LeadSource
    communication_id: UUID | None = None
    """The communication that it was opened from."""
    customer: CustomerRef
    customer_phone: str = ""
    """E.164."""
    state: LeadLifeCycle
    status: Code
    status_before: Code | None = None
    priority: int
    """From 1 to 10, as `importance`."""
    importance: int
    category: str = ""
    unit: Code
    owner: str | None = None
    """The user who has it."""
    lost_reason: str = ""
    competitors: tuple[str, ...] = ()
    """Their names."""
    interests: tuple[InterestRef, ...] = ()
    opened_at: AwareDatetime
    started_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None
    expected_completion_at: AwareDatetime | None = None
    estimated_completion_at: AwareDatetime | None = None
    changed_by: str = "system"
    reason: str = ""
    """Why the last change was made, where a reason was given."""


class LeadOpened(LeadState):
    """A lead was entered, imported, or opened from a communication."""

    event_type: ClassVar[str] = "casestream.lead.opened.v1"


class LeadStatusChanged(LeadState):
    """The lead's status changed, and with it perhaps its life-cycle state."""

    event_type: ClassVar[str] = "casestream.lead.status-changed.v1"


class LeadAssigned(LeadState):
    """The lead was assigned or accepted."""

    event_type: ClassVar[str] = "casestream.lead.assigned.v1"


class LeadChanged(LeadState):
    """Something else of the lead changed: its title, customer, priority, products, competitors."""

    event_type: ClassVar[str] = "casestream.lead.changed.v1"


class LeadRepublished(LeadState):
    """The lead as it is now, sent again for a consumer that starts anew; nothing happened to it."""

    event_type: ClassVar[str] = "casestream.lead.republished.v1"
