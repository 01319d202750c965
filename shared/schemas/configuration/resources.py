"""Services that tasks include, and resources that can be booked: people, vehicles, rooms (TASK-10)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.schemas.configuration.section import Named, Section
from shared.schemas.events.texts import Code

TimeText = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3} (minute|hour)s?$")]


def minutes_of(text: str) -> int:
    """The minutes of a `TimeText`."""
    count, unit = text.split()
    return int(count) * (60 if unit.startswith("hour") else 1)


class Service(Named):
    """A one-time service that a task may include, such as an inspection; time is recorded by it."""

    unit: Code | None = None
    """The unit that renders it; none: any."""


class TaskService(Section):
    """A service of a task definition. A mandatory one is on every task of the definition, with at least its minimum of time."""

    service: Code
    mandatory: bool = False
    minimum: TimeText | None = None


class Resource(Named):
    """Somebody or something that can be booked."""

    kind: Literal["person", "vehicle", "room"]
    unit: Code
    """Whose it is: its members confirm requests."""
    calendar: Code | None = None
    """Its working hours; none: the organisation's."""
    services: tuple[Code, ...] = ()
    """What it can do."""
    user: str | None = None
    """Of a person who is a member of staff."""
    capacity: Annotated[int, Field(ge=1, le=500)] = 1
    """How many bookings may overlap, such as the seats of a room."""
    needs_confirmation: bool = False
    """A booking is a request until a member of its unit confirms it."""
    active: bool = True
