"""Contact events of other systems: made into communications, by HTTP at once and from the upstream topic in batches (COM-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.communication import LONGEST_LINE, LONGEST_NAME, cut, occurred
from services.ingest.domain.contacts import BadHandle, contact_conversation, contact_event_id, normal_handle
from services.ingest.domain.mail import clean_text
from services.ingest.handlers.events import REVISION, event_of
from services.ingest.storage.waiting import waiting
from shared.clock import Clock
from shared.messaging import Handler, NotYet, ReferenceData, Refused, VersionCache
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived, ContactEvent
from shared.schemas.parts import FileRef, Handle
from shared.storage import Transaction
from shared.storage.objects import ObjectStore, StoreUnavailable


class ContactRefused(Exception):
    """No communication can be made from this contact event; the text says why, without its data."""


@dataclass(frozen=True, slots=True)
class ContactRules:
    """What a configuration says about contacts that others report: methods and their directions, subjects."""

    directions: dict[str, frozenset[str]]
    subjects: frozenset[str]


def contact_rules(configuration: Configuration) -> ContactRules:
    """The rules of a configuration version."""
    return ContactRules(
        {method.code: frozenset(method.directions) for method in configuration.methods},
        frozenset(subject.code for subject in configuration.subjects),
    )


def communication_of(
    contact: ContactEvent, rules: ContactRules, region: str, now: datetime, whole: FileRef | None
) -> CommunicationReceived:
    """The communication that `contact` tells of. `whole`: the file with its text, where that is too long for an event.

    Raises `ContactRefused`.
    """
    allowed = rules.directions.get(contact.method)
    if allowed is None:
        raise ContactRefused(f"communication method {contact.method} is not in the configuration")
    if contact.direction not in allowed:
        raise ContactRefused(f"communication method {contact.method} is not for {contact.direction} contacts")
    unknown = [subject for subject in contact.subjects if subject not in rules.subjects]
    if unknown:
        raise ContactRefused(f"subject {', '.join(unknown)} is not in the configuration")
    try:
        handle = normal_handle(contact.sender.kind, contact.sender.value, region)
    except BadHandle as error:
        raise ContactRefused(str(error)) from error
    communication = contact_event_id(contact.source_system, contact.external_id)
    text, truncated = cut(clean_text(contact.text), BODY_LIMIT_BYTES)
    return CommunicationReceived(
        communication_id=communication,
        conversation_id=contact_conversation(contact.source_system, contact.conversation, communication),
        direction=contact.direction,
        method=contact.method,
        sender=Handle(kind=contact.sender.kind, value=handle, name=clean_text(contact.sender.name)[:LONGEST_NAME]),
        subject_line=clean_text(contact.subject_line)[:LONGEST_LINE],
        text=text,
        text_truncated=truncated,
        occurred_at=occurred(contact.occurred_at, now),
        received_at=now,
        raw=whole,
        subjects=contact.subjects,
    )


def is_long(contact: ContactEvent) -> bool:
    """Whether an event cannot hold the contact's text."""
    return cut(clean_text(contact.text), BODY_LIMIT_BYTES)[1]


def whole_text(contact: ContactEvent, objects: ObjectStore) -> FileRef:
    """The contact's text as a file. Raises `StoreUnavailable`."""
    encoded = clean_text(contact.text).encode()
    return FileRef(sha256=objects.put(encoded), size=len(encoded), filename="contact.txt", content_type="text/plain; charset=utf-8")


class ContactIntake:
    """Takes contact events one by one, over HTTP. One per process; safe to use from several threads."""

    def __init__(self, reference: ReferenceData, objects: ObjectStore, publisher: DirectPublisher, region: str) -> None:
        self._reference = reference
        self._rules = VersionCache(reference, contact_rules)
        self._objects = objects
        self._publisher = publisher
        self._region = region

    def take(self, contact: ContactEvent, now: datetime) -> UUID:
        """Take `contact`; its communication's id, once Kafka has it. Repeating it changes nothing.

        Raises `ContactRefused`, and, for the sender to try again, `StoreUnavailable` and
        `NotAcknowledged`.
        """
        version = self._reference.version
        rules = self._rules.get(version)
        data = communication_of(contact, rules, self._region, now, None)
        if data.text_truncated:
            data = data.model_copy(update={"raw": whole_text(contact, self._objects)})
        event = event_of(data, now=now, config_version=version, traceparent=current_traceparent())
        try:
            self._publisher.publish([event])
        except NotAcknowledged:
            metrics.REFUSED.labels("kafka").inc()
            raise
        metrics.CONTACTS.labels("http").inc()
        return data.communication_id


@dataclass(slots=True)
class ContactBatch:
    """What a batch of contact events meets and makes."""

    rules: ContactRules
    config_version: int
    now: datetime
    files: dict[UUID, FileRef | None]
    """Texts too long for an event; None: it could not be stored just now."""
    known: set[UUID]
    """Communications whose event waits in the outbox already, or was made in this batch."""
    made: list[tuple[Event, CommunicationReceived]] = field(default_factory=list)


class OnContactEvents:
    """The handler of `casestream.contact-events`."""

    def __init__(self, reference: ReferenceData, objects: ObjectStore, region: str, clock: Clock) -> None:
        self._reference = reference
        self._rules = VersionCache(reference, contact_rules)
        self._objects = objects
        self._region = region
        self._clock = clock

    def handler(self) -> Handler[ContactBatch]:
        """The three steps, for the consumer loop."""
        return Handler(load=self.load, apply={ContactEvent: self.on_contact_event}, save=save)

    def load(self, tx: Transaction, events: Sequence[Event]) -> ContactBatch:
        """Store texts that are too long for an event, and see which communications are on their way already.

        The texts are rare, and the same again when the batch is done again; so they may be stored within the transaction.
        """
        contacts = {contact_event_id(event.data.source_system, event.data.external_id): event.data for event in events}
        version = self._reference.version
        files: dict[UUID, FileRef | None] = {}
        for id, contact in contacts.items():
            if is_long(contact):
                try:
                    files[id] = whole_text(contact, self._objects)
                except StoreUnavailable:
                    files[id] = None
        return ContactBatch(self._rules.get(version), version, self._clock(), files, waiting(tx, contacts))

    def on_contact_event(self, batch: ContactBatch, event: Event) -> None:
        """Decide on one contact event. Raises `Refused` and `NotYet`."""
        contact: ContactEvent = event.data
        communication = contact_event_id(contact.source_system, contact.external_id)
        whole = batch.files.get(communication)
        try:
            data = communication_of(contact, batch.rules, self._region, batch.now, whole)
        except ContactRefused as error:
            raise Refused(str(error)) from error
        if data.text_truncated and whole is None:
            raise NotYet("its text cannot be stored just now")
        if communication not in batch.known:
            batch.known.add(communication)
            batch.made.append((event, data))


def save(tx: Transaction, batch: ContactBatch) -> None:
    """Emit the communications."""
    for event, data in batch.made:
        tx.emit(
            data,
            aggregate_id=data.communication_id,
            key=data.conversation_id,
            revision=REVISION,
            cause=data.communication_id,
            time=batch.now,
            config_version=batch.config_version,
            traceparent=event.traceparent,
        )
    metrics.CONTACTS.labels("topic").inc(len(batch.made))
