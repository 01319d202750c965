"""What staff do with a communication: open cases from it, join it to one, record what was answered to its scripts (CASE-1, COM-2, EDGE-1).

Each command locks the communication, decides, writes it with history, and says what happened, all in the caller's transaction. A
communication that arrives meanwhile in the same conversation either is decided on before, or sees the cases and joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.case import metrics
from services.case.domain.case import Case, Change, HistoryEntry, entries
from services.case.domain.contacts import of_customer
from services.case.domain.matching import Effect, whose
from services.case.domain.refusals import CaseLocked, ContactRefused, ErasureRefused, FeedsAlready, SubjectRefused
from services.case.domain.routing import Routed
from services.case.domain.scripts import record_answers
from services.case.handlers import hearing
from services.case.handlers.commands import UnknownCase
from services.case.handlers.concerning import of_case
from services.case.handlers.events import emit_case
from services.case.handlers.records import Opening, case_record, customer_handle, customer_of, opening_of
from services.case.handlers.rules import Rules
from services.case.storage import cases, communications, contacts, conversations
from services.case.storage import deletion as removing
from services.case.storage import hearing as heard
from services.case.storage.communications import CaseCommunication, JoinedConversation, Kept
from services.case.storage.contacts import Contact, HandleRow
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import CaseCustomerChanged, CaseOpened, CommunicationExpired, CommunicationRecorded, Concerned
from shared.storage import Transaction


class UnknownCommunication(LookupError):
    """There is no communication with this id."""


@dataclass(frozen=True, slots=True)
class AskedOf:
    """Who asks something of a communication, when, and what is to be checked once it is locked (`permit` raises)."""

    communication_id: UUID
    user: str
    cause: UUID
    now: datetime
    traceparent: str
    permit: Callable[[Transaction, Kept], None]
    unit: str = ""
    """The user's business unit."""


class CommunicationCommands:
    """The commands. Raise `UnknownCommunication`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules]) -> None:
        self._reference = reference
        self._rules = rules

    def open_cases(
        self, tx: Transaction, asked: AskedOf, subjects: Sequence[str], urgency: str | None, impact: str | None
    ) -> tuple[Kept, list[Case]]:
        """Open a case under each of these subjects, by the configuration in force; their clocks start now."""
        kept = _locked(tx, asked)
        version = self._reference.version
        rules = self._rules.get(version)
        unknown = [subject for subject in subjects if subject not in rules.subjects]
        if unknown:
            raise SubjectRefused("opening cases", f"there is no subject {', '.join(unknown)} in the configuration")
        for subject in subjects:
            units = rules.subjects[subject].opened_by
            if units and asked.unit not in units:
                raise SubjectRefused("opening cases", f"only units {', '.join(sorted(units))} open cases under {subject}")
        openings = [opening_of(kept.communication_id, Routed(subject, urgency, impact), rules) for subject in dict.fromkeys(subjects)]
        openings = _anew(tx, openings)
        before = cases.lock(tx, [opening.id for opening in openings])
        if before:
            told = ", ".join(f"{case.number} ({rules.subjects[case.subject].name})" for case in before.values())
            raise FeedsAlready("opening cases", f"this communication has opened {told} before")
        contact = _contact(tx, kept, asked.now, is_new=kept.direction == "inbound")
        customer = customer_of(kept, contact)
        numbers = cases.next_numbers(tx, len(openings))
        opened = [
            case_record(kept, opening, customer, number, rules, version, asked.now, asked.now, asked.user, contact.area if contact else "")
            for opening, number in zip(openings, numbers, strict=True)
        ]
        if kept.direction == "outbound":
            heard_at = heard.by_communications(tx, [kept.communication_id], asked.now)
            opened = [case._replace(customer_updated_at=heard_at) for case in opened]
        cases.add(tx, opened)
        what = (Change("communication", None, str(kept.communication_id)), Change("state", None, opened[0].state))
        cases.add_history(tx, [entry for case in opened for entry in entries(case, what)])
        for case in opened:
            emit_case(tx, CaseOpened, case, asked.cause, asked.now, asked.traceparent)
            metrics.CASES_OPENED.labels(case.subject).inc()
        effect = Effect.OPENS if kept.effect == Effect.RECORDED and not kept.old else Effect(kept.effect)
        return _related(tx, asked, replace(kept, effect=effect), contact, [case.id for case in opened], ()), opened

    def join(self, tx: Transaction, asked: AskedOf, case_id: UUID, permit_case: Callable[[Case], None]) -> Kept:
        """Let the communication, and what comes later in its conversation, feed this case. `permit_case` raises."""
        kept = _locked(tx, asked)
        case = cases.lock(tx, [case_id]).get(case_id)
        if case is None:
            raise UnknownCase(str(case_id))
        permit_case(case)
        if case.merged_into is not None:
            raise CaseLocked(f"joining case {case.number}", "it was merged into another one: join that")
        if case_id in kept.case_ids:
            raise FeedsAlready(f"joining case {case.number}", "this communication belongs to it already")
        contact = _contact(tx, kept, asked.now, is_new=kept.direction == "inbound" and kept.robot == "none", also=case.contact_id)
        cases.add_history(tx, [HistoryEntry(case_id, None, "communication", None, str(kept.communication_id), asked.user, asked.now)])
        # A conversation that began in the case, or is that of our messages about it, leads there anyhow.
        is_led = kept.conversation_id in (case.id, case.conversation_id)
        joined = () if is_led else (JoinedConversation(kept.conversation_id, case_id),)
        effect = Effect.JOINS if kept.effect == Effect.RECORDED and not kept.old else Effect(kept.effect)
        suggested = None if kept.suggested_case == case_id else kept.suggested_case
        is_news = kept.direction == "inbound" and kept.robot == "none" and case.owner != asked.user
        concerns = (of_case(case),) if is_news else ()
        joining = _related(tx, asked, replace(kept, effect=effect, suggested_case=suggested), contact, [case_id], joined, concerns)
        if kept.direction == "outbound":
            hearing.settle(tx, [case], asked.user, asked.cause, asked.now, asked.traceparent)
        return joining

    def choose_contact(self, tx: Transaction, asked: AskedOf, contact_id: UUID) -> Kept:
        """Say whose it is, where nobody could tell: one of those who share its handle, anybody where nobody has it (CON-1).

        Its cases that have no contact get it too, unless they are closed. Raises `ContactRefused` besides.
        """
        kept = _locked(tx, asked)
        what = "choosing whose communication it is"
        if kept.contact_id is not None:
            raise ContactRefused(what, "it has a contact already, which never changes")
        handle = customer_handle(kept)
        candidates = contacts.load_by_handles(tx, [handle]).get(handle, []) if handle[1] else []
        contact = contacts.get(tx, contact_id)
        if contact is None or contact.merged_into is not None or (candidates and contact not in candidates):
            raise ContactRefused(what, f"contact {contact_id} is none of those who share its handle")
        without = [case for case in cases.lock(tx, kept.case_ids).values() if case.contact_id is None and not case.state.is_closed]
        decided = [of_customer(case, contact, asked.user, asked.now) for case in without]
        cases.change(tx, [case for case, _ in decided])
        cases.add_history(tx, [entry for case, changes in decided for entry in entries(case, changes)])
        for case, _ in decided:
            emit_case(tx, CaseCustomerChanged, case, asked.cause, asked.now, asked.traceparent)
        changed = replace(kept, revision=kept.revision + 1, contact_id=contact.id)
        communications.relate(tx, changed, (), ())
        tell(tx, asked, changed, contact)
        return changed

    def record_answers(self, tx: Transaction, asked: AskedOf, answers: Sequence[tuple[str, str]]) -> Kept:
        """Record what was answered (prompt and answer) to the scripts of the method: those it had then, or has now."""
        kept = _locked(tx, asked)
        methods = [self._rules.get(version).methods.get(kept.method) for version in (kept.config_version, self._reference.version)]
        prompts = list(dict.fromkeys(prompt for method in methods if method for prompt in method.prompts))
        after, changes = record_answers(kept.script_answers, answers, prompts, asked.user, asked.now)
        if not changes:
            return kept
        changed = replace(kept, revision=kept.revision + 1, script_answers=[dict(answer) for answer in after])
        communications.answer(tx, changed)
        tell(tx, asked, changed, contacts.get(tx, kept.contact_id) if kept.contact_id else None)
        told = [
            (f"{change.prompt.text} {change.old}" if change.old else None, f"{change.prompt.text} {change.new or ''}") for change in changes
        ]
        cases.add_history(
            tx,
            [
                HistoryEntry(case_id, None, "script_answer", old, new.strip(), asked.user, asked.now)
                for case_id in sorted(kept.case_ids)
                for old, new in told
            ],
        )
        return changed


def _anew(tx: Transaction, openings: list[Opening]) -> list[Opening]:
    """The openings; where the case that one would be was deleted, it is another one, which others take for new."""
    while gone := removing.deleted_among(tx, [opening.id for opening in openings]):
        openings = [replace(opening, id=derive("case after", opening.id)) if opening.id in gone else opening for opening in openings]
    return openings


def _locked(tx: Transaction, asked: AskedOf) -> Kept:
    contacts.recording(tx)
    kept = communications.lock(tx, asked.communication_id)
    if kept is None:
        raise UnknownCommunication(str(asked.communication_id))
    asked.permit(tx, kept)
    if kept.is_erased:
        raise ErasureRefused("what was asked", "this communication was erased, and stays as it is")
    return kept


def _contact(tx: Transaction, kept: Kept, now: datetime, *, is_new: bool, also: UUID | None = None) -> Contact | None:
    """Whose it is: as it was decided, else who has the handle now; a new contact where nobody has it and it may be one (`is_new`).

    `also`: the contact of a case that it joins, which tells those apart who share a handle.
    """
    if kept.contact_id is not None:
        return contacts.get(tx, kept.contact_id)
    kind, value = handle = customer_handle(kept)
    known, strangers = contacts.meet(tx, [handle])
    candidates = known.get(handle)
    if candidates:
        conversation = conversations.lead(tx, [kept.conversation_id]).cases.get(kept.conversation_id, [])
        found = whose([contact.id for contact in candidates], [also, *(contact for _, contact in conversation)])
        return next((contact for contact in candidates if contact.id == found), None)
    if not is_new or not value:
        return None
    new = Contact(strangers[handle], 1, None, kept.sender.name, value if kind == "email" else "", now)
    contacts.add(tx, [new], [HandleRow(kind, value, new.id)])
    return new


def _related(
    tx: Transaction,
    asked: AskedOf,
    kept: Kept,
    contact: Contact | None,
    case_ids: Sequence[UUID],
    joined: Sequence[JoinedConversation],
    concerns: Sequence[Concerned] = (),
) -> Kept:
    """Write that the communication feeds these cases too, and say so."""
    links = [CaseCommunication(kept.communication_id, id, kept.next_position + place) for place, id in enumerate(case_ids)]
    changed = replace(
        kept,
        revision=kept.revision + 1,
        reason="",
        contact_id=contact.id if contact else None,
        case_ids=(*kept.case_ids, *case_ids),
        next_position=kept.next_position + len(links),
    )
    communications.relate(tx, changed, links, joined)
    tell(tx, asked, changed, contact, concerns)
    return changed


def tell(tx: Transaction, asked: AskedOf, kept: Kept, contact: Contact | None, concerns: Sequence[Concerned] = ()) -> None:
    """Say what the communication is now, as an expired one if it is: it starts no clock again. Of an old one nobody ever hears."""
    if kept.old:
        return
    kind = CommunicationExpired if kept.is_expired else CommunicationRecorded
    payload = kind.model_validate(
        {
            "communication_id": kept.communication_id,
            "conversation_id": kept.conversation_id,
            "method": kept.method,
            "case_ids": kept.case_ids,
            "customer": customer_of(kept, contact),
            "subject_line": kept.subject_line,
            "direction": kept.direction,
            "robot": kept.robot,
            "occurred_at": kept.occurred_at,
            "concerns": concerns,
        }
    )
    tx.emit(
        payload,
        aggregate_id=kept.communication_id,
        key=kept.key,
        revision=kept.revision,
        cause=asked.cause,
        time=asked.now,
        config_version=kept.config_version,
        traceparent=asked.traceparent,
    )
