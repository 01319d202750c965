"""What case publishes of customers' feedback."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code
from shared.schemas.parts import Rating


class FeedbackGiven(Payload):
    """A customer said what they think of a case (CASE-13). What they wrote is not in it: that is for those who may read it."""

    event_type: ClassVar[str] = "casestream.case.feedback-given.v1"
    topic: ClassVar[str] = topics.CASES

    feedback_id: UUID
    case_id: UUID
    number: str
    form: Code
    subject: Code
    unit: Code
    method: Code
    ratings: tuple[Rating, ...] = ()
    has_comment: bool = False
    given_by: str
    """`customer` by a link, else the machine that handed it in."""
    given_at: AwareDatetime
