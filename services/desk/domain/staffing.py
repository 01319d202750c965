"""Who is away, and who has how much to do, as pages show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

ABSENCE_WORDS = {"coming": "Coming", "present": "Away now", "past": "Over", "cancelled": "Cancelled"}
HAND_OVER_WORDS = {
    "all": "All tasks",
    "due_before_return": "Tasks that are due before the return",
    "none": "No tasks; they stay with me",
}
"""What goes to the stand-in as an absence begins, by the API's word."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking of somebody who is away then."""

    resource: str
    resource_name: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Absence:
    """A time in which somebody is away; `ends_at` None: their return is not known."""

    id: UUID
    user: str
    starts_at: datetime
    ends_at: datetime | None
    stand_in: str
    """Empty: nobody."""
    hand_over: str
    give_back: bool
    note: str
    state: str
    bookings: tuple[Booked, ...]

    @property
    def state_word(self) -> str:
        """For people."""
        return ABSENCE_WORDS.get(self.state, self.state)

    @property
    def is_open(self) -> bool:
        """Whether it lasts or is to come."""
        return self.state in ("coming", "present")


@dataclass(frozen=True, slots=True)
class Load:
    """What one member of staff has to do; `capacity` None: as much as comes."""

    user: str
    name: str
    unit: str
    open: int
    overdue: int
    capacity: int | None
    skills: tuple[str, ...]
    is_away: bool
    away_until: datetime | None
    stand_in: str

    @property
    def is_full(self) -> bool:
        """Whether they are given no more."""
        return self.capacity is not None and self.open >= self.capacity


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open tasks that nobody has, by the role or unit that they are for."""

    kind: str
    code: str
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Who has how much, and what waits for somebody."""

    loads: tuple[Load, ...]
    waiting: tuple[Waiting, ...]

    @property
    def most(self) -> int:
        """What a full bar stands for: the highest capacity or number of tasks."""
        return max((max(load.open, load.capacity or 0) for load in self.loads), default=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task that was to be given to somebody else."""

    task: UUID
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Given:
    """How many tasks were given to somebody, how many were theirs already, and whether some went to who stands in for them."""

    given: int = 0
    same: int = 0
    lent: bool = False

    @property
    def words(self) -> str:
        """For people; empty: nothing was given."""
        words = [f"{_tasks(self.given)} given to them."] if self.given else []
        words += [f"{_tasks(self.same)} theirs already."] if self.same else []
        return " ".join([*words, *(["They are away: who stands in has them until they are back."] if self.lent else [])])


def given_of(outcomes: Sequence[Outcome]) -> Given:
    """What became of those that were not refused."""
    given = [one for one in outcomes if one.outcome == "reassigned"]
    return Given(len(given), sum(one.outcome == "unchanged" for one in outcomes), any(one.why for one in given))


def _tasks(count: int) -> str:
    return "1 task is" if count == 1 else f"{count} tasks are"
