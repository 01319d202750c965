"""Messages that belong to no case (NOTE-2): how all of them are recorded and asked for, and writing to a contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain import messages
from services.case.domain.case import Change
from services.case.domain.contacts import Contact
from services.case.domain.drafting import Draft, DraftTemplate, contact_tag_values, filled_with
from services.case.domain.matching import Effect
from services.case.domain.messages import MessageFile
from services.case.domain.notes import RecordKind, record_entries
from services.case.domain.refusals import InputRefused, NotTold
from services.case.handlers.contacts import Origin, UnknownContact
from services.case.handlers.messages import Asking, Wanted, Writing, check_again, with_new, with_tags
from services.case.handlers.outbound import Outbound, keep
from services.case.handlers.staff import UnknownCommunication
from services.case.storage import contacts, notes
from services.case.storage import messages as storage
from services.case.storage import record_messages as items
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import CommunicationRecorded, ItemKind, RecordMessageAsked
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction


class Letter(NamedTuple):
    """A message that belongs to no case. `customer`: with the address that it goes to. `about`: what notify is told that it is about.
    `answered`: Message-ID of the mail that it answers; empty: of none.
    """

    conversation_id: UUID
    customer: CustomerRef
    about: Mapping[str, Any]
    wanted: Wanted
    files: Sequence[MessageFile]
    answered: str = ""


def message_of(origin: Origin) -> UUID:
    """The id of the message that this command asks for."""
    return derive("message", origin.cause)


def ask(tx: Transaction, reference: ReferenceData, writing: Writing, origin: Origin, letter: Letter) -> Asking:
    """Record it, and have it sent."""
    version, wanted, customer = reference.version, letter.wanted, letter.customer
    method, account = writing.way("")
    id = message_of(origin)
    member = reference.staff.get(origin.user)
    sent = Outbound(
        id=id,
        config_version=version,
        conversation_id=letter.conversation_id,
        effect=Effect.RECORDED,
        method=method,
        account=account,
        message_id=messages.message_id(letter.conversation_id, id, writing.mail_domain),
        answered=messages.answerable(letter.answered),
        to=customer.email,
        contact_id=customer.contact_id,
        subject_line=wanted.subject_line,
        text=wanted.text,
        files=letter.files,
        by=origin.user,
        writer=member.name if member else origin.user,
        now=origin.now,
    )
    keep(tx, sent, [])
    recorded = CommunicationRecorded(
        communication_id=id,
        conversation_id=letter.conversation_id,
        method=method,
        case_ids=(),
        customer=customer,
        subject_line=wanted.subject_line,
        direction="outbound",
        occurred_at=origin.now,
    )
    message = RecordMessageAsked.model_validate({**letter.about, **sent.asked(customer.name)})
    for revision, payload in enumerate((recorded, message), 1):
        tx.emit(
            payload,
            aggregate_id=id,
            key=id,
            revision=revision,
            cause=origin.cause,
            time=origin.now,
            config_version=version,
            traceparent=origin.traceparent,
        )
    return Asking(id, customer.email)


class ContactMessages:
    """Writing to a contact about nothing that is recorded yet. Raise `UnknownContact`, `UnknownCommunication`, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData) -> None:
        self._reference = reference
        self._writing = VersionCache(reference, Writing)

    def templates(self) -> Sequence[DraftTemplate]:
        """Those that a message to a contact may begin with, in the configuration's order."""
        return tuple(self._writing.get(self._reference.version).templates_of_contacts.values())

    def draft(self, contact: Contact, code: str, writer: str) -> Draft | None:
        """The template of this code filled for a contact; None: there is none that a contact can fill."""
        writing = self._writing.get(self._reference.version)
        template = writing.templates_of_contacts.get(code)
        if template is None:
            return None
        body, naming = writing.texts(template, writing.way("")[0])
        return filled_with(body, contact_tag_values(contact.name, contact.email, naming, self._people(writer), writer))

    def tags(self, contact: Contact, writer: str) -> dict[str, str]:
        """What each tag stands for in a message to this contact."""
        writing = self._writing.get(self._reference.version)
        return contact_tag_values(contact.name, contact.email, writing.naming(writing.way("")[0]), self._people(writer), writer)

    def _people(self, writer: str) -> dict[str, str]:
        member = self._reference.staff.get(writer)
        return {writer: member.name} if member else {}

    def send(self, tx: Transaction, origin: Origin, unit: str, contact_id: UUID, wanted: Wanted) -> Asking:
        """Record the message and have it sent. `unit`: the writer's; empty: they have none."""
        contact = _contact(tx, contact_id)
        what = _what(contact)
        if wanted.files:
            raise InputRefused(what, "files of communications go with messages about their case or lead only: hand the file in")
        files = with_new(tx, what, [], wanted, origin.user, origin.now)
        return self._send(tx, origin, unit, contact, with_tags(what, wanted, self.tags(contact, origin.user)), files)

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
        asked = ask(tx, self._reference, self._writing.get(self._reference.version), origin, letter)
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
