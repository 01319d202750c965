"""What staff ask of leads.

Each command locks the lead, decides, writes lead and history, and emits one event, all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.case.domain.case import Actor, Change
from services.case.domain.leads import life_cycle
from services.case.domain.leads.lead import Decision, Lead, LeadLifeCycle, Opened
from services.case.domain.leads.life_cycle import Move
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.notes import NOTE_LENGTH, Note, RecordKind, record_entries
from services.case.domain.refusals import AssignmentRefused, LeadRefused
from services.case.handlers.contacts import Origin
from services.case.handlers.leads.conversion import create_account_for
from services.case.handlers.leads.editing import Edit, edited
from services.case.handlers.leads.events import emit_lead
from services.case.handlers.leads.rules import LeadRules
from services.case.storage import contacts, leads, notes
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import LeadAssigned, LeadChanged, LeadRepublished, LeadState, LeadStatusChanged
from shared.storage import Transaction

REPUBLISH_BATCH = 500


class UnknownLead(LookupError):
    """There is no lead with this id."""


@dataclass(frozen=True, slots=True)
class AskedOfLead:
    """Who asks, when, and what is to be checked on the locked lead before anything is decided (`permit` raises)."""

    lead_id: UUID
    actor: Actor
    cause: UUID
    now: datetime
    traceparent: str
    permit: Callable[[Lead], None]


class LeadCommands:
    """The commands. Raise `UnknownLead`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[LeadRules]) -> None:
        self._reference = reference
        self._rules = rules

    def set_status(self, tx: Transaction, asked: AskedOfLead, move: Move) -> Lead:
        """Set a status, by the rules of the configuration that the lead began with."""

        def decide(lead: Lead, kind: LeadTypeRules) -> Decision:
            return self._converted(tx, asked, kind, life_cycle.set_status(lead, move, kind, asked.actor, asked.now))

        return self._change(tx, asked, LeadStatusChanged, decide)

    def close(self, tx: Transaction, asked: AskedOfLead, state: LeadLifeCycle, reason: str, lost_reason: str = "") -> Lead:
        """Win, lose or cancel the lead, in its type's default status for that."""

        def decide(lead: Lead, kind: LeadTypeRules) -> Decision:
            decision = life_cycle.close(lead, state, reason, lost_reason, kind, asked.actor, asked.now)
            return self._converted(tx, asked, kind, decision)

        return self._change(tx, asked, LeadStatusChanged, decide)

    def assign(self, tx: Transaction, asked: AskedOfLead, unit: str | None, owner: str | None, reason: str) -> Lead:
        """Give the lead to a unit, a user, or both."""

        def decide(lead: Lead, _kind: LeadTypeRules) -> Decision:
            what = f"assignment of lead {lead.number}"
            if unit is not None and unit not in self._reference.units:
                raise AssignmentRefused(what, f"there is no unit {unit}")
            member = self._reference.staff.get(owner) if owner is not None else None
            if owner is not None and (member is None or not member.active):
                raise AssignmentRefused(what, f"there is no active user {owner}")
            return life_cycle.assign(lead, unit, owner, asked.actor, asked.now, reason)

        return self._change(tx, asked, LeadAssigned, decide)

    def accept(self, tx: Transaction, asked: AskedOfLead) -> Lead:
        """Take the lead, as a member of its unit."""
        return self._change(tx, asked, LeadAssigned, lambda lead, _kind: life_cycle.accept(lead, asked.actor, asked.now))

    def edit(self, tx: Transaction, asked: AskedOfLead, wanted: Edit) -> Lead:
        """Change what the lead says; its type, and a contact that it has, stay."""
        lead, kind, rules = self._locked(tx, asked)
        [before] = leads.whole(tx, [lead])
        contact = contacts.get(tx, wanted.contact_id) if wanted.contact_id is not None else None
        if wanted.contact_id is not None and contact is None:
            raise LeadRefused(f"contact {wanted.contact_id}", "there is none with that id")
        after, changes = edited(before, wanted, contact, kind, rules, asked.actor, asked.now)
        if changes:
            leads.change(tx, after.lead)
            if (before.competitors, before.interests) != (after.competitors, after.interests):
                leads.replace_children(tx, after)
            self._tell(tx, asked, LeadChanged, after, changes)
        return after.lead

    def note(self, tx: Transaction, asked: AskedOfLead, text: str) -> Note:
        """Write a note on the lead, closed or not (CASE-8, CASE-10)."""
        lead = leads.lock(tx, asked.lead_id)
        if lead is None:
            raise UnknownLead(str(asked.lead_id))
        asked.permit(lead)
        note = Note(derive("note", asked.cause), RecordKind.LEAD.value, lead.id, text.strip()[:NOTE_LENGTH], asked.actor.user, asked.now)
        notes.add(tx, [note])
        return note

    def _converted(self, tx: Transaction, asked: AskedOfLead, kind: LeadTypeRules, decision: Decision) -> Decision:
        lead, changes = decision
        if lead.state is not LeadLifeCycle.WON or not changes:
            return decision
        converted, more = create_account_for(tx, lead, kind, Origin(asked.actor.user, asked.cause, asked.now, asked.traceparent))
        return converted, (*changes, *more)

    def _change(
        self, tx: Transaction, asked: AskedOfLead, event: type[LeadState], decide: Callable[[Lead, LeadTypeRules], Decision]
    ) -> Lead:
        lead, kind, _ = self._locked(tx, asked)
        changed, changes = decide(lead, kind)
        if changes:
            leads.change(tx, changed)
            self._tell(tx, asked, event, leads.whole(tx, [changed])[0], changes)
        return changed

    def _locked(self, tx: Transaction, asked: AskedOfLead) -> tuple[Lead, LeadTypeRules, LeadRules]:
        lead = leads.lock(tx, asked.lead_id)
        if lead is None:
            raise UnknownLead(str(asked.lead_id))
        asked.permit(lead)
        rules = self._rules.get(lead.config_version)
        return lead, rules.types[lead.type], rules

    @staticmethod
    def _tell(tx: Transaction, asked: AskedOfLead, event: type[LeadState], opened: Opened, changes: tuple[Change, ...]) -> None:
        lead = opened.lead
        notes.add_history(tx, record_entries(RecordKind.LEAD, lead.id, lead.revision, changes, asked.actor.user, asked.now))
        emit_lead(tx, event, opened, asked.cause, asked.now, asked.traceparent)


def republish(tx: Transaction, after: UUID | None, cause: UUID, now: datetime, traceparent: str) -> list[UUID]:
    """Emit the present state of the next leads after this one (None: the first); their ids. Revisions stay as they are."""
    found = leads.lock_after(tx, after, REPUBLISH_BATCH)
    for opened in leads.whole(tx, found):
        emit_lead(tx, LeadRepublished, opened, cause, now, traceparent)
    return [lead.id for lead in found]
