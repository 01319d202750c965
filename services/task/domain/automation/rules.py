"""Automation rules as the handlers use them, and whether one fires: conditions, and what breaks loops. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from services.task.domain.ownership import Owner
from shared.calendars import Duration
from shared.ids import derive

DEEPEST: Final = 5
"""So many firings may follow from one another."""

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a rule does. Which members it has depends on `do`."""

    do: str
    definition: str | None = None
    after: Duration | None = None
    item: str | None = None
    """`case` or `task`: what is assigned."""
    owner: Owner | None = None
    unit: str | None = None
    """Whose work it is, once assigned; None: as before."""
    urgency: str | None = None
    impact: str | None = None
    user: str | None = None
    what: str | None = None
    to: tuple[str, ...] = ()
    template: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is active."""

    code: str
    name: str
    on: str
    holds: Callable[[Facts], bool]
    actions: tuple[Action, ...]
    times: int
    within: timedelta

    @property
    def actor(self) -> str:
        """Who makes its changes, as histories and events have it."""
        return f"rule:{self.code}"


@dataclass(frozen=True, slots=True)
class Rules:
    """The active rules of one version of the configuration."""

    version: int = 0
    by_event: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    @property
    def longest(self) -> timedelta:
        """The longest time over which one of them counts its firings."""
        return max((rule.within for rules in self.by_event.values() for rule in rules), default=timedelta())

    def concern(self, about: str) -> bool:
        """Whether any rule is for events about this: `clock`."""
        return any(on.startswith(f"{about}.") for on in self.by_event)


class Occurrence(NamedTuple):
    """Something that happened, as rules see it."""

    id: UUID
    """Of the event."""
    on: str
    item: UUID
    """What firings are counted for: the case or lead; of a task or communication without one itself."""
    at: datetime
    by: str
    """Who made the change."""
    depth: int
    """How many firings led to it; 0: none."""
    facts: Facts


class Verdict(StrEnum):
    """Whether a rule fires on an occurrence."""

    FIRES = "fires"
    DOES_NOT_HOLD = "does-not-hold"
    OWN_CHANGE = "own-change"
    """It made this change itself."""
    TOO_DEEP = "too-deep"
    TOO_OFTEN = "too-often"

    @property
    def is_cut(self) -> bool:
        """Whether the rule would have fired, had it not been kept from it; its own changes concern nobody."""
        return self in (Verdict.TOO_DEEP, Verdict.TOO_OFTEN)


def judge(rule: Rule, occurrence: Occurrence, fired: int = 0) -> Verdict:
    """Whether the rule, which is for such events, fires; it has fired `fired` times for the item within its time before."""
    if not rule.holds(occurrence.facts):
        return Verdict.DOES_NOT_HOLD
    if occurrence.by == rule.actor:
        return Verdict.OWN_CHANGE
    if occurrence.depth >= DEEPEST:
        return Verdict.TOO_DEEP
    return Verdict.TOO_OFTEN if fired >= rule.times else Verdict.FIRES


def firing_id(rule: str, event: UUID) -> UUID:
    """The firing of this rule by this event: always the same, so that it fires once."""
    return derive("firing", rule, event)


def cut_id(rule: Rule, item: UUID, verdict: Verdict, at: datetime) -> UUID:
    """What is told of a rule that is cut: the same within its time, so that it is told once."""
    return derive("cut", rule.code, item, verdict, int(at.timestamp() // rule.within.total_seconds()))
