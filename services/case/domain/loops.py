"""Mail loops are broken by caps (EDGE-2): on what one sender opens, and on what joins one case, within a window of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

ROBOTS = ""
"""In the place of a sender: all robots together."""


class Cap(StrEnum):
    """Which cap a mail met."""

    SENDER = "sender"
    CASE = "case"


class Caps(NamedTuple):
    """The most mails within `window`: that open cases, of one sender or of one trusted robot, and that join one case."""

    window: timedelta
    openings: int
    trusted_openings: int
    joins: int


class Span(NamedTuple):
    """The time whose mails may count, both ends left out."""

    since: datetime
    until: datetime


Joining = tuple[UUID, str]
"""A case and the address that wrote to it, or `ROBOTS`."""


@dataclass(slots=True)
class LoopBreaker:
    """Counts mails by when they were received, and tells which of them is too many.

    Replicas that meet a sender at once do not see each other's mails: a cap may be passed by what a batch holds.
    """

    caps: Caps
    opened: dict[str, list[datetime]] = field(default_factory=dict)
    """When mails were received that opened cases, by their sender's address in small letters."""
    joined: dict[Joining, list[datetime]] = field(default_factory=dict)
    broken: Counter[tuple[Cap, str | UUID]] = field(default_factory=Counter)
    """How many mails were held, by the cap, and by the sender or the first case."""

    def span(self, at: datetime) -> Span:
        """What counts for a mail received then: a window on both sides, for mails do not come in the order of time."""
        return Span(at - self.caps.window, at + self.caps.window)

    def may_open(self, sender: str, at: datetime, *, is_trusted: bool) -> bool:
        """Whether a mail of this sender may open cases; it counts if so. A mail without a sender may: no answer goes back to it."""
        cap = self.caps.trusted_openings if is_trusted else self.caps.openings
        if not sender:
            return True
        earlier = self.opened.setdefault(sender, [])
        if self._is_full(earlier, at, cap):
            self.broken[Cap.SENDER, sender] += 1
            return False
        earlier.append(at)
        return True

    def may_join(self, cases: Sequence[UUID], sender: str, at: datetime, *, is_robot: bool) -> bool:
        """Whether a mail of this sender may join these cases; it counts if so."""
        who = {sender, ROBOTS} if is_robot else {sender} if sender else set()
        tallies = [self.joined.setdefault((case, one), []) for case in cases for one in who]
        if any(self._is_full(earlier, at, self.caps.joins) for earlier in tallies):
            self.broken[Cap.CASE, cases[0]] += 1
            return False
        for earlier in tallies:
            earlier.append(at)
        return True

    def _is_full(self, earlier: list[datetime], at: datetime, cap: int) -> bool:
        if len(earlier) < cap:
            return False
        since, until = self.span(at)
        return sum(since < moment < until for moment in earlier) >= cap
