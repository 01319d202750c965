"""Absences: who is away, who stands in for them, and what becomes of their tasks meanwhile (TASK-7, EDGE-13)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task


class HandOver(StrEnum):
    """What of the tasks that somebody holds goes to the stand-in as their absence begins."""

    ALL = "all"
    DUE_BEFORE_RETURN = "due_before_return"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Absence:
    """A time in which a user is away."""

    id: UUID
    user: str
    starts_at: datetime
    ends_at: datetime | None
    """When they are back; None: not known yet."""
    stand_in: str | None
    """None: what would be theirs goes to the group that it is for, or to their unit."""
    hand_over: HandOver
    give_back: bool
    """Whether what was lent, and is still open where it was lent to, comes back with them."""
    note: str
    made_by: str
    begun_at: datetime | None = None
    """When what they hold had been handed over."""
    ended_at: datetime | None = None
    """When what was lent had been given back."""
    cancelled_at: datetime | None = None

    def due_before(self) -> datetime | None:
        """Only what is due before this time is handed over; None: everything, also while the time of return is unknown."""
        return self.ends_at if self.hand_over is HandOver.DUE_BEFORE_RETURN else None


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What becomes, while a user is away, of tasks that somebody gives them by hand: as of those that they held as it began."""

    user: str
    absence_id: UUID
    until: datetime | None
    """None: their return is not known."""
    stand_in: str | None
    """Who is there instead; None: nobody."""
    hand_over: HandOver
    give_back: bool

    def takes(self, due_at: datetime | None) -> bool:
        """Whether the stand-in gets a task due then; otherwise it waits for the user's return."""
        if self.hand_over is HandOver.DUE_BEFORE_RETURN and self.until is not None:
            return due_at is not None and due_at < self.until
        return self.hand_over is not HandOver.NONE


@dataclass(frozen=True, slots=True)
class Holding:
    """Whom a task is for, and who has it."""

    owner: Owner
    assignee: str | None

    @classmethod
    def of(cls, task: Task) -> Holding:
        """How the task stands."""
        return cls(task.owner, task.assignee)


@dataclass(frozen=True, slots=True)
class Loan:
    """A task that is with somebody else while a user is away."""

    task_id: UUID
    absence_id: UUID
    before: Holding
    now: Holding
    """Where it was lent to: it comes back while it is still there."""


def stand_in_for(user: str, absent: Mapping[str, str | None], active: Collection[str]) -> str | None:
    """Who has the tasks of `user` now: themselves, or whoever stands in for them, or for that one.

    `absent`: the stand-in of everybody who is away. None: nobody is there, or the stand-ins lead in a circle.
    """
    seen: set[str] = set()
    found: str | None = user
    while found is not None and found in absent and found not in seen:
        seen.add(found)
        found = absent[found]
    if found is None or found in seen or (found != user and found not in active):
        return None
    return found


def circle(user: str, stand_in: str | None, stand_ins: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """The way from `user` by stand-ins back to `user`; empty: there is none.

    `stand_ins`: (who is away, who stands in) of the absences in the same time.
    """
    steps: dict[str, list[str]] = {}
    for away, instead in stand_ins:
        if instead is not None:
            steps.setdefault(away, []).append(instead)
    ways: list[tuple[str, ...]] = [(user, stand_in)] if stand_in is not None else []
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == user:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, following) for following in steps.get(way[-1], ())]
    return ()


def lent(holding: Holding, stand_in: str | None, unit: str) -> Holding:
    """Where a task that somebody would have goes: to the stand-in; without one to the group that it is for, or to the unit."""
    if stand_in is not None:
        return Holding(holding.owner, stand_in)
    return Holding(Owner(OwnerKind.UNIT, unit) if holding.owner.kind is OwnerKind.USER else holding.owner, None)
