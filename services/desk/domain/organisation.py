"""What pages call people, roles and units, and the time zone that they tell times in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Organisation:
    """Names by code; what has none is shown by its code."""

    zone: tzinfo = UTC
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By kind (user, role, unit) and code."""

    def name(self, kind: str, code: str) -> str:
        """What people call it."""
        return self.names.get((kind, code), code)


def organisation_of(document: Mapping[str, Any]) -> Organisation:
    """From a configuration as data; an empty one has no names and UTC."""
    if not document:
        return Organisation()
    names = {("user", user["user"]): user["name"] for user in document["users"]}
    for kind, section in (("role", "roles"), ("unit", "units")):
        names |= {(kind, item["code"]): item["name"] for item in document[section]}
    return Organisation(ZoneInfo(document["organisation"]["time_zone"]), names)
