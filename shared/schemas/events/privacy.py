"""What case publishes of people who are erased."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from shared.schemas import topics
from shared.schemas.envelope import Payload


class ContactErased(Payload):
    """A contact was erased for privacy: whoever keeps names, addresses or texts of theirs erases them too (EDGE-17).

    Each of their communications and cases has told of itself as well.
    """

    event_type: ClassVar[str] = "casestream.contact.erased.v1"
    topic: ClassVar[str] = topics.CASES

    contact_id: UUID
    case_ids: tuple[UUID, ...] = ()
    """Their cases."""
