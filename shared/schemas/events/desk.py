"""What desk publishes: staff, business units, configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code


class StaffChanged(Payload):
    """A member of staff as they are now; key `user:<id>`."""

    event_type: ClassVar[str] = "casestream.staff.changed.v1"
    topic: ClassVar[str] = topics.DIRECTORY

    user: str
    name: str
    email: str
    unit: Code
    roles: tuple[Code, ...] = ()
    active: bool = True


class UnitChanged(Payload):
    """A business unit as it is now; key `unit:<code>`."""

    event_type: ClassVar[str] = "casestream.unit.changed.v1"
    topic: ClassVar[str] = topics.DIRECTORY

    unit: Code
    name: str
    email: str = ""
    leader: str | None = None
    manager: str | None = None
    members: tuple[str, ...] = ()


class ConfigurationPublished(Payload):
    """A version of the configuration, whole; key: the version. `document` is a `Configuration` as JSON."""

    event_type: ClassVar[str] = "casestream.configuration.published.v1"
    topic: ClassVar[str] = topics.CONFIGURATION

    version: Annotated[int, Field(ge=1)]
    digest: str
    applied_by: str
    applied_at: datetime
    document: dict[str, object]
