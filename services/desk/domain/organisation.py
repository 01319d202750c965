"""What pages call people, roles and units, and the time zone that they tell times in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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
    hours: Mapping[str, str] = field(default_factory=dict)
    """When a business calendar is open, in words, by its code."""

    def has(self, kind: str) -> bool:
        """Whether there is anything of the kind."""
        return any(each == kind for each, _ in self.names)

    def name(self, kind: str, code: str) -> str:
        """What people call it."""
        return self.names.get((kind, code), code)

    def all(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Codes and names of all of the kind, in the configuration's order."""
        return tuple([(code, name) for (each, code), name in self.names.items() if each == kind])


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
    zone = str(document["organisation"]["time_zone"])
    names |= {("calendar", item["code"]): item["name"] for item in document.get("calendars") or ()}
    hours = {item["code"]: hours_of(item, zone) for item in document.get("calendars") or ()}
    return Organisation(ZoneInfo(zone), names, priorities, scripts, lines, hours)


def hours_of(calendar: Mapping[str, Any], zone: str) -> str:
    """When a calendar of the configuration is open, for people whose time is that of `zone`: `Mon to Fri 09:00 to 17:00, not on public
    holidays`.
    """
    if calendar.get("round_the_clock"):
        return "round the clock"
    windows = [f"{_days(window['days'])} {str(window['opens'])[:5]} to {str(window['closes'])[:5]}" for window in calendar["windows"]]
    more = [" and ".join([", ".join(windows[:-1]), windows[-1]]) if len(windows) > 1 else "".join(windows)]
    if calendar["time_zone"] != zone:
        more.append(f"in the time of {calendar['time_zone']}")
    if calendar.get("holidays"):
        more.append("not on public holidays")
    return ", ".join(more)


def _days(days: Sequence[str]) -> str:
    """`Mon to Fri`, `Sat`, `Mon, Wed`."""
    places = sorted([WEEK.index(day) for day in days])
    names = [WEEK[place].capitalize() for place in places]
    if len(places) > 2 and places == list(range(places[0], places[-1] + 1)):
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)
