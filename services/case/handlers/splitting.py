"""Splitting communications off a case into a new one, and undoing that (CASE-11, EDGE-11), each in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.case import metrics
from services.case.domain import merging, splitting
from services.case.domain.case import Case, Change, HistoryEntry, entries
from services.case.domain.refusals import ErasureRefused, SubjectRefused
from services.case.domain.routing import Routed
from services.case.domain.splitting import Split
from services.case.handlers import hearing
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.events import emit_case
from services.case.handlers.merging import UnknownMerge, cancelled_status, lock_two, tell_merged
from services.case.handlers.records import case_record, opening_of
from services.case.handlers.rules import Rules
from services.case.handlers.staff import AskedOf, UnknownCommunication, tell
from services.case.storage import cases, communications, contacts, conversations
from services.case.storage import hearing as heard
from services.case.storage import merging as storage
from services.case.storage.communications import CaseCommunication, JoinedConversation, Kept
from services.case.storage.records import insert
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import CaseOpened
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class NewCase:
    """What a split asks for. None: as the subject says; an empty title: that of the first communication."""

    subject: str
    title: str = ""
    urgency: str | None = None
    impact: str | None = None
    reason: str = ""


class Splitting:
    """The two commands. Raise `UnknownCase`, `UnknownMerge`, `UnknownCommunication`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules]) -> None:
        self._reference = reference
        self._rules = rules

    def split(self, tx: Transaction, asked: Asked, wanted: Sequence[UUID], new: NewCase) -> tuple[Case, Split]:
        """Open a case of the same customer, by the configuration in force, and move these communications to it; its clocks start now."""
        conversations.change_ways(tx)
        kept = communications.lock_all(tx, wanted)
        case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
        if case is None:
            raise UnknownCase(str(asked.case_id))
        asked.permit(case)
        if missing := [str(id) for id in wanted if id not in kept]:
            raise UnknownCommunication(", ".join(missing[:5]))
        own = storage.communications_of(tx, case.id)
        splitting.check_split(case, own, wanted, is_held=storage.is_held(tx, case.id))
        if any(communication.is_erased for communication in kept.values()):
            raise ErasureRefused(f"splitting case {case.number}", "an erased communication stays where it is")
        moved = sorted(kept.values(), key=lambda communication: (communication.occurred_at, communication.communication_id))
        opened = self._opened(tx, asked, case, moved, new)
        split = self._keep(tx, asked, case, opened, own, moved, new.reason)
        cases.add(tx, [opened])
        by, now = asked.actor.user, asked.now
        begun = (Change("split off", None, case.number), Change("state", None, opened.state))
        arrived = tuple(Change("communication", None, str(each.communication_id)) for each in moved)
        left = [HistoryEntry(case.id, None, "communication", str(each.communication_id), None, by, now) for each in moved]
        told = HistoryEntry(case.id, None, "split", None, opened.number, by, now)
        cases.add_history(tx, [*entries(opened, (*begun, *arrived)), told, *left])
        emit_case(tx, CaseOpened, opened, asked.cause, now, asked.traceparent)
        hearing.settle(tx, [case], by, asked.cause, now, asked.traceparent)
        metrics.CASES_OPENED.labels(opened.subject).inc()
        _tell_moved(tx, asked, [each.communication_id for each in moved])
        return opened, split

    def undo(self, tx: Transaction, asked: Asked, split_id: UUID) -> Case:
        """Merge the new case back; it stays as a cancelled one that leads to the old one. `asked.permit` judges both."""
        conversations.change_ways(tx)
        kept = storage.split_with(tx, split_id)
        if kept is None:
            raise UnknownMerge(str(split_id))
        locked = communications.lock_all(tx, list(storage.communications_of(tx, kept.new_id)))
        new, old = lock_two(tx, kept.new_id, kept.case_id)
        asked.permit(new)
        asked.permit(old)
        splitting.check_undo(new, old, kept, storage.traces_of(tx, new.id))
        by, now = asked.actor.user, asked.now
        came = storage.undo_split(tx, kept, by, now)
        changed, changes = merging.merged(new, old, cancelled_status(self._rules, new), merging.SPLIT_UNDONE, by, now)
        cases.change(tx, [changed])
        told = [HistoryEntry(old.id, None, "communication", None, str(id), by, now) for id in came]
        cases.add_history(tx, [*entries(changed, changes), HistoryEntry(old.id, None, "split", new.number, None, by, now), *told])
        tell_merged(tx, asked, changed, old)
        hearing.settle(tx, [old], by, asked.cause, now, asked.traceparent)
        _tell_moved(tx, asked, [id for id in came if id in locked])
        return changed

    def _opened(self, tx: Transaction, asked: Asked, case: Case, moved: Sequence[Kept], new: NewCase) -> Case:
        first = moved[0]
        version = self._reference.version
        rules = self._rules.get(version)
        if new.subject not in rules.subjects:
            raise SubjectRefused(f"splitting case {case.number}", f"there is no subject {new.subject} in the configuration")
        opening = opening_of(first.communication_id, Routed(new.subject, new.urgency, new.impact), rules)
        opening = replace(opening, id=derive("split", asked.cause, case.id))
        customer = CustomerRef(contact_id=case.contact_id, account_id=case.account_id, name=case.customer_name, email=case.customer_email)
        (number,) = cases.next_numbers(tx, 1)
        heard_at = heard.by_communications(tx, [each.communication_id for each in moved], asked.now)
        opened = case_record(first, opening, customer, number, rules, version, asked.now, asked.now, asked.actor.user)
        return opened._replace(title=new.title.strip() or opened.title, customer_updated_at=heard_at)

    def _keep(
        self, tx: Transaction, asked: Asked, case: Case, opened: Case, own: dict[UUID, UUID], moved: Sequence[Kept], reason: str
    ) -> Split:
        gone = {each.communication_id for each in moved}
        theirs = {each.conversation_id for each in moved}
        staying = {conversation for id, conversation in own.items() if id not in gone}
        joined = storage.joined_conversations(tx, case.id, sorted(theirs))
        left = splitting.conversations_left(case, staying, theirs, joined)
        split = Split(derive("split", opened.id), case.id, opened.id, reason, left, asked.actor.user, asked.now)
        storage.add_split(tx, split, sorted(gone))
        insert(tx, "case_communications", [CaseCommunication(each.communication_id, opened.id, each.next_position) for each in moved])
        # What began in the new case's first communication leads to it anyhow; so do our messages to staff about it.
        led = sorted(theirs - {opened.conversation_id, opened.id})
        insert(tx, "joined_conversations", [JoinedConversation(conversation, opened.id) for conversation in led], "on conflict do nothing")
        return split


def _tell_moved(tx: Transaction, asked: Asked, ids: Sequence[UUID]) -> None:
    """Count the revisions of these communications, which are locked, and say which cases they feed now."""
    communications.count_up(tx, ids)
    moved = list(communications.lock_all(tx, ids).values())
    known = {id: contacts.get(tx, id) for id in {kept.contact_id for kept in moved if kept.contact_id}}
    for kept in sorted(moved, key=lambda kept: (kept.occurred_at, kept.communication_id)):
        asked_of = AskedOf(kept.communication_id, asked.actor.user, asked.cause, asked.now, asked.traceparent, lambda _tx, _kept: None)
        tell(tx, asked_of, kept, known.get(kept.contact_id) if kept.contact_id else None)
