"""Kinds that grow: what a later release adds is read, and passed over (decision 0015)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

PATTERN: Final = r"^[a-z][a-z_]{0,39}$"
_UNKNOWN: Final = "UNKNOWN"


class OpenKind(StrEnum):
    """A kind as text. One that this release does not know is read all the same, and is none of the members."""

    @property
    def is_known(self) -> bool:
        """Whether this release knows it; readers pass over what they do not know."""
        return self.name != _UNKNOWN

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not re.fullmatch(PATTERN, value):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = _UNKNOWN, value
        return unknown

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """No enumeration, which could not grow within a version; the known ones are its examples."""
        described = handler(core_schema)
        shape = handler.resolve_ref_schema(described)
        shape["examples"] = shape.pop("enum")
        shape["pattern"] = PATTERN
        shape["description"] = f"{cls.__doc__} A later release may add to them: pass over what you do not know."
        return described


class ItemKind(OpenKind):
    """What a clock is on, or a message about."""

    CASE = "case"
    TASK = "task"
    COMMUNICATION = "communication"
    LEAD = "lead"
