"""The journal of an item: what is known of its course, by revision, whatever the order in which it was learnt.

A turn is a run of revisions without a gap that say the same. So the journal of a set of events is the same however they came, twice or
late: what is derived from it (`services.sla.domain.ledger`) is too.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import Moment

MOST_TURNS: Final = 1_000
"""Most that are kept of an item: past it the two oldest become one. Only a machine turns a case so often."""


class Turn(Struct, frozen=True, gc=False, array_like=True):
    """What an item was like from one revision to another."""

    first: int
    last: int
    at: Moment
    """The time of the first revision's event."""

    def says_as(self, other: Turn) -> bool:
        """Whether both say the same of the item."""
        return replace(other, first=self.first, last=self.last, at=self.at) == self


class CaseTurn(Turn, frozen=True, gc=False, array_like=True):
    """A turn of a case: all that its clocks depend on."""

    config_version: int
    state: str
    waiting: bool
    priority: str
    subject: str
    method: str
    unit: str
    opened_at: Moment
    responded_at: Moment | None = None
    resolved_at: Moment | None = None
    completed_at: Moment | None = None
    updated_at: Moment | None = None


class TaskTurn(Turn, frozen=True, gc=False, array_like=True):
    """A turn of a task or a lead, which say themselves when they are due."""

    state: str
    due_at: Moment | None = None
    done_at: Moment | None = None

    def says_as(self, other: Turn) -> bool:
        """Whether both say the same of the item."""
        if not isinstance(other, TaskTurn) or self.state != other.state:
            return False
        return self.due_at == other.due_at and self.done_at == other.done_at


T = TypeVar("T", bound=Turn)


def enter(turns: tuple[T, ...], turn: T) -> tuple[T, ...] | None:
    """The journal with one revision's `turn`; None: it is known already."""
    if not turns:
        return (turn,)
    newest = turns[-1]
    if turn.first > newest.last:
        if newest.last + 1 == turn.first and newest.says_as(turn):
            return (*turns[:-1], replace(newest, last=turn.last))
        if len(turns) >= MOST_TURNS:
            turns = (replace(turns[1], first=turns[0].first, at=turns[0].at), *turns[2:])
        return (*turns, turn)
    index = bisect_right(turns, turn.first, key=_first)
    if index and turns[index - 1].last >= turn.first:
        return None
    before, after = list(turns[:index]), list(turns[index:])
    if before and before[-1].last + 1 == turn.first and before[-1].says_as(turn):
        turn = replace(before.pop(), last=turn.last)
    if after and turn.last + 1 == after[0].first and turn.says_as(after[0]):
        turn = replace(turn, last=after.pop(0).last)
    return (*before, turn, *after)


def _first(turn: Turn) -> int:
    return turn.first


def known_to(turns: tuple[Turn, ...]) -> int:
    """The revision up to which, from the first, none is missing: what is not newer is a repeat."""
    known = 0
    for turn in turns:
        if turn.first != known + 1:
            break
        known = turn.last
    return known
