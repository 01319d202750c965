"""Merging contacts who turned out to be one person, and undoing that (EDGE-11): what goes where.

A merge moves the handles of one contact, the source, to another, the survivor, and what the source had: it is re-pointed record by record.
Undoing a merge gives back what it moved, and what came since by a handle that the survivor has only from the source.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.case import Case, Change
from services.case.domain.contacts import Contact, ContactState
from services.case.domain.refusals import MergeRefused

HandleKey = tuple[str, str]
CUSTOMER = ("contact_id", "account_id", "customer_name", "customer_email")
"""What a case says of its customer."""
TAKEN_OVER = ("name", "email", "area", "account_id", "state")
"""What the survivor takes over from the source where it has nothing itself."""


class Merge(NamedTuple):
    """A merge of contacts. Field names are those of the table `contact_merges`."""

    id: UUID
    source: UUID
    target: UUID
    merged_by: str
    merged_at: datetime
    undone_by: str | None = None
    undone_at: datetime | None = None


class MovedHandle(NamedTuple):
    """A handle that a merge brought. Field names are those of the table `contact_merge_handles`."""

    merge_id: UUID
    kind: str
    value: str
    was_own: bool
    """The survivor had it itself, not from another merge."""

    @property
    def key(self) -> HandleKey:
        """Kind and value."""
        return self.kind, self.value


class Restored(NamedTuple):
    """The handles that undoing a merge gives back to the source, and those of them that the survivor loses."""

    given_back: frozenset[HandleKey]
    lost: frozenset[HandleKey]


def check_merge(source: Contact, target: Contact) -> None:
    """Raises `MergeRefused` where these two cannot be merged."""
    what = f"merging contact {source.id} into {target.id}"
    if source.id == target.id:
        raise MergeRefused(what, "it is the same contact")
    if source.merged_into is not None:
        raise MergeRefused(what, f"the first was merged into {source.merged_into} already")
    if target.merged_into is not None:
        raise MergeRefused(what, f"the second was itself merged into {target.merged_into}; merge into that one")


def check_undo(merge: Merge, source: Contact, target: Contact) -> None:
    """Raises `MergeRefused` where this merge cannot be undone now."""
    what = f"undoing the merge of contact {source.id} into {target.id}"
    if merge.undone_at is not None:
        raise MergeRefused(what, f"{merge.undone_by} has undone it already")
    if target.merged_into is not None:
        raise MergeRefused(what, f"the second was merged into {target.merged_into} since; undo that first")


def moved(
    merge_id: UUID, source: Collection[HandleKey], target: Collection[HandleKey], brought: Mapping[HandleKey, bool]
) -> list[MovedHandle]:
    """The source's handles as the merge moves them, sorted.

    `brought`: of those that other merges, not undone, brought to the target: whether the target had it itself.
    """
    return [MovedHandle(merge_id, *key, was_own=key in target and brought.get(key, True)) for key in sorted(source)]


def restored(handles: Collection[MovedHandle], brought: Collection[HandleKey]) -> Restored:
    """What becomes of a merge's handles when it is undone. `brought`: those that other merges, not undone, brought to the target."""
    lost = frozenset(handle.key for handle in handles if not handle.was_own and handle.key not in brought)
    return Restored(frozenset(handle.key for handle in handles), lost)


def survivor(source: Contact, target: Contact) -> tuple[Contact, dict[str, Any]]:
    """The target with what it takes over from the source, and those fields' values before; its revision counts on."""
    taken = {field: getattr(source, field) for field in ("name", "email", "area", "account_id") if not getattr(target, field)}
    taken = {field: value for field, value in taken.items() if value}
    if source.state == ContactState.FINANCIAL and target.state != source.state:
        taken["state"] = source.state
    before = {field: getattr(target, field) for field in taken}
    return target._replace(revision=target.revision + 1, **taken), before


def given_back(target: Contact, old: Mapping[str, Any], new: Mapping[str, Any]) -> Contact:
    """The survivor without what it took over, where nobody has changed that since; its revision counts on."""
    kept = _unchanged(target, old, new)
    if kept.get("account_id", target.account_id) is not None:
        kept.pop("state", None)
    return target._replace(revision=target.revision + 1, **kept)


def of_survivor(case: Case, target: Contact, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """A case of the source as the survivor's. The address that it was written from stays: its replies go there."""
    changed = case._replace(
        contact_id=target.id,
        account_id=target.account_id,
        customer_name=target.name or case.customer_name,
        customer_email=case.customer_email or target.email,
    )
    return _repointed(case, changed, by, now)


def of_source_again(case: Case, old: Mapping[str, Any], new: Mapping[str, Any], by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """A case with its customer as it was before the merge, where nobody has changed that since."""
    return _repointed(case, case._replace(**_unchanged(case, old, new)), by, now)


def customer_values(case: Case) -> dict[str, Any]:
    """What a case says of its customer, by field."""
    return {field: getattr(case, field) for field in CUSTOMER}


def _unchanged(record: Case | Contact, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in old.items() if getattr(record, field) == new[field]}


def _repointed(case: Case, changed: Case, by: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    pairs = [(field, getattr(case, field), getattr(changed, field)) for field in CUSTOMER]
    changes = tuple(Change(field, _text(old), _text(new)) for field, old, new in pairs if old != new)
    return changed._replace(revision=case.revision + 1, changed_at=now, changed_by=by), changes


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)
