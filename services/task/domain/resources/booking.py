"""A booking of a resource for a task or a case: requested, booked, cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.task.domain.resources.slots import Span


class BookingState(StrEnum):
    """A request waits for a member of the resource's unit; it holds its time already."""

    REQUESTED = "requested"
    BOOKED = "booked"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Booking:
    """A booking as it is now. The handlers change it in place, under the lock of its task or case."""

    id: UUID
    revision: int
    resource: str
    resource_name: str
    resource_user: str | None
    unit: str
    """The resource's, whose members confirm."""
    lane: int
    """Which of as many as the resource's capacity, from 0: bookings of one lane never overlap."""
    span: Span
    state: BookingState
    task_id: UUID | None
    case_id: UUID | None
    """The task's too; of one for a lead, the lead."""
    note: str
    made_by: str
    made_at: datetime
    changed_by: str
    changed_at: datetime
    confirmed_by: str | None = None
    reason: str = ""
    """Why it was cancelled."""

    @property
    def is_live(self) -> bool:
        """Whether it holds its time."""
        return self.state is not BookingState.CANCELLED


class BookingRefused(Exception):
    """A booking cannot be made or moved so: `why` is `taken`, `closed`, `past` or `cancelled`; the message is for people."""

    def __init__(self, why: str, message: str, slots: Sequence[Span] = ()) -> None:
        super().__init__(message)
        self.why = why
        self.slots = tuple(slots)
        """The nearest times that are free."""
