"""What task publishes of time and resources: time spent, for billing, and bookings (TASK-10)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line


class TimeSpent(Payload):
    """Time was recorded on a task, or corrected. Each entry is told of once; `difference` adds up to what is to be billed."""

    event_type: ClassVar[str] = "casestream.task.time-spent.v1"
    topic: ClassVar[str] = topics.TASKS

    entry_id: UUID
    task_id: UUID
    case_id: UUID
    """Of a task without a case: the task's own id."""
    case_number: str
    lead_id: UUID | None = None
    definition: Code | None
    account_id: UUID | None
    contact_id: UUID | None
    service: Code
    service_name: str
    minutes: int
    """What this entry says. 0 in a correction: there was no such time."""
    difference: int
    """Minutes to add to what was told before: less than 0 where a correction took time away."""
    user: str
    """Who spent it."""
    spent_at: AwareDatetime
    corrects: UUID | None = None
    """The entry that this one takes the place of."""
    automatic: bool = False
    """The minimum of a mandatory service, recorded by itself when the task was completed."""
    recorded_by: str


class BookingLifeCycle(StrEnum):
    """A request holds its time until a member of the resource's unit confirms it, or it is cancelled."""

    REQUESTED = "requested"
    BOOKED = "booked"
    CANCELLED = "cancelled"


class BookingChanged(Payload):
    """A booking as it is now: the data of every event on a booking."""

    topic: ClassVar[str] = topics.TASKS

    booking_id: UUID
    resource: Code
    resource_name: str
    resource_user: str | None = None
    """Of a person who is a member of staff."""
    unit: Code
    """The resource's."""
    task_id: UUID | None
    case_id: UUID
    """Of a booking for a task without a case: the task's id."""
    case_number: str
    lead_id: UUID | None = None
    subject_line: Line = ""
    """The task's."""
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    state: BookingLifeCycle
    state_before: BookingLifeCycle | None = None
    starts_at_before: AwareDatetime | None = None
    """Of a booking that was moved."""
    made_by: str
    changed_by: str
    reason: str = ""


class BookingRequested(BookingChanged):
    """A resource that needs confirmation was asked for."""

    event_type: ClassVar[str] = "casestream.booking.requested.v1"


class BookingBooked(BookingChanged):
    """The resource is booked, at once or because its unit confirmed."""

    event_type: ClassVar[str] = "casestream.booking.booked.v1"


class BookingMoved(BookingChanged):
    """The booking is at another time; one that needs confirmation needs it anew."""

    event_type: ClassVar[str] = "casestream.booking.moved.v1"


class BookingCancelled(BookingChanged):
    """The booking, or the request, is off."""

    event_type: ClassVar[str] = "casestream.booking.cancelled.v1"
