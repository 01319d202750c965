"""Customers' feedback as it is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape


class Feedback(Shape):
    """What a customer thought of a case, with the subject, unit and method that it had then."""

    id: UUID
    case_id: UUID
    form: str
    subject: str = Field(examples=["leak"])
    unit: str = Field(examples=["repairs"])
    method: str = Field(examples=["email"])
    given_by: str
    given_at: datetime


class FeedbackAnswer(Shape):
    """The answer to a question: a rating of `best`, or a comment."""

    question: str = Field(examples=["work"])
    wording: str
    rating: int | None
    best: int | None
    satisfied: bool | None
    comment: str | None


class ListedFeedback(Feedback):
    """A feedback with what was written."""

    number: str = Field(description="The case's.", examples=["C-2026-000001"])
    answers: list[FeedbackAnswer]


class QuestionSummary(Shape):
    """How often a question was given which rating."""

    question: str
    wording: str
    best: int
    count: int
    average: float
    distribution: dict[str, int] = Field(description="By rating.", examples=[{"1": 0, "2": 1, "3": 4}])
    satisfied: float = Field(description="The share of satisfied ones, from 0 to 1.")


class FeedbackGroup(Shape):
    """The feedback on one subject, unit or method, which is named by the member of that name."""

    subject: str | None = None
    unit: str | None = None
    method: str | None = None
    feedback: int
    questions: list[QuestionSummary]


class FeedbackSummary(Shape):
    """Feedback, counted."""

    by: Literal["subject", "unit", "method"]
    feedback: int
    items: list[FeedbackGroup]
