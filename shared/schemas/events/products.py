"""What case publishes of products: that one is replaced under warranty."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import StringConstraints

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code


class ReplacementApproved(Payload):
    """A product of a case is replaced free, because its warranty covers it (CASE-14): once a product.

    The task service plans the task `task_id` of the definition `definition` for it.
    """

    event_type: ClassVar[str] = "casestream.case.replacement-approved.v1"
    topic: ClassVar[str] = topics.CASES

    case_id: UUID
    item_id: UUID
    """The product on the case; the event's subject."""
    task_id: UUID
    definition: Code
    product: Code
    product_name: Annotated[str, StringConstraints(max_length=998)]
    serial_number: Annotated[str, StringConstraints(max_length=200)] = ""
    asked_on: date
    """The day that the customer asked."""
    warranty_until: date
    approved_by: str
