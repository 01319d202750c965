"""Merging a duplicate into another case, and undoing that (CASE-11, EDGE-11).

Merging stands outside the rule that only a pending case is cancelled: nothing is given up, another case goes on in its stead.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Case, Change
from services.case.domain.life_cycle import LifeCycle, Status
from services.case.domain.refusals import MergeRefused

MERGED = "merged"
"""The reason of a case that was merged."""
SPLIT_UNDONE = "split undone"
"""The reason of a case whose split was undone: it was merged back into the one it came from."""


class Standing(NamedTuple):
    """What a merge changes of the case that is merged, as it was before. Field names are those of `Case`."""

    state: LifeCycle
    status: str
    status_before: str | None
    waiting_for_customer: bool
    needs_review: bool
    reason: str
    completed_at: datetime | None

    @classmethod
    def of(cls, case: Case) -> Standing:
        """That of the case now."""
        return cls(*(getattr(case, name) for name in cls._fields))


class Merge(NamedTuple):
    """A merge as it is kept. `linked`: the communications that the survivor got by it. `open_tasks`: those of the case then."""

    id: UUID
    case_id: UUID
    into_id: UUID
    reason: str
    before: Standing
    linked: tuple[UUID, ...]
    open_tasks: tuple[UUID, ...]
    merged_by: str
    merged_at: datetime
    undone_at: datetime | None = None


def merge(
    duplicate: Case, survivor: Case, cancelled: Status, *, has_children: bool, by: str, now: datetime
) -> tuple[Case, tuple[Change, ...]]:
    """The duplicate as it is merged, in the status `cancelled`. Raises `MergeRefused`.

    A duplicate without a contact may go into any case: who called from a withheld number wrote again under their name. The other way
    round the survivor would not know whose matter it is, so there the survivor is the one to merge.
    """
    what = f"merging case {duplicate.number} into {survivor.number}"
    if duplicate.id == survivor.id:
        raise MergeRefused(what, "that is the same case")
    for case, which in ((duplicate, "the case to merge"), (survivor, "the case that is to go on")):
        if case.merged_into is not None:
            raise MergeRefused(what, f"{which} was merged itself")
        if case.state.is_closed:
            raise MergeRefused(what, f"{which} is {case.state}, and so is locked")
    if duplicate.contact_id is not None and survivor.contact_id is None:
        raise MergeRefused(what, "the case that is to go on has no contact, and this one has: merge the other way round")
    if duplicate.contact_id not in (None, survivor.contact_id):
        raise MergeRefused(what, "their contacts are two: if that is one person, merge the contacts first")
    if has_children:
        raise MergeRefused(what, "it is a major case with children: detach them first")
    return merged(duplicate, survivor, cancelled, MERGED, by, now)


def merged(case: Case, survivor: Case, cancelled: Status, reason: str, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case cancelled in favour of the survivor."""
    after = case._replace(
        revision=case.revision + 1,
        state=LifeCycle.CANCELLED,
        status=cancelled.code,
        status_before=case.status,
        waiting_for_customer=cancelled.waiting_for_customer,
        needs_review=False,
        reason=reason,
        completed_at=now,
        merged_into=survivor.id,
        changed_at=now,
        changed_by=by,
    )
    changes = _standing_changes(case, after)
    return after, (*changes, Change("merged_into", None, survivor.number))


def undo(
    case: Case, kept: Merge, survivor: Case, *, is_split_since: bool, is_held: bool, by: str, now: datetime
) -> tuple[Case, tuple[Change, ...]]:
    """The case as it was before the merge. Raises `MergeRefused`.

    `is_split_since`: whether a communication that the survivor got by the merge was split off it and not brought back. `is_held`: whether
    the survivor is on legal hold. What was noted, held or erased on the case meanwhile stays; what arrived meanwhile is the survivor's.
    """
    what = f"undoing the merge of case {case.number} into {survivor.number}"
    if kept.undone_at is not None or case.merged_into != kept.into_id:
        raise MergeRefused(what, "it was undone already")
    if survivor.merged_into is not None:
        raise MergeRefused(what, f"case {survivor.number} was merged itself since: undo that first")
    if is_split_since:
        raise MergeRefused(what, f"communications that it brought were split off case {survivor.number} since: undo that split first")
    if is_held:
        raise MergeRefused(what, f"case {survivor.number} is on legal hold, and would lose communications")
    after = case._replace(revision=case.revision + 1, merged_into=None, changed_at=now, changed_by=by, **kept.before._asdict())
    return after, (*_standing_changes(case, after), Change("merged_into", survivor.number, None))


def _standing_changes(before: Case, after: Case) -> tuple[Change, ...]:
    found = [Change("status", before.status, after.status), Change("state", before.state.value, after.state.value)]
    if before.reason != after.reason:
        found.append(Change("reason", before.reason or None, after.reason or None))
    if before.needs_review != after.needs_review:
        found.append(Change("needs_review", str(before.needs_review).lower(), str(after.needs_review).lower()))
    return tuple(change for change in found if change.old != change.new)
