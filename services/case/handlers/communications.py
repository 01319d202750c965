"""On a communication received: record it, match its contact, open or join cases (CASE-1, COM-7, CON-1). Calls go on (COM-5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case import metrics
from services.case.domain.case import SYSTEM, Case, Change, HistoryEntry, entries
from services.case.domain.hearing import heard_by
from services.case.domain.loops import Frequent, LoopBreaker
from services.case.domain.matching import Effect, continues, effect, is_among, is_held, whose
from services.case.domain.quoting import QuotedCase, quoted_numbers
from services.case.domain.refusals import PriorityRefused
from services.case.domain.routing import Routed
from services.case.handlers import calls, concerning, hearing, late_replies, loops, undeliverable
from services.case.handlers.calls import CallBatch
from services.case.handlers.events import emit_case
from services.case.handlers.hearing import Hearings
from services.case.handlers.late_replies import LateReplies
from services.case.handlers.records import (
    Decision,
    HandleKey,
    Opening,
    case_record,
    communication_record,
    customer_handle,
    customer_of,
    opening_of,
)
from services.case.handlers.rules import Rules
from services.case.storage import cases, communications, contacts, conversations, record_messages
from services.case.storage.cases import Held
from services.case.storage.communications import Attachment, CaseCommunication, Communication, JoinedConversation
from services.case.storage.contacts import Contact, HandleRow
from services.case.storage.conversations import CaseWithContact
from services.case.storage.record_messages import CommunicationItem, LeadThread
from shared.clock import Clock
from shared.messaging import Handler, ReferenceData, Refused, VersionCache
from shared.schemas.envelope import Event
from shared.schemas.events import CaseOpened, CommunicationBounced, CommunicationReceived, CommunicationRecorded, CommunicationUpdated
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

Conversations = dict[UUID, list[CaseWithContact]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A communication that was taken in, with what is to be said of it."""

    event: Event
    customer: CustomerRef
    openings: tuple[Opening, ...]
    case_ids: tuple[UUID, ...]
    area: str
    """The contact's."""
    concerned: tuple[UUID, ...] = ()
    """The cases that it told something about, where anybody is to hear of that."""
    lead: LeadThread | None = None
    """The lead likewise."""


@dataclass(slots=True)
class CommunicationBatch:
    """What a batch of communications meets and makes."""

    rules: Rules
    config_version: int
    now: datetime
    known: set[UUID]
    conversations: Conversations
    contacts: dict[HandleKey, list[Contact]]
    strangers: Mapping[HandleKey, UUID]
    """The ids of the contacts that nobody's handles may become."""
    quoted: dict[tuple[str, str], QuotedCase]
    """By number and the address that quotes it."""
    breaker: LoopBreaker
    calls: CallBatch
    late: LateReplies
    rules_of: Callable[[int], Rules]
    with_staff: set[UUID]
    """Conversations that are with staff, about a case."""
    leads: dict[UUID, LeadThread]
    """The leads that conversations belong to."""
    of_leads: list[CommunicationItem] = field(default_factory=list)
    new_contacts: list[Contact] = field(default_factory=list)
    new_handles: list[HandleRow] = field(default_factory=list)
    communications: list[Communication] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    links: list[CaseCommunication] = field(default_factory=list)
    joined: list[JoinedConversation] = field(default_factory=list)
    history: list[HistoryEntry] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    heard: Hearings = field(default_factory=dict)
    alive: dict[HandleKey, undeliverable.Heard] = field(default_factory=dict)
    """Addresses that people wrote from, each with the last time."""


class OnCommunications:
    """The handler of `casestream.communications`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules], clock: Clock) -> None:
        self._reference = reference
        self._rules = rules
        self._clock = clock
        self._frequent = Frequent()

    def handler(self) -> Handler[CommunicationBatch]:
        """The three steps, for the consumer loop."""
        return Handler(load=self.load, apply={CommunicationReceived: receive, CommunicationUpdated: update}, save=save)

    def load(self, tx: Transaction, events: Sequence[Event]) -> CommunicationBatch:
        """What is known of these communications, their conversations and their senders."""
        contacts.recording(tx)
        received = [event.data for event in events if isinstance(event.data, CommunicationReceived)]
        # A merge that ends between our look at where conversations lead and our commit would lose what we join to the merged case.
        conversations.hold_still(tx)
        known = communications.known(tx, [data.communication_id for data in received])
        reported = calls.load(tx, events)
        handles = {customer_handle(data) for data in received} | reported.handles
        version = self._reference.version
        threads = conversations.lead(tx, list({data.conversation_id for data in received}))
        answering = sorted({data.conversation_id for data in received if data.in_reply_to or data.references or data.bounce})
        # A reply to us quotes the number too, but its references tell already.
        quotes = {
            (number, data.sender.value.lower())
            for data in received
            if not _continues(data, bool(threads.cases.get(data.conversation_id)))
            for number in _quoted_numbers(data)
        }
        rules = self._rules.get(version)
        quoted = conversations.quoted(tx, sorted(quotes)) if quotes else {}
        handles = {handle for handle in handles if "\x00" not in handle[1]}
        known_contacts, strangers = contacts.meet(tx, handles)
        threaded = [(data, [id for id, _ in _cases_of(data, threads.cases, quoted, rules)[0]]) for data in received]
        closed = threads.closed | {case.id for case in quoted.values() if case.is_closed}
        return CommunicationBatch(
            rules=rules,
            config_version=version,
            now=self._clock(),
            known=known,
            conversations=threads.cases,
            contacts=known_contacts,
            strangers=strangers,
            quoted=quoted,
            breaker=loops.load(tx, rules, threaded, known_contacts, self._frequent),
            calls=reported,
            late=late_replies.load(tx, rules, closed, threads.with_staff, threaded),
            rules_of=self._rules.get,
            with_staff=threads.with_staff,
            # Only what answers something can belong to a lead: its conversation begins with a message of ours.
            leads=record_messages.leads_of(tx, answering) if answering else {},
        )


def receive(batch: CommunicationBatch, event: Event) -> None:
    """Decide on one communication. Raises `Refused` for what no rule of the configuration covers."""
    data: CommunicationReceived = event.data
    if data.communication_id in batch.known:
        return
    _check(data, batch.rules)
    cases_of_it, suggested = _cases_of(data, batch.conversations, batch.quoted, batch.rules)
    conversation = batch.conversations.get(data.conversation_id, [])
    lead = batch.leads.get(data.conversation_id)
    what = effect(
        direction=data.direction,
        robot=data.robot,
        has_cases=bool(conversation),
        has_references=bool(data.in_reply_to or data.references),
        is_threaded=bool(data.message_id),
        # An answer about a lead that is worked on is read there. Nobody looks at a closed one any more.
        opens_case=data.opens_case and not (lead and lead.is_open),
        is_trusted=_is_trusted(data, batch.rules),
        quotes_own_case=bool(cases_of_it),
        old=data.old,
    )
    openings = _openings(batch, data) if what is Effect.OPENS else ()
    contact = _contact(batch, data, cases_of_it or conversation or ([(lead.id, lead.contact_id)] if lead else []))
    decision = _broken(batch, data, what, cases_of_it) or Decision(what, suggested)
    case_ids: tuple[UUID, ...] = ()
    concerned: tuple[UUID, ...] = ()
    if decision.effect is Effect.OPENS:
        case_ids = tuple(opening.id for opening in openings)
        of_contact = contact.id if contact else None
        batch.conversations.setdefault(data.conversation_id, []).extend((id, of_contact) for id in case_ids)
    elif decision.effect in (Effect.JOINS, Effect.HISTORY):
        reached = late_replies.reach(batch.late, event, cases_of_it, batch.rules, batch.rules_of, batch.now)
        openings = (reached.opening,) if reached.opening else ()
        late_replies.opened(batch.late, reached, contact.id if contact else None)
        case_ids = tuple(id for id, _ in reached.cases)
        if not conversation:
            # Who answers this mail, and not one of ours, quotes no number perhaps.
            batch.conversations[data.conversation_id] = reached.cases
            batch.joined += [JoinedConversation(data.conversation_id, id) for id in case_ids]
        by = data.entered_by or SYSTEM
        batch.history += [HistoryEntry(id, None, "communication", None, str(data.communication_id), by, batch.now) for id in case_ids]
        _note_heard(batch, event, case_ids, by)
        concerned = () if openings else case_ids  # of what goes on in another case its opening tells
        case_ids = (*(opening.id for opening in openings), *case_ids)
    else:
        openings = ()
    undeliverable.note(batch.alive, event)
    batch.known.add(data.communication_id)
    batch.communications.append(communication_record(data, decision, contact, batch.config_version))
    for position, file in enumerate(data.attachments):
        batch.attachments.append(
            Attachment(data.communication_id, position, file.sha256, file.size, file.filename, file.content_type, file.inline, file.danger)
        )
    batch.links += [CaseCommunication(data.communication_id, id, position) for position, id in enumerate(case_ids)]
    if lead:
        batch.of_leads.append(CommunicationItem(data.communication_id, record_messages.LEAD, lead.id))
    # Of an old one nobody hears: to whoever listens it would be activity now, a clock that is over already, or a bounce to act upon.
    if not data.old:
        area = contact.area if contact else ""
        is_news = concerning.tells(data, batch.with_staff, batch.rules.staff_addresses)
        about = (concerned, lead) if is_news else ((), None)
        batch.recorded.append(Recorded(event, customer_of(data, contact), openings, case_ids, area, *about))


def update(batch: CommunicationBatch, event: Event) -> None:
    """Decide on one report of a call. Raises `Refused` for one of a communication that is not known."""
    calls.update(batch.calls, event, batch.known)


def save(tx: Transaction, batch: CommunicationBatch) -> None:
    """Write everything, and say what happened: the cases opened, then the communication."""
    joined = {link.case_id for link in batch.links} - {opening.id for recorded in batch.recorded for opening in recorded.openings}
    hearing.lock(tx, batch.heard)
    held = cases.hold(tx, sorted(joined)) if joined else {}
    contacts.add(tx, batch.new_contacts, batch.new_handles)
    communications.add(tx, batch.communications, batch.attachments, batch.links, batch.joined)
    record_messages.add_to_leads(tx, batch.of_leads, SYSTEM, batch.now)
    numbers = iter(cases.next_numbers(tx, sum(len(recorded.openings) for recorded in batch.recorded)))
    opened: list[Case] = []
    for recorded in batch.recorded:
        for opening in recorded.openings:
            data: CommunicationReceived = recorded.event.data
            opened_at = min(data.received_at, batch.now)  # the clock of the host that received it may run ahead
            by = data.entered_by or SYSTEM
            version, number = batch.config_version, next(numbers)
            case = case_record(data, opening, recorded.customer, number, batch.rules, version, opened_at, batch.now, by, recorded.area)
            opened.append(case)
            batch.history += entries(case, (Change("communication", None, str(case.communication_id)), Change("state", None, case.state)))
            emit_case(tx, CaseOpened, case, recorded.event.id, batch.now, recorded.event.traceparent)
            metrics.CASES_OPENED.labels(case.subject).inc()
        _emit_recorded(tx, batch, recorded, held)
    answered = calls.save(tx, batch.calls, batch.communications, batch.contacts, batch.rules, batch.config_version, batch.now)
    cases.add(tx, opened)
    late_replies.save(tx, batch.late, batch.now)
    cases.add_history(tx, batch.history)
    hearing.save(tx, batch.heard, answered, batch.now)
    undeliverable.heard(tx, batch.alive, batch.now)
    for communication in batch.communications:
        metrics.COMMUNICATIONS.labels(communication.effect).inc()
    loops.tell(batch.breaker, batch.contacts)


def _check(data: CommunicationReceived, rules: Rules) -> None:
    if data.method not in rules.methods:
        raise Refused(f"communication method {data.method} is not in the configuration")
    unknown = [subject for subject in data.subjects if subject not in rules.subjects]
    if unknown:
        raise Refused(f"subject {', '.join(unknown)} is not in the configuration")
    names = [part for file in data.attachments for part in (file.filename, file.content_type, file.danger)]
    addresses = (data.sender.value, data.sender.name, data.channel_account, data.location, *data.recipients)
    threading = (data.message_id, data.in_reply_to, *data.references)
    answers = [text for answer in data.script_answers for text in (answer.prompt, answer.answer)]
    if "\x00" in "".join((data.text, data.subject_line, *addresses, *threading, *names, *answers)):
        raise Refused("text with a NUL character, which the database cannot hold")


def _note_heard(batch: CommunicationBatch, event: Event, case_ids: Sequence[UUID], by: str) -> None:
    """Note that customers hear of these cases by a communication of ours. By a call they do once it is answered, which is told later."""
    data: CommunicationReceived = event.data
    is_call = not data.opens_case and data.raw is None  # of a recording there is the gateway's word; of a call nothing is stored
    if data.direction == "inbound" or is_call:
        return
    is_with_staff = data.conversation_id in batch.with_staff
    at = heard_by(data.direction, data.robot, data.occurred_at, batch.now, old=data.old, is_with_staff=is_with_staff)
    if at is not None:
        hearing.note(batch.heard, case_ids, at, event, by)


def _continues(data: CommunicationReceived, has_cases: bool) -> bool:
    return continues(has_cases=has_cases, has_references=bool(data.in_reply_to or data.references), is_threaded=bool(data.message_id))


def _quoted_numbers(data: CommunicationReceived) -> tuple[str, ...]:
    """The case numbers that a customer's mail quotes."""
    if data.direction != "inbound" or not data.message_id or data.sender.kind != "email" or "\x00" in data.sender.value:
        return ()
    return quoted_numbers(data.subject_line)


def _cases_of(
    data: CommunicationReceived, conversations: Conversations, quoted: Mapping[tuple[str, str], QuotedCase], rules: Rules
) -> tuple[list[CaseWithContact], UUID | None]:
    """The cases that it joins; if there are none, the case whose number a stranger quotes."""
    conversation = conversations.get(data.conversation_id, [])
    if _continues(data, bool(conversation)):
        return conversation, None
    if not quoted:
        return [], None
    sender = data.sender.value.lower()
    found = [case for number in _quoted_numbers(data) if (case := quoted.get((number, sender))) is not None]
    # Every communication of a case was sent to an account of ours: that whoever writes in its name is known proves nothing.
    is_anybody = not sender or sender in rules.own_addresses
    own = list(dict.fromkeys((case.id, case.contact_id) for case in found if case.is_known and not is_anybody))
    return own, found[0].id if found and not own else None


def _broken(
    batch: CommunicationBatch, data: CommunicationReceived, what: Effect, cases_of_it: Sequence[CaseWithContact]
) -> Decision | None:
    """The decision on a mail that is one too many (EDGE-2): it is kept, with the case that it would have joined. None: it is not."""
    if not loops.is_capped(data):
        return None
    breaker, sender = batch.breaker, data.sender.value.lower()
    if what is Effect.OPENS and not breaker.may_open(sender, data.received_at, is_trusted=is_among(batch.rules.trusted_robots, sender)):
        return Decision(Effect.RECORDED, reason=loops.LOOP)
    ids = [id for id, _ in cases_of_it]
    if what is Effect.JOINS and not breaker.may_join(ids, sender, data.received_at, is_robot=data.robot != "none"):
        return Decision(Effect.RECORDED, ids[0], loops.LOOP)
    return None


def _is_trusted(data: CommunicationReceived, rules: Rules) -> bool:
    return data.robot != "none" and data.sender.kind == "email" and is_among(rules.trusted_robots, data.sender.value)


def _openings(batch: CommunicationBatch, data: CommunicationReceived) -> tuple[Opening, ...]:
    rules = batch.rules
    if data.subjects:
        routed = tuple(Routed(subject) for subject in dict.fromkeys(data.subjects))
    else:
        routed = rules.router.route(data.method, data.channel_account, data.subject_line, data.text)
    try:
        return tuple([opening_of(data.communication_id, each, rules) for each in routed])
    except PriorityRefused as error:
        raise Refused(str(error)) from error


def _contact(batch: CommunicationBatch, data: CommunicationReceived, conversation: Sequence[CaseWithContact]) -> Contact | None:
    """Whose it is. Somebody unknown who writes to us becomes a new contact; whom we write to, or an untrusted robot, not."""
    handle = customer_handle(data)
    candidates = batch.contacts.get(handle)
    if candidates:
        found = whose([contact.id for contact in candidates], [contact for _, contact in conversation])
        return next((contact for contact in candidates if contact.id == found), None)
    kind, value = handle
    # A withheld number or a mail without a sender is nobody in particular, not one contact for all of them.
    if data.direction == "outbound" or is_held(data.robot, _is_trusted(data, batch.rules)) or not value:
        return None
    new = Contact(batch.strangers[handle], 1, None, data.sender.name, value if kind == "email" else "", batch.now)
    batch.contacts[handle] = [new]
    batch.new_contacts.append(new)
    batch.new_handles.append(HandleRow(kind, value, new.id))
    return new


def _emit_recorded(tx: Transaction, batch: CommunicationBatch, recorded: Recorded, held: Mapping[UUID, Held]) -> None:
    data: CommunicationReceived = recorded.event.data
    kind = CommunicationRecorded if data.bounce is None else CommunicationBounced
    reopened = {id: case for id, (case, _) in batch.late.reopened.items()}
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
        concerns=concerning.concerns(held, recorded.concerned, reopened, recorded.lead, data.entered_by),
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
