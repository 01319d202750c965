"""What deadlines of cases would have come to under other rules, as the page shows it (EDGE-8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.desk.domain.deadlines import CLOCK_WORDS, PATHS

OUTCOME_WORDS = {"met": "Met", "missed": "Missed", "cancelled": "Cancelled", "running": "Running", "overdue": "Overdue", "": "No deadline"}
LATE = frozenset({"missed", "overdue"})


@dataclass(frozen=True, slots=True)
class Compared:
    """Clocks of a kind under the rules in force, and under others."""

    kind: str
    clocks: int
    missed_before: int
    missed_after: int
    newly_missed: int
    newly_met: int

    @property
    def kind_words(self) -> str:
        """What they measure, for people."""
        return CLOCK_WORDS.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class Differing:
    """A clock that would stand otherwise; `before` or `after` empty: there is none by those rules."""

    kind: str
    item_kind: str
    item: UUID
    number: str
    title: str
    before: str
    after: str
    due_before: datetime | None
    due_after: datetime | None

    @property
    def kind_words(self) -> str:
        """What it measures, for people."""
        return CLOCK_WORDS.get(self.kind, self.kind)

    @property
    def path(self) -> str:
        """The page of what it is on."""
        return f"/{PATHS.get(self.item_kind, 'cases')}/{self.item}"

    @property
    def is_worse(self) -> bool:
        """Whether it would be late, and is not."""
        return self.after in LATE and self.before not in LATE

    @property
    def is_better(self) -> bool:
        """Whether it is late, and would not be."""
        return self.before in LATE and self.after not in LATE


@dataclass(frozen=True, slots=True)
class Simulated:
    """All that the page shows. `cases`: how many were looked at; `uncounted`: of how many the time cannot be counted by those calendars;
    `is_complete`: not only the first of them were.
    """

    cases: int
    uncounted: int
    is_complete: bool
    kinds: tuple[Compared, ...]
    differing: tuple[Differing, ...]

    @property
    def clocks(self) -> int:
        """How many clocks were looked at."""
        return sum(each.clocks for each in self.kinds)

    @property
    def newly_missed(self) -> int:
        """How many would be missed that are not."""
        return sum(each.newly_missed for each in self.kinds)

    @property
    def newly_met(self) -> int:
        """How many would be met that are not."""
        return sum(each.newly_met for each in self.kinds)
