"""Merging a duplicate into another case, and undoing that (CASE-11, EDGE-11), each in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from services.case.domain import merging
from services.case.domain.case import Case, Change, HistoryEntry, entries
from services.case.domain.life_cycle import LifeCycle, Status
from services.case.domain.merging import Merge, Standing
from services.case.handlers import hearing
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import cases, conversations
from services.case.storage import merging as storage
from shared.ids import derive
from shared.messaging import VersionCache
from shared.schemas.events import CaseMerged, CaseMergeUndone
from shared.storage import Transaction


class UnknownMerge(UnknownCase):
    """There is no merge or split with this id."""


class Merging:
    """The two commands. Raise `UnknownCase`, `UnknownMerge`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, rules: VersionCache[Rules]) -> None:
        self._rules = rules

    def merge(self, tx: Transaction, asked: Asked, into: UUID, permit_into: Callable[[Case], None], reason: str) -> tuple[Case, Merge]:
        """Merge the case into another one. `permit_into` judges that one.

        No communication arrives meanwhile: what was decided on before is linked to the survivor, what comes later is led there.
        """
        conversations.change_ways(tx)
        duplicate, survivor = lock_two(tx, asked.case_id, into)
        asked.permit(duplicate)
        permit_into(survivor)
        by, now = asked.actor.user, asked.now
        changed, changes = merging.merge(
            duplicate,
            survivor,
            cancelled_status(self._rules, duplicate),
            has_children=storage.has_children(tx, duplicate.id),
            by=by,
            now=now,
        )
        linked = storage.share(tx, duplicate.id, survivor.id)
        tasks = storage.open_tasks(tx, duplicate.id)
        id, before = derive("merge", asked.cause, duplicate.id), Standing.of(duplicate)
        kept = Merge(id, duplicate.id, survivor.id, reason, before, linked, tasks, by, now)
        storage.add_merge(tx, kept)
        cases.change(tx, [changed])
        told = (*changes, Change("reason of the merge", None, reason)) if reason else changes
        cases.add_history(tx, [*entries(changed, told), HistoryEntry(survivor.id, None, "merged", None, duplicate.number, by, now)])
        tell_merged(tx, asked, changed, survivor)
        hearing.settle(tx, [survivor], by, asked.cause, now, asked.traceparent)
        return changed, kept

    def undo(self, tx: Transaction, asked: Asked, merge_id: UUID) -> Case:
        """Undo a merge; `asked.case_id` counts for nothing, the merge names its cases. `asked.permit` judges both."""
        conversations.change_ways(tx)
        kept = storage.merge_with(tx, merge_id)
        if kept is None:
            raise UnknownMerge(str(merge_id))
        case, survivor = lock_two(tx, kept.case_id, kept.into_id)
        asked.permit(case)
        asked.permit(survivor)
        by, now = asked.actor.user, asked.now
        is_split = storage.is_split_since(tx, kept)
        is_held = storage.is_held(tx, survivor.id)
        changed, changes = merging.undo(case, kept, survivor, is_split_since=is_split, is_held=is_held, by=by, now=now)
        storage.undo_merge(tx, kept, by, now)
        cases.change(tx, [changed])
        cases.add_history(tx, [*entries(changed, changes), HistoryEntry(survivor.id, None, "merged", case.number, None, by, now)])
        emit_case(tx, CaseMergeUndone, changed, asked.cause, now, asked.traceparent, was_merged_into=survivor.id)
        hearing.settle(tx, [survivor], by, asked.cause, now, asked.traceparent)
        return changed


def lock_two(tx: Transaction, one: UUID, other: UUID) -> tuple[Case, Case]:
    """Both cases, locked in the order of their ids. Raises `UnknownCase`."""
    found = cases.lock(tx, [one, other])
    for id in (one, other):
        if id not in found:
            raise UnknownCase(str(id))
    return found[one], found[other]


def cancelled_status(rules: VersionCache[Rules], case: Case) -> Status:
    """The status that cancelled cases of its subject get."""
    life_cycle = rules.get(case.config_version).subjects[case.subject].life_cycle
    return life_cycle.statuses[life_cycle.defaults[LifeCycle.CANCELLED]]


def tell_merged(tx: Transaction, asked: Asked, case: Case, survivor: Case) -> None:
    """Say that the case was merged."""
    further = {"merged_into": survivor.id, "merged_into_number": survivor.number}
    emit_case(tx, CaseMerged, case, asked.cause, asked.now, asked.traceparent, **further)
