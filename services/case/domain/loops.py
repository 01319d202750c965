"""Mail loops are broken by caps (EDGE-2): on what one sender opens, and on what joins one case, within a window of time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

SELDOM = 5
"""Whoever sent no more than that within the window is far from every cap of `SMALL_CAP` or more."""
SMALL_CAP = 20
MOST_SENDERS = 100_000
"""So many are remembered; of more, those who were longest silent are forgotten."""
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


class Frequent:
    """Tells who writes often enough for a cap to matter, by what this process took in: only about those is the database asked.

    What was taken in before it started, or by other replicas, is not counted here, so that each of them lets `SELDOM` mails more pass.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def is_frequent(self, sender: str, at: datetime, caps: Caps) -> bool:
        """Count a mail of `sender` that was received then, and tell whether they are many."""
        begun, count = self._seen.get(sender, (at, 0))
        if at - begun >= caps.window:
            begun, count = at, 0
        self._seen[sender] = begun, count + 1
        self._seen.move_to_end(sender)
        if len(self._seen) > MOST_SENDERS:
            self._seen.popitem(last=False)
        return count >= SELDOM or caps.openings < SMALL_CAP


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
