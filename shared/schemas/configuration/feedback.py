"""What customers are asked about a case afterwards (CASE-13, EDGE-16), and how long links that they get may be used (EDGE-14)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.schemas.configuration.products import PeriodText
from shared.schemas.events.case import CaseLifeCycle
from shared.schemas.events.texts import Code

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RatingQuestion(_Section):
    """A question that is answered by a rating: 1 for the first of `labels`, 2 for the second, and so on."""

    kind: Literal["rating"]
    code: Code
    question: Line
    labels: Annotated[tuple[Line, ...], Field(min_length=2, max_length=11)]
    """From the worst to the best."""
    satisfied_from: Annotated[int, Field(ge=2, le=11)]
    """The lowest rating that counts as satisfied."""
    required: bool = True


class TextQuestion(_Section):
    """A question that is answered in the customer's own words."""

    kind: Literal["text"]
    code: Code
    question: Line
    required: bool = False


Question = Annotated[RatingQuestion | TextQuestion, Field(discriminator="kind")]


class FeedbackForm(_Section):
    """The questions on cases of some subjects. The first form that is for a case's subject is the case's."""

    code: Code
    name: Line
    intro: Annotated[str, StringConstraints(max_length=2000)] = ""
    subjects: tuple[Code, ...] = ()
    """None: all."""
    states: Annotated[tuple[CaseLifeCycle, ...], Field(min_length=1)] = (CaseLifeCycle.FINALLY_RESOLVED, CaseLifeCycle.COMPLETED)
    """The states in which a case has to be for feedback to be taken."""
    repeatable: bool = True
    """Whether a case may have feedback more than once, as after it was reopened; each link works once all the same."""
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=20)]


class CustomerLinks(_Section):
    """Links by which customers answer without a login."""

    valid_for: PeriodText = "30 days"
    """From the event that the message with the link tells of."""
