"""On a communication received: record it, match its contact, open or join cases (CASE-1, COM-7, CON-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson

from services.case import metrics
from services.case.domain.case import SYSTEM, Case, Change, HistoryEntry, entries
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.matching import Effect, effect, whose
from services.case.domain.refusals import PriorityRefused
from services.case.domain.routing import Routed
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules, SubjectRules
from services.case.storage import cases, communications, contacts
from services.case.storage.communications import Attachment, CaseCommunication, Communication
from services.case.storage.contacts import Contact, HandleRow
from services.case.storage.records import Document
from shared.clock import Clock
from shared.ids import case_id, contact_id
from shared.messaging import Handler, ReferenceData, Refused, VersionCache
from shared.schemas.envelope import Event
from shared.schemas.events import CaseOpened, CommunicationBounced, CommunicationReceived, CommunicationRecorded
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

NO_ANSWERS = Document(b"[]")
HandleKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """A case to be opened: all but its number, which the database gives."""

    event: Event
    id: UUID
    subject: SubjectRules
    urgency: str
    impact: str
    priority: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A communication that was taken in, with what is to be said of it."""

    event: Event
    customer: CustomerRef
    openings: tuple[Opening, ...]
    case_ids: tuple[UUID, ...]


@dataclass(slots=True)
class CommunicationBatch:
    """What a batch of communications meets and makes."""

    rules: Rules
    config_version: int
    now: datetime
    known: set[UUID]
    conversations: dict[UUID, list[tuple[UUID, UUID | None]]]
    contacts: dict[HandleKey, list[Contact]]
    new_contacts: list[Contact] = field(default_factory=list)
    new_handles: list[HandleRow] = field(default_factory=list)
    communications: list[Communication] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    links: list[CaseCommunication] = field(default_factory=list)
    history: list[HistoryEntry] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)


class OnCommunications:
    """The handler of `casestream.communications`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules], clock: Clock) -> None:
        self._reference = reference
        self._rules = rules
        self._clock = clock

    def handler(self) -> Handler[CommunicationBatch]:
        """The three steps, for the consumer loop."""
        return Handler(load=self.load, apply={CommunicationReceived: receive}, save=save)

    def load(self, tx: Transaction, events: Sequence[Event]) -> CommunicationBatch:
        """What is known of these communications, their conversations and their senders."""
        received = [event.data for event in events if isinstance(event.data, CommunicationReceived)]
        handles = {customer_handle(data) for data in received}
        version = self._reference.version
        return CommunicationBatch(
            rules=self._rules.get(version),
            config_version=version,
            now=self._clock(),
            known=communications.known(tx, [data.communication_id for data in received]),
            conversations=cases.by_conversation(tx, list({data.conversation_id for data in received})),
            contacts=contacts.load_by_handles(tx, sorted(handle for handle in handles if "\x00" not in handle[1])),
        )


def receive(batch: CommunicationBatch, event: Event) -> None:
    """Decide on one communication. Raises `Refused` for what no rule of the configuration covers."""
    data: CommunicationReceived = event.data
    if data.communication_id in batch.known:
        return
    _check(data, batch.rules)
    conversation = batch.conversations.get(data.conversation_id, [])
    what = effect(
        direction=data.direction,
        robot=data.robot,
        has_cases=bool(conversation),
        has_references=bool(data.in_reply_to or data.references),
        is_threaded=bool(data.message_id),
        opens_case=data.opens_case,
        old=data.old,
    )
    openings = _openings(batch, event) if what is Effect.OPENS else ()
    contact = _contact(batch, data, conversation)
    if openings:
        case_ids = tuple(opening.id for opening in openings)
        of_contact = contact.id if contact else None
        batch.conversations.setdefault(data.conversation_id, []).extend((id, of_contact) for id in case_ids)
    elif what in (Effect.JOINS, Effect.HISTORY):
        case_ids = tuple(id for id, _ in conversation)
        batch.history += [HistoryEntry(id, None, "communication", None, str(data.communication_id), SYSTEM, batch.now) for id in case_ids]
    else:
        case_ids = ()
    batch.known.add(data.communication_id)
    batch.communications.append(_communication(data, what, contact, batch.config_version))
    for position, file in enumerate(data.attachments):
        batch.attachments.append(
            Attachment(data.communication_id, position, file.sha256, file.size, file.filename, file.content_type, file.inline)
        )
    batch.links += [CaseCommunication(data.communication_id, id, position) for position, id in enumerate(case_ids)]
    # Of an old one nobody hears: to whoever listens it would be activity now, a clock that is over already, or a bounce to act upon.
    if not data.old:
        batch.recorded.append(Recorded(event, _customer(data, contact), openings, case_ids))


def save(tx: Transaction, batch: CommunicationBatch) -> None:
    """Write everything, and say what happened: the cases opened, then the communication."""
    contacts.add(tx, batch.new_contacts, batch.new_handles)
    communications.add(tx, batch.communications, batch.attachments, batch.links)
    numbers = iter(cases.next_numbers(tx, sum(len(recorded.openings) for recorded in batch.recorded)))
    opened: list[Case] = []
    for recorded in batch.recorded:
        for opening in recorded.openings:
            case = _case(batch, opening, recorded.customer, next(numbers))
            opened.append(case)
            batch.history += entries(case, (Change("communication", None, str(case.communication_id)), Change("state", None, case.state)))
            emit_case(tx, CaseOpened, case, opening.event.id, batch.now, opening.event.traceparent)
            metrics.CASES_OPENED.labels(case.subject).inc()
        _emit_recorded(tx, batch, recorded)
    cases.add(tx, opened)
    cases.add_history(tx, batch.history)
    for communication in batch.communications:
        metrics.COMMUNICATIONS.labels(communication.effect).inc()


def customer_handle(data: CommunicationReceived) -> HandleKey:
    """By what the customer is recognised: who wrote to us, or to whom we wrote."""
    value = data.recipients[0] if data.direction == "outbound" and data.recipients else data.sender.value
    kind = data.sender.kind
    return (kind, value.lower() if kind == "email" else value)


def _check(data: CommunicationReceived, rules: Rules) -> None:
    if data.method not in rules.methods:
        raise Refused(f"communication method {data.method} is not in the configuration")
    unknown = [subject for subject in data.subjects if subject not in rules.subjects]
    if unknown:
        raise Refused(f"subject {', '.join(unknown)} is not in the configuration")
    names = [part for file in data.attachments for part in (file.filename, file.content_type)]
    addresses = (data.sender.value, data.sender.name, data.channel_account, data.location, *data.recipients)
    threading = (data.message_id, data.in_reply_to, *data.references)
    answers = [text for answer in data.script_answers for text in (answer.prompt, answer.answer)]
    if "\x00" in "".join((data.text, data.subject_line, *addresses, *threading, *names, *answers)):
        raise Refused("text with a NUL character, which the database cannot hold")


def _openings(batch: CommunicationBatch, event: Event) -> tuple[Opening, ...]:
    data: CommunicationReceived = event.data
    rules = batch.rules
    if data.subjects:
        routed = tuple(Routed(subject) for subject in dict.fromkeys(data.subjects))
    else:
        routed = rules.router.route(data.method, data.channel_account, data.subject_line, data.text)
    openings = []
    for each in routed:
        subject = rules.subjects[each.subject]
        urgency, impact = each.urgency or subject.urgency, each.impact or subject.impact
        try:
            priority = rules.priorities.priority(urgency, impact)
        except PriorityRefused as error:
            raise Refused(str(error)) from error
        openings.append(Opening(event, case_id(data.communication_id, subject.code), subject, urgency, impact, priority))
    return tuple(openings)


def _contact(batch: CommunicationBatch, data: CommunicationReceived, conversation: Sequence[tuple[UUID, UUID | None]]) -> Contact | None:
    """Whose it is. Somebody unknown who writes to us becomes a new contact; a robot, or somebody we write to, does not."""
    handle = customer_handle(data)
    candidates = batch.contacts.get(handle)
    if candidates:
        found = whose([contact.id for contact in candidates], [contact for _, contact in conversation])
        return next((contact for contact in candidates if contact.id == found), None)
    kind, value = handle
    # A withheld number or a mail without a sender is nobody in particular, not one contact for all of them.
    if data.direction == "outbound" or data.robot != "none" or not value:
        return None
    new = Contact(contact_id(kind, value), 1, None, data.sender.name, value if kind == "email" else "", batch.now)
    batch.contacts[handle] = [new]
    batch.new_contacts.append(new)
    batch.new_handles.append(HandleRow(kind, value, new.id))
    return new


def _customer(data: CommunicationReceived, contact: Contact | None) -> CustomerRef:
    kind, value = customer_handle(data)
    sender_name = data.sender.name if data.direction == "inbound" else ""
    return CustomerRef(
        contact_id=contact.id if contact else None,
        account_id=contact.account_id if contact else None,
        name=(contact.name if contact else "") or sender_name,
        email=value if kind == "email" else (contact.email if contact else ""),
    )


def _communication(data: CommunicationReceived, what: Effect, contact: Contact | None, config_version: int) -> Communication:
    return Communication(
        id=data.communication_id,
        revision=1,
        config_version=config_version,
        conversation_id=data.conversation_id,
        effect=what.value,
        direction=data.direction,
        method=data.method,
        channel_account=data.channel_account,
        location=data.location,
        sender_kind=data.sender.kind,
        sender=data.sender.value,
        sender_name=data.sender.name,
        recipients=data.recipients,
        contact_id=contact.id if contact else None,
        subject_line=data.subject_line,
        body=data.text,
        body_truncated=data.text_truncated,
        message_id=data.message_id,
        in_reply_to=data.in_reply_to,
        reference_ids=data.references,
        robot=data.robot,
        raw_sha256=data.raw.sha256 if data.raw else None,
        raw_size=data.raw.size if data.raw else None,
        occurred_at=data.occurred_at,
        received_at=data.received_at,
        script_answers=Document(orjson.dumps([answer.model_dump() for answer in data.script_answers]))
        if data.script_answers
        else NO_ANSWERS,
    )


def _case(batch: CommunicationBatch, opening: Opening, customer: CustomerRef, number: int) -> Case:
    data: CommunicationReceived = opening.event.data
    subject = opening.subject
    status = subject.life_cycle.defaults[LifeCycle.PENDING]
    opened_at = min(data.received_at, batch.now)  # the clock of the host that received it may run ahead
    return Case(
        id=opening.id,
        number=f"C-{opened_at.year}-{number:06d}",
        revision=1,
        config_version=batch.config_version,
        subject=subject.code,
        title=data.subject_line.strip() or subject.name,
        communication_id=data.communication_id,
        conversation_id=data.conversation_id,
        method=data.method,
        contact_id=customer.contact_id,
        account_id=customer.account_id,
        customer_name=customer.name,
        customer_email=customer.email,
        state=LifeCycle.PENDING,
        status=status,
        status_before=None,
        urgency=opening.urgency,
        impact=opening.impact,
        priority=opening.priority,
        category=subject.category,
        unit=batch.rules.unit_for(subject, data.channel_account),
        owner=None,
        waiting_for_customer=subject.life_cycle.statuses[status].waiting_for_customer,
        needs_review=False,
        reason="",
        opened_at=opened_at,
        responded_at=None,
        resolved_at=None,
        completed_at=None,
        expected_completion_at=batch.rules.expected_completion(subject, opened_at),
        changed_at=batch.now,
        changed_by=SYSTEM,
    )


def _emit_recorded(tx: Transaction, batch: CommunicationBatch, recorded: Recorded) -> None:
    data: CommunicationReceived = recorded.event.data
    kind = CommunicationRecorded if data.bounce is None else CommunicationBounced
    payload = kind(
        communication_id=data.communication_id,
        conversation_id=data.conversation_id,
        method=data.method,
        case_ids=recorded.case_ids,
        customer=recorded.customer,
        subject_line=data.subject_line,
        direction=data.direction,
        robot=data.robot,
        bounce=data.bounce,
        occurred_at=data.occurred_at,
    )
    tx.emit(
        payload,
        aggregate_id=data.communication_id,
        key=recorded.case_ids[0] if recorded.case_ids else data.communication_id,
        revision=1,
        cause=recorded.event.id,
        time=batch.now,
        config_version=batch.config_version,
        traceparent=recorded.event.traceparent,
    )
