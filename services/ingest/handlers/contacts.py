"""Contact events of other systems: made into communications, by HTTP at once and from the upstream topic in batches (COM-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.communication import LONGEST_LINE, LONGEST_NAME, cut, occurred
from services.ingest.domain.contacts import Upload, contact_conversation, contact_event_id, normal_handle
from services.ingest.domain.mail import clean_text
from services.ingest.handlers.events import REVISION, event_of
from services.ingest.storage.waiting import waiting
from shared.clock import Clock
from shared.dangers import danger
from shared.handles import BadHandle
from shared.ids import CommunicationId
from shared.messaging import Handler, NotYet, ReferenceData, Refused, VersionCache
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability.tracing import current_traceparent
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.schemas.events import BODY_LIMIT_BYTES, CommunicationReceived, ContactEvent
from shared.schemas.parts import FileRef, Handle, ScriptAnswer
from shared.storage import Transaction
from shared.storage.objects import ObjectStore, StoreUnavailable


class ContactRefused(Exception):
    """No communication can be made from this contact event; the text says why, without its data."""


@dataclass(frozen=True, slots=True)
class MethodRules:
    """What contacts by a communication method may say. No `locations`: any place."""

    directions: frozenset[str]
    locations: frozenset[str]
    default_subject_line: str
    prompts: dict[str, frozenset[str]]
    """Those of its scripts, by `pre` and `security`."""


@dataclass(frozen=True, slots=True)
class ContactRules:
    """What a configuration says about contacts that others report, by the codes of methods and subjects."""

    methods: dict[str, MethodRules]
    subjects: frozenset[str]
    by_machine: frozenset[str]
    """Methods whose contacts mailboxes, handles on X or web forms bring; nobody enters them by hand."""


def contact_rules(configuration: Configuration) -> ContactRules:
    """The rules of a configuration version."""
    methods = {
        method.code: MethodRules(
            frozenset(method.directions),
            frozenset(method.locations),
            method.default_subject_line,
            {"pre": frozenset(method.pre_script), "security": frozenset(method.security_script)},
        )
        for method in configuration.methods
    }
    by_machine = {account.method for account in configuration.mail_accounts}
    by_machine |= {account.method for account in configuration.x_accounts} | {form.method for form in configuration.web_forms}
    return ContactRules(methods, frozenset(subject.code for subject in configuration.subjects), frozenset(by_machine))


def communication_of(
    contact: ContactEvent, communication: CommunicationId, rules: ContactRules, region: str, now: datetime, whole: FileRef | None
) -> CommunicationReceived:
    """The communication that `contact` tells of. `whole`: the file with its text, where that is too long for an event.

    Raises `ContactRefused`.
    """
    method = _method(contact, rules)
    try:
        handle = normal_handle(contact.sender.kind, contact.sender.value, region)
    except BadHandle as error:
        raise ContactRefused(str(error)) from error
    text, truncated = cut(clean_text(contact.text), BODY_LIMIT_BYTES)
    subject_line = clean_text(contact.subject_line)
    if not subject_line.strip():
        subject_line = clean_text(method.default_subject_line)
    return CommunicationReceived(
        communication_id=communication,
        conversation_id=contact_conversation(contact.source_system, contact.conversation, communication),
        direction=contact.direction,
        method=contact.method,
        location=clean_text(contact.location),
        sender=Handle(kind=contact.sender.kind, value=handle, name=clean_text(contact.sender.name)[:LONGEST_NAME]),
        subject_line=subject_line[:LONGEST_LINE],
        text=text,
        text_truncated=truncated,
        occurred_at=occurred(contact.occurred_at, now),
        received_at=now,
        raw=whole,
        subjects=contact.subjects,
        script_answers=tuple(
            [ScriptAnswer(script=given.script, prompt=given.prompt, answer=clean_text(given.answer)) for given in contact.scripts]
        ),
    )


def _method(contact: ContactEvent, rules: ContactRules) -> MethodRules:
    """The contact's method, with which all that the contact says agrees. Raises `ContactRefused`."""
    method = rules.methods.get(contact.method)
    if method is None:
        raise ContactRefused(f"communication method {contact.method} is not in the configuration")
    if contact.direction not in method.directions:
        raise ContactRefused(f"communication method {contact.method} is not for {contact.direction} contacts")
    if contact.location and method.locations and contact.location not in method.locations:
        raise ContactRefused(f"the location is none of communication method {contact.method}")
    for number, given in enumerate(contact.scripts, 1):
        if given.prompt not in method.prompts[given.script]:
            raise ContactRefused(
                f"the prompt of script answer {number} is not in the {given.script} script of communication method {contact.method}"
            )
    unknown = [subject for subject in contact.subjects if subject not in rules.subjects]
    if unknown:
        raise ContactRefused(f"subject {', '.join(unknown)} is not in the configuration")
    return method


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

    def take(
        self, contact: ContactEvent, communication: CommunicationId, files: Sequence[Upload], now: datetime, entered_by: str = ""
    ) -> None:
        """Take `contact` as `communication` with `files`; returns once Kafka has it. Repeating it changes nothing.

        `entered_by`: the member of staff who enters it by hand.

        Raises `ContactRefused`, and, for the sender to try again, `StoreUnavailable` and
        `NotAcknowledged`.
        """
        version = self._reference.version
        rules = self._rules.get(version)
        if entered_by and contact.method in rules.by_machine:
            raise ContactRefused(f"contacts of communication method {contact.method} come in by themselves and are not entered by hand")
        data = communication_of(contact, communication, rules, self._region, now, None)
        try:
            digests = self._objects.put_many([file.content for file in files])
            whole = whole_text(contact, self._objects) if data.text_truncated else None
        except StoreUnavailable:
            metrics.REFUSED.labels("objects").inc()
            raise
        data = data.model_copy(update={"raw": whole, "attachments": tuple(map(_file_ref, files, digests)), "entered_by": entered_by})
        event = event_of(data, now=now, config_version=version, traceparent=current_traceparent())
        try:
            self._publisher.publish([event])
        except NotAcknowledged:
            metrics.REFUSED.labels("kafka").inc()
            raise
        metrics.CONTACTS.labels("http").inc()
        metrics.STORED_BYTES.inc(sum(len(file.content) for file in files))


def _file_ref(file: Upload, digest: str) -> FileRef:
    return FileRef(
        sha256=digest,
        size=len(file.content),
        filename=file.filename,
        content_type=file.content_type,
        danger=danger(file.filename, file.content),
    )


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
            data = communication_of(contact, communication, batch.rules, self._region, batch.now, whole)
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
