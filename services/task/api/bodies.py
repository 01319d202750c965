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

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.user, self.role, self.unit)) != 1:
            raise ValueError("give exactly one of user, role and unit")
        return self


class HandOverBody(AssignBody):
    """Give everything that a user holds to exactly one other user, role or unit."""

    held_by: User


class FollowUpBody(Body):
    """A follow-up: in a case, or about an account or a contact without one."""

    case_id: UUID | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None
    customer_name: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""
    subject_line: Line
    description: Text = ""
    due_at: Moment
    priority: Literal["low", "normal", "high"] = "normal"
    assignee: User | None = Field(default=None, description="A colleague; none: oneself.")

    @model_validator(mode="after")
    def _case_knows_its_customer(self) -> Self:
        if self.case_id is not None and (self.account_id or self.contact_id or self.customer_name):
            raise ValueError("a task in a case is about the case's customer: give none")
        return self
