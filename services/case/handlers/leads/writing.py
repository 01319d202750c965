"""Writing to the customer of a lead by hand (NOTE-2). The lead's id names the conversation, by which answers find the lead."""

from __future__ import annotations

from uuid import UUID

from services.case.domain import messages
from services.case.domain.drafting import lead_tag_values
from services.case.domain.leads.lead import Lead
from services.case.domain.messages import MessageFile
from services.case.domain.refusals import InputRefused
from services.case.handlers.contacts import Origin
from services.case.handlers.leads.commands import AskedOfLead, UnknownLead
from services.case.handlers.outbound import Letter, ask
from services.case.handlers.staff import UnknownCommunication
from services.case.handlers.writing import Asking, Drafts, Kind, Wanted, check_again, with_new, with_tags
from services.case.storage import contacts, leads
from services.case.storage import messages as storage
from services.case.storage import record_messages as items
from services.case.storage.record_messages import CommunicationItem
from shared.messaging import ReferenceData
from shared.schemas.events import ItemKind
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

_LEADS = Kind[Lead](templates=lambda writing: writing.for_leads, method=lambda _: "", owner=lambda lead: lead.owner, values=lead_tag_values)


class LeadMessages:
    """The commands. Raise `UnknownLead`, `UnknownCommunication`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference
        self.drafts = Drafts(reference, _LEADS)

    def send(self, tx: Transaction, asked: AskedOfLead, wanted: Wanted) -> Asking:
        """Record the message and have it sent, whether the lead is closed or not."""
        lead = _locked(tx, asked)
        what = f"writing to the customer of lead {lead.number}"
        to = messages.recipient(what, wanted.to, storage.reachable(tx, lead.customer_email, lead.contact_id))
        kept = items.files_of_lead(tx, lead.id, wanted.files)
        if len(kept) < len(wanted.files):
            raise InputRefused(what, "one of the files is none of a communication of this lead")
        files = with_new(tx, what, kept, wanted, asked.actor.user, asked.now)
        return self._ask(tx, asked, lead, to, with_tags(what, wanted, self.drafts.tags(lead, asked.actor.user)), files)

    def send_again(self, tx: Transaction, asked: AskedOfLead, communication_id: UUID) -> Asking:
        """Send a message that did not reach the customer once more, as it was, to where they are reached now: a message of its own."""
        lead = _locked(tx, asked)
        before = items.written_about_lead(tx, lead.id, communication_id)
        if before is None:
            raise UnknownCommunication(str(communication_id))
        check_again("sending the message again", before)
        files = tuple([(communication_id, position) for position in range(before.files)])
        return self.send(tx, asked, Wanted(before.subject_line, before.text, files=files))

    def _ask(self, tx: Transaction, asked: AskedOfLead, lead: Lead, to: str, wanted: Wanted, files: list[MessageFile]) -> Asking:
        origin = Origin(asked.actor.user, asked.cause, asked.now, asked.traceparent)
        about = {"item_kind": ItemKind.LEAD, "item_id": lead.id, "number": lead.number, "unit": lead.unit, "owner": lead.owner or ""}
        customer = CustomerRef(contact_id=lead.contact_id, account_id=lead.account_id, name=lead.customer_name, email=to)
        letter = Letter(lead.id, customer, about, wanted, files, items.last_mail(tx, lead))
        message = ask(tx, self._reference, self.drafts.writing, origin, letter)
        items.add_to_leads(tx, [CommunicationItem(message.communication_id, items.LEAD, lead.id)], origin.user, origin.now)
        return message


def _locked(tx: Transaction, asked: AskedOfLead) -> Lead:
    # A contact that is merged away meanwhile would keep this communication.
    contacts.recording(tx)
    lead = leads.lock(tx, asked.lead_id)
    if lead is None:
        raise UnknownLead(str(asked.lead_id))
    asked.permit(lead)
    return lead
