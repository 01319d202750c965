"""Erasing a communication for privacy, and legal holds that forbid it (EDGE-17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.case.domain.case import Case, Change, HistoryEntry
from services.case.domain.notes import RecordKind, record_entries
from services.case.domain.refusals import ErasureRefused
from services.case.domain.retention import ERASED
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.events import emit_case
from services.case.handlers.leads.events import emit_lead
from services.case.storage import cases, leads, notes, retention
from shared.schemas.events import CaseRepublished, CommunicationErased, LeadRepublished
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Erased:
    """A communication after its erasure. `was_new`: it was not erased before."""

    revision: int
    was_new: bool


def erase(tx: Transaction, communication: retention.Erasable, by: str, cause: UUID, now: datetime, traceparent: str) -> Erased:
    """Erase a locked communication, and the titles of what it opened: cases and leads. Raises `ErasureRefused` during a legal hold."""
    if communication.is_erased:
        return Erased(communication.revision, False)
    if communication.held_by is not None:
        raise ErasureRefused(f"erasure of communication {communication.id}", f"case {communication.held_by} is on legal hold")
    retention.erase(tx, [communication.id, *communication.notices], now)
    fed = cases.lock(tx, communication.case_ids)
    retitled = [
        case._replace(title=ERASED, revision=case.revision + 1, changed_at=now, changed_by=by)
        for case in fed.values()
        if case.communication_id == communication.id
    ]
    if retitled:
        cases.change(tx, retitled)
    now_at = fed | {case.id: case for case in retitled}
    cases.add_history(tx, [_entry(case, case in retitled, "erased", None, str(communication.id), by, now) for case in now_at.values()])
    for case in retitled:
        emit_case(tx, CaseRepublished, case, cause, now, traceparent)
    _erase_leads(tx, communication.id, by, cause, now, traceparent)
    opened = tuple(case.id for case in retitled)
    tx.emit(
        CommunicationErased(communication_id=communication.id, case_ids=communication.case_ids, opened=opened),
        aggregate_id=communication.id,
        key=communication.case_ids[0] if communication.case_ids else communication.id,
        revision=communication.revision + 1,
        cause=cause,
        time=now,
        traceparent=traceparent,
    )
    return Erased(communication.revision + 1, True)


def _erase_leads(tx: Transaction, communication_id: UUID, by: str, cause: UUID, now: datetime, traceparent: str) -> None:
    found = leads.lock_opened_from(tx, communication_id)
    retitled = [lead._replace(title=ERASED, revision=lead.revision + 1, changed_at=now, changed_by=by) for lead in found]
    what = (Change("erased", None, str(communication_id)),)
    for opened in leads.whole(tx, retitled):
        leads.change(tx, opened.lead)
        notes.add_history(tx, record_entries(RecordKind.LEAD, opened.lead.id, opened.lead.revision, what, by, now))
        emit_lead(tx, LeadRepublished, opened, cause, now, traceparent)


def hold(tx: Transaction, asked: Asked, is_held: bool, reason: str) -> Case:
    """Put a case on legal hold, or end that; nobody else need know. Raises `UnknownCase` and what `permit` raises."""
    case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
    if case is None:
        raise UnknownCase(str(asked.case_id))
    asked.permit(case)
    if retention.set_hold(tx, case.id, is_held):
        new = reason or "yes" if is_held else None
        old = None if is_held else reason or "yes"
        cases.add_history(tx, [_entry(case, False, "legal_hold", old, new, asked.actor.user, asked.now)])
    return case


def _entry(case: Case, has_changed: bool, field: str, old: str | None, new: str | None, by: str, now: datetime) -> HistoryEntry:
    return HistoryEntry(case.id, case.revision if has_changed else None, field, old, new, by, now)
