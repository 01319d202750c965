"""Deleting a case that staff opened by mistake (CASE-8): the communication that it was opened from no longer feeds it."""

from __future__ import annotations

from dataclasses import replace

from services.case.domain import deletion
from services.case.domain.case import Case, entries
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.matching import Effect
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.events import emit_case
from services.case.handlers.staff import AskedOf, tell
from services.case.storage import cases, communications, contacts
from services.case.storage import deletion as removing
from services.case.storage.deletion import DeletedCase
from shared.schemas.events import CaseDeleted
from shared.storage import Transaction


def delete(tx: Transaction, asked: Asked, reason: str) -> Case:
    """Delete a case to which nothing refers, and say so. Raises `UnknownCase`, what `permit` raises, or `DeletionRefused`."""
    found = cases.get(tx, asked.case_id)
    if found is None:
        raise UnknownCase(str(asked.case_id))
    kept = communications.lock(tx, found.communication_id)  # before its cases, as everywhere
    case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
    if case is None:
        raise UnknownCase(str(asked.case_id))
    asked.permit(case)
    last, changes = deletion.delete(case, removing.surroundings(tx, case.id), asked.actor, asked.now, reason)
    cases.add_history(tx, entries(last, changes))
    removing.remove(
        tx,
        DeletedCase(
            case.id,
            case.number,
            case.subject,
            case.unit,
            case.owner,
            case.communication_id,
            last.revision,
            last.changed_by,
            asked.now,
            reason,
        ),
    )
    # Whoever goes by the state ends what hangs on it, as with a cancelled case.
    told = last._replace(state=LifeCycle.CANCELLED, completed_at=asked.now)
    emit_case(tx, CaseDeleted, told, asked.cause, asked.now, asked.traceparent)
    if kept is not None:
        remaining = tuple(id for id in kept.case_ids if id != case.id)
        effect = kept.effect if remaining else Effect.RECORDED
        changed = replace(kept, revision=kept.revision + 1, effect=effect, case_ids=remaining)
        communications.relate(tx, changed, (), ())
        by = AskedOf(kept.communication_id, asked.actor.user, asked.cause, asked.now, asked.traceparent, lambda _tx, _kept: None)
        tell(tx, by, changed, contacts.get(tx, kept.contact_id) if kept.contact_id else None)
    return last
