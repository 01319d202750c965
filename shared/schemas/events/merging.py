"""What case publishes of cases that are merged, and of a major case's news to its customers."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import StringConstraints

from shared.schemas.events.case import CaseState


class CaseMerged(CaseState):
    """The case was merged into another and is cancelled: its tasks and clocks end, what would come to it goes there (EDGE-11)."""

    event_type: ClassVar[str] = "casestream.case.merged.v1"

    merged_into: UUID
    """The case that goes on in its stead."""
    merged_into_number: str


class CaseMergeUndone(CaseState):
    """The case is again what it was before it was merged: its tasks and clocks go on (EDGE-11)."""

    event_type: ClassVar[str] = "casestream.case.merge-undone.v1"

    was_merged_into: UUID


class CaseBroadcast(CaseState):
    """Something to tell the customer of this case, as every customer of its major case (EDGE-15) or of a bulk change (EDGE-12)."""

    event_type: ClassVar[str] = "casestream.case.broadcast.v1"

    parent_id: UUID
    """The major case; of a bulk change the case itself."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
