"""Opening a lead by hand, or from a communication (LEAD-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.case.domain.case import Actor
from services.case.domain.leads.customer import Customer, email_of, phone_of, whose
from services.case.domain.leads.lead import Opened
from services.case.domain.notes import RecordKind, record_entries
from services.case.domain.refusals import ErasureRefused, FeedsAlready, LeadRefused
from services.case.handlers.leads.events import emit_lead
from services.case.handlers.leads.opening import Circumstances, Wanted, first_changes, numbered, open_lead, problems
from services.case.handlers.leads.rules import LeadRules
from services.case.handlers.records import customer_handle
from services.case.handlers.staff import AskedOf, UnknownCommunication
from services.case.storage import communications, contacts, leads, notes
from services.case.storage.contacts import Contact, HandleKey, HandleRow
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import LeadOpened, LeadSource
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Entry:
    """Who enters a lead, when, of which type and for whom."""

    actor: Actor
    cause: UUID
    now: datetime
    traceparent: str
    type: str
    wanted: Wanted
    customer: Customer


class LeadEntry:
    """Opens leads. Raises `CaseRefusal`s; from a communication also `UnknownCommunication` and what `permit` raises."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[LeadRules]) -> None:
        self._reference = reference
        self._rules = rules

    def enter(self, tx: Transaction, entry: Entry) -> Opened:
        """A lead by hand: of a contact that is known, or of whoever has the handles; somebody new becomes a contact."""
        contacts.recording(tx)
        rules = self._rules.get(self._reference.version)
        given = entry.customer
        customer = given._replace(
            name=given.name.strip(), email=email_of(given.email), phone=phone_of(given.phone, rules.region), account_id=None
        )
        if customer.contact_id is not None:
            contact = contacts.get(tx, customer.contact_id)
            if contact is None:
                raise LeadRefused(f"contact {customer.contact_id}", "there is none with that id")
            customer = of_contact(customer, contact)
        elif customer.handles:
            customer = self._recognised(tx, customer, entry.now)
        elif not customer.name:
            raise LeadRefused("a new lead", "it is about nobody; give a contact, or a name with an email address or a phone number")
        return self._opened(
            tx, entry, customer, Circumstances(derive("lead", entry.cause), entry.actor, entry.now, self._reference.version)
        )

    def enter_from(self, tx: Transaction, entry: Entry, asked: AskedOf) -> Opened:
        """A lead from a communication, of whoever it is from; one of each type."""
        contacts.recording(tx)
        kept = communications.lock(tx, asked.communication_id)
        if kept is None:
            raise UnknownCommunication(str(asked.communication_id))
        asked.permit(tx, kept)
        if kept.is_erased:
            raise ErasureRefused("a new lead", "this communication was erased, and stays as it is")
        rules = self._rules.get(self._reference.version)
        id = derive("lead", kept.communication_id, rules.type(entry.type).code)
        if leads.known(tx, [id]):
            raise FeedsAlready("a new lead", "this communication has opened one of that type before")
        kind, value = customer_handle(kept)
        name = kept.sender.name if kept.direction == "inbound" else ""
        customer = Customer(name, value if kind == "email" else "", value if kind == "phone" else "", kept.contact_id)
        contact = contacts.get(tx, kept.contact_id) if kept.contact_id is not None else None
        if contact is not None:
            customer = of_contact(customer, contact)
        elif value and kept.robot == "none":
            known, strangers = contacts.meet(tx, [(kind, value)])
            customer = self._settled(tx, customer, whose(customer, known), (kind, value), strangers, entry.now)
        wanted, allowed = entry.wanted, rules.type(entry.type).sources
        source = LeadSource.COMMUNICATION.value if LeadSource.COMMUNICATION.value in allowed else None
        wanted = replace(wanted, title=wanted.title or kept.subject_line, source=wanted.source or source)
        entry = replace(entry, wanted=wanted, customer=customer)
        how = Circumstances(id, entry.actor, entry.now, self._reference.version, kept.communication_id)
        return self._opened(tx, entry, customer, how)

    def _recognised(self, tx: Transaction, customer: Customer, now: datetime) -> Customer:
        known, strangers = contacts.meet(tx, customer.handles)
        return self._settled(tx, customer, whose(customer, known), customer.handles[0], strangers, now)

    @staticmethod
    def _settled(
        tx: Transaction,
        customer: Customer,
        found: tuple[Contact | None, bool],
        handle: HandleKey,
        strangers: Mapping[HandleKey, UUID],
        now: datetime,
    ) -> Customer:
        contact, anybody = found
        if contact is None and anybody:
            return customer  # several share the handle, and staff choose
        if contact is None:
            contact = Contact(strangers[handle], 1, None, customer.name, customer.email, now)
            handles = customer.handles or (handle,)
            contacts.add(tx, [contact], [HandleRow(kind, value, contact.id) for kind, value in handles])
        return of_contact(customer, contact)

    def _opened(self, tx: Transaction, entry: Entry, customer: Customer, how: Circumstances) -> Opened:
        rules = self._rules.get(how.config_version)
        kind = rules.type(entry.type)
        kind.check_creation(entry.actor.unit)
        for _, problem in problems(entry.wanted, kind, rules, self._reference):
            raise problem
        opened = numbered(open_lead(entry.wanted, kind, rules, customer, how), leads.next_numbers(tx, 1)[0])
        leads.add(tx, [opened])
        lead = opened.lead
        notes.add_history(tx, record_entries(RecordKind.LEAD, lead.id, 1, first_changes(opened), entry.actor.user, entry.now))
        emit_lead(tx, LeadOpened, opened, entry.cause, entry.now, entry.traceparent)
        return opened


def of_contact(customer: Customer, contact: Contact) -> Customer:
    """The customer, who is this contact; what was given of them goes first."""
    return Customer(customer.name or contact.name, customer.email or contact.email, customer.phone, contact.id, contact.account_id)
