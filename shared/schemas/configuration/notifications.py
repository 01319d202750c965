"""How staff are told of things, unless they choose otherwise (NOTE-1)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

from pydantic import Field

from shared.schemas.configuration.document import Document, Path
from shared.schemas.configuration.references import find
from shared.schemas.configuration.section import ClockTime, Section
from shared.schemas.events.texts import Code

How = Literal["email", "digest", "desk", "none"]
"""By email at once, gathered in a digest, on the desk only, or not at all. The desk lists all but the last."""
Group = Literal["assignment", "due_soon", "overdue", "due_changed", "completed", "customer", "escalation", "approval", "other"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TASK_PRIORITIES = ("low", "normal", "high")


class Defaults(Section):
    """How staff are told of each kind of thing."""

    assignment: How = "email"
    due_soon: How = "email"
    overdue: How = "email"
    due_changed: How = "email"
    completed: How = "email"
    customer: How = "email"
    escalation: How = "email"
    approval: How = "email"
    other: How = "email"


class QuietHours(Section):
    """Every day of `days` from `from` until `until`, which is on the next day where it is not later. Local time."""

    begins: ClockTime = Field(alias="from")
    until: ClockTime
    days: tuple[Weekday, ...] = WEEK


class DigestTimes(Section):
    """When digests are sent: at each full hour, or at a time on each day or on the days on which a calendar opens."""

    every: Literal["hour", "day", "working day"] = "day"
    at: ClockTime = "08:00"


class Notifications(Section):
    """What holds for staff who choose nothing, and what they cannot choose."""

    defaults: Defaults = Defaults()
    required: tuple[Group, ...] = ()
    """What nobody can switch off."""
    urgent_priorities: tuple[Code, ...] = ()
    """What has one of these is sent in quiet hours, too."""
    quiet_hours: QuietHours | None = None
    digest: DigestTimes = DigestTimes()
    digest_calendar: Code | None = None
    """Whose opening days are working days; none: the organisation's calendar."""


def check_notifications(document: Document) -> None:
    """The desk tells staff, what is required is not off, quiet hours end, digests have a time of day, and urgent priorities exist."""
    for item in find(document.data, "communications[]"):
        if isinstance(item.value, dict) and item.value.get("channel") == "desk":
            to = item.value.get("to")
            for index, recipient in enumerate(to if isinstance(to, list) else ()):
                if recipient in ("customer", "unit"):
                    document.problem((*item.path, "to", index), f"the desk tells people on staff, not a {recipient}; take another channel")
    section = document.data.get("notifications")
    if not isinstance(section, dict):
        return
    defaults, required = section.get("defaults"), section.get("required")
    for index, group in enumerate(required if isinstance(required, list) else ()):
        if isinstance(defaults, dict) and isinstance(group, str) and defaults.get(group) == "none":
            document.problem(
                ("notifications", "required", index), f"{group} is `none` in `defaults`, so nobody would be told; choose a way there"
            )
    _check_quiet(document, ("notifications", "quiet_hours"), section.get("quiet_hours"))
    digest = section.get("digest")
    if isinstance(digest, dict) and digest.get("at") == "24:00":
        document.problem(("notifications", "digest", "at"), "a day's last moment is the next day's first; write 00:00")
    known = [item.value for item in find(document.data, "prioritisation.priorities[].code") if isinstance(item.value, str)]
    for item in find(document.data, "notifications.urgent_priorities[]"):
        if isinstance(item.value, str) and item.value not in (*known, *TASK_PRIORITIES):
            near = get_close_matches(item.value, (*known, *TASK_PRIORITIES), n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(dict.fromkeys((*known, *TASK_PRIORITIES)))}"
            document.problem(item.path, f"there is no priority {item.value!r}; {hint}")


def _check_quiet(document: Document, path: Path, quiet: Any) -> None:
    if not isinstance(quiet, dict):
        return
    begins, until = quiet.get("from"), quiet.get("until")
    if begins == "24:00":
        document.problem((*path, "from"), "a day's last moment is the next day's first; write 00:00")
    elif begins is not None and begins == until:
        document.problem((*path, "until"), "quiet hours end at another time than they begin; remove them if there are none")
    elif (begins, until) == ("00:00", "24:00") and set(quiet.get("days") or WEEK) == set(WEEK):
        document.problem(path, "such quiet hours never end; leave a day out, or make `desk` the default")
