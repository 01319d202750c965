"""How a member of staff is told of something, and when: choices, quiet hours and digests (NOTE-1).

Times of day are minutes since local midnight. What a user has not chosen is as the organisation's rules say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared.calendars import Calendar, Window, next_open

DAY = 24 * 60
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GROUPS = ("assignment", "due_soon", "overdue", "due_changed", "completed", "customer", "escalation", "approval", "other")
"""What one can choose a way for."""
_GROUP_OF = {
    "task.triggered": "assignment",
    "task.assigned": "assignment",
    "case.assigned": "assignment",
    "clock.due-soon": "due_soon",
    "clock.overdue": "overdue",
    "clock.overdue-again": "overdue",
    "clock.start-late": "overdue",
    "clock.withdrawn": "overdue",
    "task.due-changed": "due_changed",
    "case.due-changed": "due_changed",
    "task.completed": "completed",
    "case.customer-wrote": "customer",
    "lead.customer-wrote": "customer",
    "clock.escalated": "escalation",
    "approval.asked": "approval",
    "approval.reminded": "approval",
    "approval.decided": "approval",
}
_LAPSING = ("assignment", "due_soon", "overdue", "due_changed", "escalation")
LAPSING = tuple(on for on, group in _GROUP_OF.items() if group in _LAPSING)
"""Occasions that are none any more once their item has ended, or somebody else has it."""
GIVEN = tuple(on for on, group in _GROUP_OF.items() if group == "assignment")
"""Occasions that tell whose an item is."""
FURTHEST_DAYS = 366
"""So far ahead a working day is looked for; a calendar that has none until then has its digests on every day."""


class How(StrEnum):
    """How somebody is told."""

    EMAIL = "email"
    DIGEST = "digest"
    DESK = "desk"
    NONE = "none"


class Quiet(NamedTuple):
    """Quiet hours: on each of `days` from `begins` until `until`, which is on the next day where it is not later."""

    begins: int
    until: int
    days: tuple[str, ...] = WEEK

    @property
    def is_endless(self) -> bool:
        """Whether they never end."""
        return (self.begins, self.until) == (0, DAY) and set(self.days) == set(WEEK)


class DigestTimes(NamedTuple):
    """When digests are sent."""

    every: Literal["hour", "day", "working day"] = "day"
    at: int = 8 * 60


class Rules(NamedTuple):
    """What the organisation says: for who chooses nothing, and what nobody can choose."""

    defaults: Mapping[str, How]
    required: frozenset[str]
    urgent: frozenset[str]
    """Priorities that know no quiet hours."""
    quiet: Quiet | None
    digest: DigestTimes
    zone: str
    calendar: Calendar
    """Its opening days are the working days."""


class Preferences(NamedTuple):
    """What a user has chosen. `quiet` without days: never; None: as the organisation has it. `zone` empty: the organisation's."""

    choices: Mapping[str, How] = {}
    quiet: Quiet | None = None
    digest: DigestTimes | None = None
    zone: str = ""


NOTHING_CHOSEN = Preferences()


class Course(NamedTuple):
    """How somebody is told of one thing. `until`: when it is sent, or its digest is; None: at once."""

    how: How
    until: datetime | None = None


def group_of(on: str) -> str:
    """The kind of thing that an occasion is, for choices."""
    return _GROUP_OF.get(on, "other")


def way(group: str, chosen: Preferences, rules: Rules) -> How:
    """How the user is told of things of this kind. What is required cannot be off, whatever was chosen before it was."""
    default = rules.defaults.get(group, How.EMAIL)
    how = chosen.choices.get(group, default)
    return default if how is How.NONE and group in rules.required else how


def course_of(on: str, priority: str, chosen: Preferences, rules: Rules, now: datetime) -> Course:
    """How, and when, the user is told of this."""
    group = group_of(on)
    how = way(group, chosen, rules)
    if how is How.DIGEST:
        return Course(how, next_digest(chosen, rules, now))
    if how is How.EMAIL and group != "escalation" and priority not in rules.urgent:
        return Course(how, quiet_until(chosen, rules, now))
    return Course(how)


def quiet_until(chosen: Preferences, rules: Rules, at: datetime) -> datetime | None:
    """When the quiet hours end within which `at` lies; None: it lies in none."""
    quiet = rules.quiet if chosen.quiet is None else chosen.quiet
    if quiet is None or not quiet.days or quiet.is_endless:
        return None
    opens = next_open(_loud(quiet, chosen.zone or rules.zone), at)
    return opens if opens > at else None


@lru_cache(maxsize=512)
def _loud(quiet: Quiet, zone: str) -> Calendar:
    """The calendar that is open whenever it is not quiet: so the gaps and repetitions of summer time come out right."""
    silent: list[list[tuple[int, int]]] = [[] for _ in WEEK]
    for day in quiet.days:
        index = WEEK.index(day)
        if quiet.begins < quiet.until:
            silent[index].append((quiet.begins, quiet.until))
        else:
            silent[index].append((quiet.begins, DAY))
            silent[(index + 1) % 7].append((0, quiet.until))
    week = []
    for spans in silent:
        windows, at = [], 0
        for begins, until in sorted(spans):
            if at < begins:
                windows.append(Window(at, begins))
            at = max(at, until)
        if at < DAY:
            windows.append(Window(at, DAY))
        week.append(tuple(windows))
    return Calendar(code="not-quiet", zone=zone, week=tuple(week))


def next_digest(chosen: Preferences, rules: Rules, now: datetime) -> datetime:
    """When the next digest after `now` is sent: never within quiet hours."""
    times, zone = chosen.digest or rules.digest, ZoneInfo(chosen.zone or rules.zone)
    slot = _full_hour(now, zone) if times.every == "hour" else _time_of_day(times, zone, rules.calendar, now)
    return quiet_until(chosen, rules, slot) or slot


def _full_hour(now: datetime, zone: ZoneInfo) -> datetime:
    # Zones are off by half an hour here and there, and by seconds in the distant past.
    offset = now.astimezone(zone).utcoffset() or timedelta(0)
    local = now.astimezone(UTC) + offset
    return local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - offset


def _time_of_day(times: DigestTimes, zone: ZoneInfo, calendar: Calendar, now: datetime) -> datetime:
    today, otherwise = now.astimezone(zone).date(), None
    for ahead in range(FURTHEST_DAYS):
        day = today + timedelta(days=ahead)
        # A time that summer time skips is as much later; of one that it repeats the first counts.
        at = datetime(day.year, day.month, day.day, times.at // 60, times.at % 60, tzinfo=zone).astimezone(UTC)
        if at > now:
            otherwise = otherwise or at
            if times.every == "day" or calendar.windows_on(day):
                return at
    return otherwise or now + timedelta(days=1)
