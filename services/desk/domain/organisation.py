"""What pages call people, roles and units, and the time zone that they tell times in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Scripts:
    """What is asked at the point of contact (COM-2): prompts, in order."""

    pre: tuple[str, ...] = ()
    security: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Organisation:
    """Names by code; what has none is shown by its code."""

    zone: tzinfo = UTC
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By kind (user, role, unit, method, subject, status, priority, category, area, account kind, a stage of answers, ...) and code."""
    priorities: tuple[str, ...] = ()
    """Codes, from the lowest to the highest."""
    scripts: Mapping[str, Scripts] = field(default_factory=dict)
    """By communication method."""
    line_units: Mapping[str, str] = field(default_factory=dict)
    """The unit of each telephone line that has one, by number."""

    def has(self, kind: str) -> bool:
        """Whether there is anything of the kind."""
        return any(each == kind for each, _ in self.names)

    def name(self, kind: str, code: str) -> str:
        """What people call it."""
        return self.names.get((kind, code), code)


def organisation_of(document: Mapping[str, Any]) -> Organisation:
    """From a configuration as data; an empty one has no names and UTC."""
    if not document:
        return Organisation()
    names = {("user", user["user"]): user["name"] for user in document["users"]}
    for kind, section in (("role", "roles"), ("unit", "units"), ("method", "methods"), ("subject", "subjects"), ("status", "statuses")):
        names |= {(kind, item["code"]): item["name"] for item in document[section]}
    more: tuple[tuple[str, str], ...] = (
        ("category", "categories"),
        ("response", "response_categories"),
        ("temporary_resolution", "temporary_resolution_categories"),
        ("final_resolution", "final_resolution_categories"),
        ("cancellation reason", "cancellation_reasons"),
    )
    more += (("service", "services"), ("resource", "resources"), ("skill", "skills"))
    for kind, section in more:
        names |= {(kind, item["code"]): item["name"] for item in document.get(section) or ()}
    # What an earlier release published has none of these.
    names |= {("area", area["code"]): area["name"] for area in document.get("areas", ())}
    accounts = document.get("accounts", {})
    for kind, section in (("account kind", "kinds"), ("account classification", "classifications"), ("credit rating", "credit_ratings")):
        names |= {(kind, item["code"]): item["name"] for item in accounts.get(section, ())}
    levels = document["prioritisation"]
    for kind, section in (("priority", "priorities"), ("urgency", "urgencies"), ("impact", "impacts")):
        names |= {(kind, item["code"]): item["name"] for item in levels[section]}
    priorities = tuple(item["code"] for item in levels["priorities"])
    scripts = {method["code"]: Scripts(tuple(method["pre_script"]), tuple(method["security_script"])) for method in document["methods"]}
    lines = {line["number"]: line["unit"] for line in document["phone_lines"] if line["unit"]}
    return Organisation(ZoneInfo(document["organisation"]["time_zone"]), names, priorities, scripts, lines)
