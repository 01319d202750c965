"""Categories of responses and resolutions (CASE-4): a step of a case is made by choosing one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.schemas.events.texts import Code


class AnswerCategory(BaseModel):
    """A node of the tree of response, temporary-resolution or final-resolution categories."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    description: str = ""
    parent: Code | None = None
    requires_acceptance: bool = False
    """The case goes no further until the customer has accepted the answer."""
    subjects: tuple[Code, ...] = ()
    """The subjects whose cases may choose it; none listed: all."""
    default: bool = False
    """Taken where a status makes the step and no category is chosen. One that lists subjects goes before one for all."""
