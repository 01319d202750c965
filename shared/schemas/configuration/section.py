"""What every section of the configuration is made from."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.schemas.events.texts import Code

Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
DurationText = Annotated[str, StringConstraints(pattern=r"^\d+ (working )?(second|minute|hour|day|week|month|year)s?$")]
SpanText = Annotated[str, StringConstraints(pattern=r"^0*[1-9]\d* (working )?(second|minute|hour|day|week|month|year)s?$")]
"""A duration that is not nothing."""
KeepText = Annotated[str, StringConstraints(pattern=r"^[1-9]\d* (day|week|month|year)s?$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]


class Section(BaseModel):
    """A part of the configuration; unknown keys are errors."""

    # By alias: a version is published as its YAML was written, and read again by every service.
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Named(Section):
    """Something with a code, unique among its kind, and a name for people."""

    code: Code
    name: Text
    description: str = ""
