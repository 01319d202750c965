"""How long contents must be left alone, and what an erased text says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ERASED = "[erased]"
"""What stands where a text was erased."""
MARGIN = timedelta(hours=1)
"""Longer than it takes from naming a condemnation to having moved the content aside, whatever the store's answers take."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may go at a moment. `grace`: longer than the longest time between storing a content and recording who refers to it.

    A dead letter that waits may refer to contents that were stored up to a grace before it came.
    """

    grace: timedelta
    now: datetime
    oldest_dead_letter: datetime | None = None

    @property
    def condemn_before(self) -> datetime:
        """A content that nobody refers to and that was last stored before this is put aside."""
        until = self.now if self.oldest_dead_letter is None else min(self.now, self.oldest_dead_letter)
        return until - self.grace

    @property
    def moved_before(self) -> datetime:
        """What was put aside before this is no longer being moved: its place is empty, or was stored into again."""
        return self.now - MARGIN

    @property
    def delete_before(self) -> datetime:
        """One that was put aside before this, and that nobody refers to now, is deleted."""
        return self.condemn_before - MARGIN
