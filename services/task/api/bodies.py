"""What commands are given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.schemas.events import Code

# PostgreSQL cannot hold a NUL in text, so none gets that far.
Line = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00\r\n]+$", strip_whitespace=True)]
Text = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]
User = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def _believable(at: datetime) -> datetime:
    if not 2000 <= at.year < 2200:
        raise ValueError("not a believable time for a task")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_believable)]
"""A time with its zone, kept in UTC."""


class Body(BaseModel):
    """What a command is given; unknown members are errors."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


Reason = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$", strip_whitespace=True)]


class OverrideBody(Body):
    """`override`: why approvals that are open are passed over; needs `approval:decide-for-others`."""

    override: Reason = ""


class ReopenBody(Body):
    """Why a completed task is taken up again."""

    reason: Annotated[Reason, Field(min_length=1)]


class AskBody(Body):
    """Ask a colleague to approve something: the case or task is not completed before."""

    approver: User
    what: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00\r\n]+$", strip_whitespace=True)]


class CommentBody(Body):
    """What is said to it. Declining needs it, and so does whatever is done in somebody's stead."""

    comment: Reason = ""


class DelegateBody(Body):
    """Hand an approval to another user, with a word to them."""

    to: User
    note: Reason = ""


class CancelBody(Body):
    """Cancel for a configured reason; none: the default one."""

    reason: Code | None = None


class DueBody(Body):
    """Move the due time."""

    due_at: Moment


class AssignBody(Body):
    """Give the task to exactly one user, role or unit."""

    user: User | None = Field(default=None, validation_alias=AliasChoices("user", "assignee"))
    role: Code | None = None
    unit: Code | None = None
    although_away: bool = Field(default=False, description="Let the user have it even if they are away; otherwise whoever stands in does.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.user, self.role, self.unit)) != 1:
            raise ValueError("give exactly one of user, role and unit")
        return self


class HandOverBody(AssignBody):
    """Give everything that a user holds to exactly one other user, role or unit."""

    held_by: User


class ReassignFilter(Body):
    """Open tasks with all of these in common; at least whose they are must be said."""

    held_by: User | None = None
    role: Code | None = Field(default=None, description="The role that they are for.")
    unit: Code | None = Field(default=None, description="The unit whose work they are.")
    definition: Code | None = None

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if self.held_by is None and self.role is None and self.unit is None:
            raise ValueError("give at least one of held_by, role and unit")
        return self


class ReassignBody(Body):
    """Give the tasks with these ids, or those that the filter finds, to exactly one user, role or unit."""

    to: AssignBody
    ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)] | None = None
    filter: ReassignFilter | None = None
    after: UUID | None = Field(default=None, description="With a filter: `next` of the answer before.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or a filter")
        if self.after is not None and self.filter is None:
            raise ValueError("`after` goes with a filter")
        return self


class FollowUpBody(Body):
    """A follow-up: in a case, for a lead, or about an account or a contact without one. Or a task of a case by its `definition`."""

    case_id: UUID | None = None
    lead_id: UUID | None = None
    definition: Code | None = Field(
        default=None,
        description="Its task definition. In a case one that belongs to its subject and is not in it yet (`GET /task-definitions`); "
        "the type of a lead may allow only some.",
    )
    account_id: UUID | None = None
    contact_id: UUID | None = None
    customer_name: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""
    subject_line: Line | None = Field(default=None, description="Needed, but in a case with a definition: that one's, if none is given.")
    description: Text = ""
    due_at: Moment | None = Field(default=None, description="Needed, but in a case with a definition: as that one says, if none is given.")
    priority: Literal["low", "normal", "high"] | None = Field(
        default=None, description="None: normal; in a case with a definition as that one says."
    )
    assignee: User | None = Field(default=None, description="A colleague; none: oneself; in a case with a definition whom that one is for.")
    although_away: bool = Field(default=False, description="Let the colleague have it even if they are away.")
    note_id: UUID | None = Field(default=None, description="The note that it comes from.")

    @property
    def is_defined(self) -> bool:
        """Whether it is a task of a case by its definition."""
        return self.case_id is not None and self.definition is not None

    @model_validator(mode="after")
    def _case_knows_its_customer(self) -> Self:
        if self.case_id is not None and self.lead_id is not None:
            raise ValueError("a task is in a case or for a lead: give one of them")
        if self.definition is not None and self.lead_id is None and self.case_id is None:
            raise ValueError("a task of a definition is in a case or for a lead: say which")
        if (self.case_id or self.lead_id) and (self.account_id or self.contact_id or self.customer_name):
            raise ValueError("a task in a case, or for a lead, is about its customer: give none")
        if not self.is_defined and (self.subject_line is None or self.due_at is None):
            raise ValueError("a task without a definition, or for a lead, needs subject_line and due_at")
        return self
