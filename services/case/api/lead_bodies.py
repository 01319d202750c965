"""What the routes of leads are given."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.case.domain.leads.customer import Customer
from services.case.domain.leads.lead import Interest
from services.case.domain.notes import NOTE_LENGTH
from services.case.handlers.leads.editing import Edit
from services.case.handlers.leads.opening import Wanted
from shared.schemas.events import Code, LeadSource

# PostgreSQL cannot hold a NUL in text, so none gets that far.
Short = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Title = Annotated[str, StringConstraints(max_length=998, pattern=r"^[^\x00\r\n]*$")]
Long = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]
Level = Annotated[int, Field(ge=1, le=10)]
User = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Body(BaseModel):
    """What a command is given; unknown members are errors."""

    model_config = ConfigDict(extra="forbid")


class InterestBody(Body):
    """One product, or all of a type, brand or family."""

    kind: Literal["product", "type", "brand", "family"] = "product"
    code: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] = Field(examples=["garage"])

    def interest(self) -> Interest:
        """As the domain has it."""
        return Interest(self.kind, self.code)


Competitors = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")], ...], Field(max_length=50)
]
Interests = Annotated[tuple[InterestBody, ...], Field(max_length=100)]


class _Said(Body):
    source: LeadSource | None = Field(default=None, description="Where it came from; none: as its type says.")
    priority: Level | None = Field(default=None, description="From 1 to 10.", examples=[5])
    importance: Level | None = Field(default=None, description="From 1 to 10.", examples=[5])
    category: Code | None = None
    estimated_completion_at: AwareDatetime | None = None


class LeadBody(_Said):
    """A new lead. What is left out is as its type says."""

    type: Short = Field(description="Code or name of the lead type.", examples=["garage-letting"])
    title: Title = Field(default="", examples=["A garage near Elm Road"])
    description: Long = ""
    unit: Code | None = None
    owner: User | None = None
    competitors: Competitors = ()
    interests: Interests = ()

    def wanted(self) -> Wanted:
        """As the handlers have it."""
        return Wanted(
            self.title,
            self.description,
            self.source.value if self.source else None,
            self.priority,
            self.importance,
            self.category,
            self.unit,
            self.owner,
            self.estimated_completion_at,
            self.competitors,
            tuple(interest.interest() for interest in self.interests),
        )


class NewLeadBody(LeadBody):
    """A new lead by hand, of a contact that is known, or of whoever has these handles."""

    contact_id: UUID | None = None
    customer_name: Short = Field(default="", examples=["Joan Example"])
    customer_email: Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\x00]*$")] = Field(
        default="", examples=["joan@tenant.example"]
    )
    customer_phone: Short = Field(default="", examples=["+44 1632 960123"])

    def customer(self) -> Customer:
        """As the domain has it."""
        return Customer(self.customer_name, self.customer_email, self.customer_phone, self.contact_id)


class EditBody(_Said):
    """What is to be changed; what is left out stays. A contact can be given where there is none yet."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00\r\n]*$")] | None = None
    description: Long | None = None
    customer_name: Short | None = None
    customer_email: Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\x00]*$")] | None = None
    customer_phone: Short | None = None
    contact_id: UUID | None = None
    competitors: Competitors | None = None
    interests: Interests | None = None

    def edit(self) -> Edit:
        """As the handlers have it."""
        return Edit(
            self.title,
            self.description,
            self.source.value if self.source else None,
            self.priority,
            self.importance,
            self.category,
            self.estimated_completion_at,
            self.customer_name,
            self.customer_email,
            self.customer_phone,
            self.contact_id,
            self.competitors,
            None if self.interests is None else tuple(interest.interest() for interest in self.interests),
        )


class ReasonBody(Body):
    """Why."""

    reason: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] = Field(default="", examples=["She has signed."])


class LoseBody(ReasonBody):
    """Why it was lost: a lost reason of its type, or the type's default; and in words."""

    lost_reason: Code | None = Field(default=None, examples=["went-elsewhere"])


class StatusBody(LoseBody):
    """Set this status. A status for lost needs a lost reason, or takes the type's default."""

    status: Code = Field(examples=["in-progress"])


class AssignBody(ReasonBody):
    """Give the lead to a unit, a user, or both; a unit alone takes it from its user."""

    unit: Code | None = Field(default=None, examples=["lettings"])
    owner: User | None = Field(default=None, description="The user.", examples=["rita"])


class NoteBody(Body):
    """A note; it is never changed."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=NOTE_LENGTH, pattern=r"^[^\x00]*$")] = Field(
        examples=["Called back: wants to see the garage on Friday."]
    )
