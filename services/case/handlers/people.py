"""Erasing a contact with all that is theirs; the records stay for the statistics, without anything that tells who it was (EDGE-17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.case.domain.case import HistoryEntry
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.notes import RecordEntry, RecordKind
from services.case.domain.refusals import ErasureRefused
from services.case.domain.retention import ERASED
from services.case.handlers.events import emit_case
from services.case.handlers.leads.events import emit_lead
from services.case.storage import cases, customer_links, leads, notes, people, retention
from shared.schemas.events import CaseRepublished, CommunicationErased, ContactErased, LeadRepublished
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """What became of a contact. `was_new`: they were not erased before."""

    revision: int
    was_new: bool
    communications: int = 0
    cases: int = 0


def erase_person(tx: Transaction, person: people.Person, by: str, cause: UUID, now: datetime, traceparent: str) -> ErasedPerson:
    """Erase a locked contact: name, handles, texts, files, notes and what the histories hold of it. Raises `ErasureRefused` during a hold.

    Their cases stay with subject, states, times and codes. A case of somebody else that one of their messages joined keeps all but that
    message.
    """
    if person.is_erased:
        return ErasedPerson(person.revision, False)
    if person.merged_into is not None:
        raise ErasureRefused(f"erasure of contact {person.id}", f"they were merged into contact {person.merged_into}: erase that one")
    if person.held:
        raise ErasureRefused(f"erasure of contact {person.id}", f"on legal hold: case {', '.join(person.held)}")
    own = {
        case.id: case._replace(
            title=ERASED,
            customer_name="",
            customer_email="",
            reason=case.reason if case.state is LifeCycle.CANCELLED else "",
            revision=case.revision + 1,
            changed_at=now,
            changed_by=by,
        )
        for case in person.cases.values()
        if case.contact_id == person.id
    }
    opened_here = {
        case.id: case._replace(title=ERASED, revision=case.revision + 1, changed_at=now, changed_by=by)
        for case in person.cases.values()
        if case.id not in own and case.communication_id in person.revisions
    }
    changed = own | opened_here
    retention.erase(tx, person.communications, now)
    cases.change(tx, list(changed.values()))
    people.erase_contact(tx, person, sorted(own), now)
    customer_links.revoke(tx, sorted(own), now)
    cases.add_history(
        tx,
        [
            HistoryEntry(case.id, changed[case.id].revision if case.id in changed else None, "erased", None, str(person.id), by, now)
            for case in person.cases.values()
        ],
    )
    notes.add_history(tx, [RecordEntry(RecordKind.CONTACT, person.id, person.revision + 1, "erased", None, str(person.id), by, now)])
    for opened in leads.whole(tx, leads.of_contacts(tx, [person.id, *person.merged])):
        emit_lead(tx, LeadRepublished, opened, cause, now, traceparent)
    for case in changed.values():
        emit_case(tx, CaseRepublished, case, cause, now, traceparent)
    for communication in person.communications:
        fed = person.fed[communication]
        tx.emit(
            CommunicationErased(
                communication_id=communication,
                case_ids=fed,
                opened=tuple(id for id in fed if person.cases[id].communication_id == communication),
            ),
            aggregate_id=communication,
            key=fed[0] if fed else communication,
            revision=person.revisions[communication] + 1,
            cause=cause,
            time=now,
            traceparent=traceparent,
        )
    tx.emit(
        ContactErased(contact_id=person.id, case_ids=tuple(sorted(own))),
        aggregate_id=person.id,
        key=person.id,
        revision=person.revision + 1,
        cause=cause,
        time=now,
        traceparent=traceparent,
    )
    return ErasedPerson(person.revision + 1, True, len(person.communications), len(own))
