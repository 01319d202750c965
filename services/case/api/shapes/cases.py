"""Cases as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.communications import CaseCommunication
from services.case.api.shapes.declaring import Shape
from services.case.api.shapes.records import HistoryEntry
from services.case.domain.life_cycle import LifeCycle, Stage
from shared.schemas.configuration.sla import TargetClock


class CaseCustomer(Shape):
    """Whose case it is."""

    contact_id: UUID | None
    account_id: UUID | None
    name: str = Field(examples=["Ann Customer"])
    email: str = Field(examples=["ann@customer.example"])


class ListedCase(Shape):
    """A case by itself."""

    id: UUID
    number: str = Field(examples=["C-2026-000001"])
    revision: int
    config_version: int = Field(description="The configuration that it began with, and keeps.")
    subject: str = Field(examples=["leak"])
    title: str = Field(examples=["Water leak"])
    communication_id: UUID = Field(description="The communication that it was opened from.")
    conversation_id: UUID
    method: str = Field(examples=["email"])
    customer: CaseCustomer
    state: LifeCycle
    status: str = Field(examples=["new"])
    status_before: str | None
    urgency: str = Field(examples=["normal"])
    impact: str = Field(examples=["normal"])
    priority: str = Field(examples=["normal"])
    category: str
    unit: str = Field(examples=["repairs"])
    owner: str | None = Field(examples=["rita"])
    waiting_for_customer: bool
    needs_review: bool = Field(description="Whether expiry left it for staff to judge.")
    reason: str = Field(description="Of its last change of status.")
    opened_at: datetime
    responded_at: datetime | None
    resolved_at: datetime | None
    completed_at: datetime | None = Field(description="When it was completed or cancelled.")
    expected_completion_at: datetime | None
    changed_at: datetime
    changed_by: str
    response_category: str
    temporary_category: str
    final_category: str
    awaiting_acceptance: str = Field(description="The stage whose answer the customer has not accepted or declined yet; empty: none.")
    estimated_completion_at: datetime | None
    legal_hold: bool
    merged_into: UUID | None
    parent_id: UUID | None = Field(description="The major case that it is a child of.")
    customer_updated_at: datetime | None = Field(description="When the customer last heard of it from us.")


class CaseAnswer(Shape):
    """The response or a resolution."""

    stage: Stage
    category: str
    text: str
    requires_acceptance: bool
    given_by: str
    given_at: datetime
    accepted: bool | None
    accepted_by: str | None
    accepted_at: datetime | None
    comment: str


class CaseDates(Shape):
    """The key dates, and what follows from them now; spans are seconds, null where they do not apply."""

    started_at: datetime
    expected_completion_at: datetime | None
    estimated_completion_at: datetime | None
    completed_at: datetime | None
    time_to_completion: int | None
    time_left: int | None
    time_overdue: int | None


class ChangedCase(ListedCase):
    """A case with its answers and key dates; with its communications for those who may read them."""

    answers: list[CaseAnswer]
    key_dates: CaseDates
    communications: list[CaseCommunication] = Field(default_factory=list)


class CaseTarget(Shape):
    """A target that holds for a case."""

    clock: TargetClock
    within: str = Field(examples=["2 working days"])
    calendar: str = Field(description="Its code; empty: the organisation's.")
    source: Literal["subject", "method", "organisation"] = Field(description="Whose it is.")


class UndeliverableHandle(Shape):
    """A handle of a case's customer that messages came back from for good."""

    kind: str = Field(examples=["email"])
    value: str = Field(examples=["ann@customer.example"])
    since: datetime
    status: str = Field(description="What was reported: as RFC 3463 has it, or by the gateway of text messages.", examples=["5.1.1"])


class ShownCase(ChangedCase):
    """A case with all that belongs to it; of its history the first 500 entries."""

    history: list[HistoryEntry]
    targets: list[CaseTarget]
    undeliverable: list[UndeliverableHandle] = Field(description="The customer's handles that messages came back from for good.")


class MergedCase(ListedCase):
    """The case that goes on after a merge or split, or after either was undone."""

    communications: list[CaseCommunication] = Field(default_factory=list)
    merge_id: UUID | None = Field(default=None, description="Undoes the merge.")
    split_id: UUID | None = Field(default=None, description="Undoes the split.")


class ChosenCategory(Shape):
    """A category that an answer may have."""

    code: str
    requires_acceptance: bool


class AnswerChoices(Shape):
    """What an answer may choose from."""

    stage: Stage
    amends: bool
    default: str
    categories: list[ChosenCategory]


class CancellationChoices(Shape):
    """The status that cancels, and the reasons to choose from."""

    status: str
    reasons: list[str]
    default: str


class CaseChoices(Shape):
    """What a case's next step may choose from; a closed case has no choices."""

    answers: list[AnswerChoices]
    cancellation: CancellationChoices | None = Field(description="Null: it cannot be cancelled.")
    completion: str | None = Field(description="The status that completes it; null: that is not its next step.", examples=["closed"])
    categories: list[str]


class RelatedCase(Shape):
    """A case that has to do with another."""

    relation: str = Field(examples=["same_contact"])
    undo: UUID | None = Field(description="The merge or split that made the relation.")
    id: UUID
    number: str
    subject: str
    title: str
    state: LifeCycle
    status: str
    opened_at: datetime


class ListedChild(Shape):
    """A child of a major case."""

    id: UUID
    number: str
    subject: str
    title: str
    state: LifeCycle
    status: str
    unit: str
    owner: str | None
    opened_at: datetime
    contact_id: UUID | None
    customer_name: str


class ChildResult(Shape):
    """What became of a child."""

    id: UUID
    number: str
    state: LifeCycle | None = None
    told: bool | None = Field(default=None, description="Of a broadcast: whether the customer is told.")
    closed: bool | None = Field(default=None, description="Of closing: whether the child was.")
    why: str | None = Field(default=None, description="Why it was left out.")


class MajorCase(Shape):
    """A major case, and what became of its children; after one was let go, without them."""

    id: UUID
    number: str
    state: LifeCycle
    status: str
    children: list[ChildResult] = Field(default_factory=list)


class HeldCase(Shape):
    """Whether a case is on legal hold."""

    id: UUID
    number: str
    legal_hold: bool


class DeletedCase(Shape):
    """A case that was just deleted."""

    id: UUID
    number: str
    deleted_by: str
    deleted_at: datetime


class ListedDeletedCase(DeletedCase):
    """A case that was deleted."""

    subject: str
    unit: str
    owner: str | None
    communication_id: UUID
    reason: str
