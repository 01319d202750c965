"""Resources and bookings as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.task.api.bodies import Body, Moment, Text
from services.task.domain.resources.booking import Booking
from shared.schemas.events import BookingLifeCycle, Code

LONGEST = timedelta(days=31)


class Times(Body):
    """From when until when, in whole minutes; half open."""

    from_: Moment = Field(alias="from")
    until: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.from_ < self.until <= self.from_ + LONGEST:
            raise ValueError("a booking ends after it begins, and at most 31 days later")
        if any(at.second or at.microsecond for at in (self.from_, self.until)):
            raise ValueError("a booking begins and ends at whole minutes")
        return self


class MoveBody(Times):
    """Another time."""


class BookBody(Times):
    """Book a resource for exactly one task or case."""

    resource: Code
    task_id: UUID | None = None
    case_id: UUID | None = Field(default=None, description="Or a lead.")
    note: Text = ""

    @model_validator(mode="after")
    def _for_something(self) -> Self:
        if (self.task_id is None) == (self.case_id is None):
            raise ValueError("give exactly one of task_id and case_id")
        return self


class ReasonBody(Body):
    """Why."""

    reason: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""


class ResourceView(BaseModel):
    """Somebody or something that can be booked."""

    code: str
    name: str
    description: str
    kind: Literal["person", "vehicle", "room"]
    unit: str
    user: str | None
    capacity: int
    needs_confirmation: bool
    services: list[str]


class SlotView(BaseModel):
    """A time in which the resource is free."""

    model_config = ConfigDict(populate_by_name=True)

    resource: str
    from_: datetime = Field(alias="from")
    until: datetime


class ResourceList(BaseModel):
    """The resources asked for, and their first free times, at most 50 in order."""

    resources: list[ResourceView]
    slots: list[SlotView]


class BookingView(BaseModel):
    """A booking. What it is for is null, and notes are empty, where that is out of the caller's reach."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    revision: int
    resource: str
    resource_name: str
    unit: str
    from_: datetime = Field(alias="from")
    until: datetime
    state: BookingLifeCycle
    task_id: UUID | None
    case_id: UUID | None
    note: str
    reason: str
    made_by: str | None
    made_at: datetime
    changed_by: str | None
    changed_at: datetime
    confirmed_by: str | None


class BookingPage(BaseModel):
    """One page of bookings; `next` goes into `cursor`."""

    items: list[BookingView]
    next: str | None


def booking_view(booking: Booking) -> dict[str, Any]:
    """The members of a `BookingView`."""
    same = ("id", "revision", "resource", "resource_name", "unit", "task_id", "case_id", "note", "reason", "made_by", "made_at")
    changed = ("changed_by", "changed_at", "confirmed_by")
    return {name: getattr(booking, name) for name in (*same, *changed)} | {
        "from": booking.span.start,
        "until": booking.span.end,
        "state": booking.state.value,
    }


def hidden(booking: Booking) -> dict[str, Any]:
    """The same for who may only know that the resource is taken."""
    nothing = dict.fromkeys(("task_id", "case_id", "made_by", "changed_by", "confirmed_by"))
    return booking_view(booking) | nothing | {"note": "", "reason": ""}
