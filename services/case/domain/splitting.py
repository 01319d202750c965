"""Splitting communications off a case into a new one, and undoing that (CASE-11, EDGE-11)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.refusals import SplitRefused

MOST = 200
"""The most communications of one split."""


class Split(NamedTuple):
    """A split as it is kept. `left_conversations`: those that the old case had joined, and that lead to the new one only."""

    id: UUID
    case_id: UUID
    new_id: UUID
    reason: str
    left_conversations: tuple[UUID, ...]
    split_by: str
    split_at: datetime
    undone_at: datetime | None = None


class Traces(NamedTuple):
    """What has become of a case since it was split off."""

    notes: int = 0
    links: int = 0
    children: int = 0
    merges: int = 0
    """Merges into it that are in force."""
    splits: int = 0
    """Splits off it that are in force."""
    tasks: int = 0
    """Of its tasks, those that were worked on."""
    undone_merges: int = 0
    """How often it was merged itself, and that was undone."""
    heard: int = 0
    """How often its customer heard of it since."""
    is_held: bool = False


def check_split(case: Case, own: Collection[UUID], wanted: Sequence[UUID], *, is_held: bool) -> None:
    """Whether these communications can be split off. `own`: those that feed the case. Raises `SplitRefused`.

    What opened the case stays: its title and number stand for it, and its conversation leads there. So at least one stays.
    """
    what = f"splitting case {case.number}"
    if case.state.is_closed:
        raise SplitRefused(what, "a merged case is not split" if case.merged_into else f"it is {case.state}, and so is locked")
    if is_held:
        raise SplitRefused(what, "it is on legal hold, and would lose communications")
    foreign = [str(id) for id in wanted if id not in own]
    if foreign:
        raise SplitRefused(what, f"communication {', '.join(foreign[:5])} does not belong to it")
    if len(set(wanted)) == len(own):
        raise SplitRefused(what, "at least one communication has to stay with it")
    if case.communication_id in wanted:
        raise SplitRefused(what, "the communication that opened it stays with it: split off the others")


def conversations_left(case: Case, staying: Collection[UUID], moved: Collection[UUID], joined: Collection[UUID]) -> tuple[UUID, ...]:
    """Of the conversations that the case had `joined`, those that lead to the new case only.

    `staying`, `moved`: the conversations of the communications that stay and that move. One with communications in both cases leads to
    both: which of them a later reply is about only a reader can tell, and neither misses it.
    """
    return tuple(sorted(set(moved) & set(joined) - set(staying) - {case.conversation_id, case.id}))


def check_undo(new: Case, old: Case, split: Split, traces: Traces) -> None:
    """Whether the split can be undone: nothing but communications has come to the new case. Raises `SplitRefused`."""
    what = f"undoing the split of case {new.number} off {old.number}"
    if split.undone_at is not None:
        raise SplitRefused(what, "it was undone already")
    if new.merged_into is not None:
        raise SplitRefused(what, f"case {new.number} was merged itself since: undo that first")
    if new.state is not LifeCycle.PENDING:
        raise SplitRefused(what, f"case {new.number} is {new.state}, no longer pending")
    # A merge and its undoing count a revision each; so does that its customer heard of it, as by a call that came to it.
    is_as_opened = new.owner is None and new.revision == 1 + 2 * traces.undone_merges + traces.heard
    if not is_as_opened or traces.tasks:
        raise SplitRefused(what, f"case {new.number} has been worked on: merge it into {old.number} instead")
    if old.merged_into is not None:
        raise SplitRefused(what, f"case {old.number} was merged since: undo that first")
    if traces.is_held:
        raise SplitRefused(what, f"case {new.number} is on legal hold")
    if new.parent_id is not None:
        raise SplitRefused(what, f"case {new.number} belongs to a major case: detach it first")
    found = [
        f"{count} {name}"
        for name, count in traces._asdict().items()
        if name in ("notes", "links", "children", "merges", "splits") and count
    ]
    if found:
        raise SplitRefused(what, f"case {new.number} has {', '.join(found)}: take these away first, or merge it into {old.number} instead")
