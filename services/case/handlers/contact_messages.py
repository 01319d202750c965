"""Writing to a contact by hand, about nothing that is recorded yet (NOTE-2)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.case.domain import messages
from services.case.domain.case import Change
from services.case.domain.contacts import Contact
from services.case.domain.drafting import contact_tag_values
from services.case.domain.messages import MessageFile
from services.case.domain.notes import RecordKind, record_entries
from services.case.domain.refusals import InputRefused, NotTold
from services.case.handlers.contacts import Origin, UnknownContact
from services.case.handlers.outbound import Letter, ask, message_of
from services.case.handlers.staff import UnknownCommunication
from services.case.handlers.writing import Asking, Drafts, Kind, Wanted, check_again, with_new, with_tags
from services.case.storage import contacts, notes
from services.case.storage import messages as storage
from services.case.storage import record_messages as items
from shared.ids import derive
from shared.messaging import ReferenceData
from shared.schemas.events import ItemKind
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

_CONTACTS = Kind[Contact](
    templates=lambda writing: writing.for_contacts,
    method=lambda _: "",
    owner=lambda _: None,
    values=lambda contact, naming, people, writer: contact_tag_values(contact.name, contact.email, naming, people, writer),
)


class ContactMessages:
    """Writing to a contact about nothing that is recorded yet. Raise `UnknownContact`, `UnknownCommunication`, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference
        self.drafts = Drafts(reference, _CONTACTS)

    def send(self, tx: Transaction, origin: Origin, unit: str, contact_id: UUID, wanted: Wanted) -> Asking:
        """Record the message and have it sent. `unit`: the writer's; empty: they have none."""
        contact = _contact(tx, contact_id)
        what = _what(contact)
        if wanted.files:
            raise InputRefused(what, "files of communications go with messages about their case or lead only: hand the file in")
        files = with_new(tx, what, [], wanted, origin.user, origin.now)
        return self._send(tx, origin, unit, contact, with_tags(what, wanted, self.drafts.tags(contact, origin.user)), files)

    def send_again(self, tx: Transaction, origin: Origin, unit: str, contact_id: UUID, communication_id: UUID) -> Asking:
        """Send a message that did not reach the contact once more, as it was, to where they are reached now: a message of its own."""
        contact = _contact(tx, contact_id)
        before = items.written_to_contact(tx, contact.id, communication_id)
        if before is None:
            raise UnknownCommunication(str(communication_id))
        check_again("sending the message again", before)
        files = items.files_of_message(tx, communication_id)
        messages.check_files(_what(contact), files)
        return self._send(tx, origin, unit, contact, Wanted(before.subject_line, before.text), files)

    def _send(self, tx: Transaction, origin: Origin, unit: str, contact: Contact, wanted: Wanted, files: Sequence[MessageFile]) -> Asking:
        what = _what(contact)
        if contact.merged_into is not None:
            raise NotTold(what, "they turned out to be another contact: write to that one")
        to = messages.recipient(what, wanted.to, storage.reachable(tx, contact.email, contact.id))
        id = message_of(origin)
        configuration = self._reference.configuration(self._reference.version)
        about = {
            "item_kind": ItemKind.COMMUNICATION,
            "item_id": id,
            "number": "",
            "unit": unit or configuration.organisation.default_unit,
            "owner": origin.user,
        }
        customer = CustomerRef(contact_id=contact.id, account_id=contact.account_id, name=contact.name, email=to)
        letter = Letter(derive("conversation", id), customer, about, wanted, files)
        asked = ask(tx, self._reference, self.drafts.writing, origin, letter)
        change = Change("communication", None, str(id))
        notes.add_history(tx, record_entries(RecordKind.CONTACT, contact.id, None, (change,), origin.user, origin.now))
        return asked


def _what(contact: Contact) -> str:
    return f"writing to {contact.name or 'a contact without a name'}"


def _contact(tx: Transaction, contact_id: UUID) -> Contact:
    # One that is merged away meanwhile would keep this communication.
    contacts.recording(tx)
    contact = contacts.get(tx, contact_id)
    if contact is None:
        raise UnknownContact(str(contact_id))
    return contact
