"""Merging contacts and undoing it (EDGE-11): one transaction, set by set, each change recorded so that it can be taken back.

Whoever records by handles waits meanwhile, so nothing comes in for a contact that is being merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.case.domain import contact_merging as merging
from services.case.domain.case import Case, Change, entries
from services.case.domain.contact_merging import Merge
from services.case.domain.contacts import Contact, HandleRow
from services.case.handlers.contacts import Origin, Permit, UnknownContact, keep
from services.case.handlers.events import emit_case
from services.case.handlers.links import revoke_links_of
from services.case.storage import cases, contacts
from services.case.storage import contact_merges as merges
from services.case.storage.contacts import HandleKey
from shared.ids import derive
from shared.schemas.events import CaseCustomerChanged
from shared.storage import Transaction

Decided = tuple[Case, tuple[Change, ...]]


class UnknownMerge(LookupError):
    """There is no merge with this id."""


def merge(tx: Transaction, asked: Origin, source_id: UUID, target_id: UUID, permit: Permit) -> Merge:
    """Merge the source into the target. Raises `UnknownContact`, `MergeRefused`, and what `permit` (of the source's revision) raises."""
    contacts.alone(tx)
    source, target = _both(tx, source_id, target_id)
    permit(source.revision)
    merging.check_merge(source, target)
    done = Merge(derive("merge of contacts", asked.cause), source_id, target_id, asked.user, asked.now)
    had, has = contacts.handles_of(tx, source_id), contacts.handles_of(tx, target_id)
    moved = merging.moved(done.id, had, has, merges.brought(tx, target_id, had, done.id))
    survivor, before = merging.survivor(source, target)
    merges.add(tx, done, moved)
    merges.keep_own(tx, done, [handle.key for handle in moved if not handle.was_own])
    merges.repoint(tx, done)
    _move_handles(tx, had, source_id, target_id)
    _change_contacts(tx, asked, done, source._replace(revision=source.revision + 1, merged_into=target_id), survivor)
    was = merges.lock_cases_of(tx, source_id)
    decided = [merging.of_survivor(case, survivor, asked.user, asked.now) for case in was]
    _write_cases(tx, asked, decided)
    records = [
        merges.record(done.id, "cases", old.id, merging.customer_values(old), merging.customer_values(new))
        for old, (new, _) in zip(was, decided, strict=True)
    ]
    if before:
        records.append(merges.record(done.id, "contacts", target_id, before, {field: getattr(survivor, field) for field in before}))
    merges.add_records(tx, records)
    return done


def undo(tx: Transaction, asked: Origin, merge_id: UUID) -> Merge:
    """Undo a merge: every row that it changed is as before; what came since by handles that go back alone goes with them.

    Raises `UnknownMerge` and `MergeRefused`.
    """
    contacts.alone(tx)
    found = merges.get(tx, merge_id)
    if found is None:
        raise UnknownMerge(str(merge_id))
    source, target = _both(tx, found.source, found.target)
    merging.check_undo(found, source, target)
    handles = merges.handles_of(tx, merge_id)
    keys = [handle.key for handle in handles]
    back = merging.restored(handles, merges.brought(tx, target.id, keys, merge_id))
    source = source._replace(revision=source.revision + 1, merged_into=None)
    since = merges.give_since(tx, found, sorted(back.lost))
    merges.point_back(tx, found)
    contacts.remove_handles(tx, target.id, sorted(back.lost))
    contacts.add(tx, [], [HandleRow(*key, source.id) for key in back.given_back])
    done = found._replace(undone_by=asked.user, undone_at=asked.now)
    merges.undone(tx, done)
    _change_contacts(tx, asked, done, source, merging.given_back(target, *merges.contact_record(tx, found)))
    recorded, opened = merges.lock_recorded_cases(tx, found, since)
    decided = [merging.of_source_again(case, old, new, asked.user, asked.now) for case, old, new in recorded]
    elsewhere = [
        case for (was, _, _), (case, _) in zip(recorded, decided, strict=True) if was.customer_email not in ("", case.customer_email)
    ]
    decided += [merging.of_survivor(case, source, asked.user, asked.now) for case in opened]
    _write_cases(tx, asked, decided)
    # Links were sent to somebody whose case it turns out not to be.
    revoke_links_of(tx, elsewhere, asked.user, asked.now, "the merge of its customer was undone")
    return done


def _both(tx: Transaction, source: UUID, target: UUID) -> tuple[Contact, Contact]:
    found = contacts.lock(tx, {source, target})
    for id in (source, target):
        if id not in found:
            raise UnknownContact(str(id))
    return found[source], found[target]


def _move_handles(tx: Transaction, handles: Sequence[HandleKey], source: UUID, target: UUID) -> None:
    contacts.remove_handles(tx, source, handles)
    contacts.add(tx, [], [HandleRow(*handle, target) for handle in handles])


def _change_contacts(tx: Transaction, asked: Origin, merge: Merge, source: Contact, target: Contact) -> None:
    contacts.change(tx, [source, target])
    id = str(merge.id)
    told = (Change("merge", None, id) if merge.undone_at is None else Change("merge", id, None),)
    keep(tx, asked, source, told)
    keep(tx, asked, target, told)


def _write_cases(tx: Transaction, asked: Origin, decided: Sequence[Decided]) -> None:
    cases.change(tx, [case for case, _ in decided])
    cases.add_history(tx, [entry for case, changes in decided for entry in entries(case, changes)])
    for case, _ in decided:
        emit_case(tx, CaseCustomerChanged, case, asked.cause, asked.now, asked.traceparent)
