"""On what became of messages: it is kept with the communication that the message is (NOTE-2).

What staff wrote is recorded already. What a communication definition or a rule made for the customer becomes an outbound communication of
its case now, by the text that was sent. It opens nothing, ends no silence and no waiting, and does not count as a word of ours to the
customer: nobody is told of it (decision 0021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case.domain.matching import Effect
from services.case.domain.messages import NOTICE
from services.case.handlers import undeliverable
from services.case.handlers.records import NO_ANSWERS
from services.case.handlers.writing import Writing
from services.case.storage import cases, communications, contacts
from services.case.storage import messages as storage
from services.case.storage.communications import CaseCommunication, Communication
from services.case.storage.messages import AboutCase, Delivery
from shared.clock import Clock
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import AddressRevived, DeliveryBounced, DeliveryFailed, DeliverySent, DeliveryState
from shared.storage import Transaction


@dataclass(slots=True)
class DeliveryBatch:
    """What a batch of deliveries meets and makes."""

    now: datetime
    writing: Writing
    config_version: int
    known: set[UUID]
    """Those whose message is recorded."""
    cases: dict[UUID, AboutCase]
    """The cases of the others, each by the id that the delivery has it by."""
    news: dict[UUID, Delivery] = field(default_factory=dict)
    communications: dict[UUID, Communication] = field(default_factory=dict)
    links: list[CaseCommunication] = field(default_factory=list)
    dead: list[undeliverable.Told] = field(default_factory=list)
    """What is told of handles that nothing arrives at."""
    revived: list[Event] = field(default_factory=list)
    """Of addresses that an operator has had written to again."""


class OnDeliveries:
    """The handler of `casestream.notifications`."""

    def __init__(self, reference: ReferenceData, clock: Clock) -> None:
        self._reference = reference
        self._writing = VersionCache(reference, Writing)
        self._clock = clock

    def handler(self) -> Handler[DeliveryBatch]:
        """The three steps, for the consumer loop."""
        kinds: tuple[type[Payload], ...] = (DeliverySent, DeliveryFailed, DeliveryBounced)
        return Handler(load=self.load, apply=dict.fromkeys(kinds, ended) | {AddressRevived: revived}, save=save)

    def load(self, tx: Transaction, events: Sequence[Event]) -> DeliveryBatch:
        """Which of these messages are recorded, and what is needed of the cases of those that are to be."""
        told: list[DeliveryState] = [event.data for event in events if isinstance(event.data, DeliveryState)]
        # What belongs to no case was written by hand, about a lead or to a contact.
        ids = [data.delivery_id for data in told if data.case_id is not None or data.audience == "customer"]
        known = communications.known(tx, ids) if ids else set()
        new = [data for data in told if _is_new(data, known)]
        if new or len(told) < len(events) or any(data.undeliverable_since is not None for data in told):
            # A contact that is merged away meanwhile would keep what is recorded now.
            contacts.recording(tx)
        found = storage.about_cases(tx, sorted({data.case_id for data in new if data.case_id is not None})) if new else {}
        version = self._reference.version
        return DeliveryBatch(self._clock(), self._writing.get(version), version, known, found)


def _is_new(data: DeliveryState, known: set[UUID]) -> bool:
    """Whether it is a message to a customer that is not recorded yet."""
    return data.audience == "customer" and data.conversation_id is not None and data.delivery_id not in known


def ended(batch: DeliveryBatch, event: Event) -> None:
    """Take in how a delivery ended; of several words on one the highest revision counts."""
    data: DeliveryState = event.data
    dead = undeliverable.told_by(event)
    if dead is not None:
        batch.dead.append(dead)
    if _is_new(data, batch.known) and data.case_id in batch.cases:
        case = batch.cases[data.case_id]
        batch.communications[data.delivery_id] = _communication(batch, event, case)
        batch.links.append(CaseCommunication(data.delivery_id, case.id, 0))
        batch.known.add(data.delivery_id)
    if data.delivery_id not in batch.known:
        return
    before = batch.news.get(data.delivery_id)
    if before is None or before.revision < event.revision:
        definition = data.definition if data.delivery_id in batch.communications else ""
        error = data.error.replace("\x00", "")[:1000]
        batch.news[data.delivery_id] = Delivery(data.delivery_id, event.revision, event.time, data.state, error, definition)


def revived(batch: DeliveryBatch, event: Event) -> None:
    """Take in that an address is written to again."""
    batch.revived.append(event)


def save(tx: Transaction, batch: DeliveryBatch) -> None:
    """Write what is new."""
    if batch.links:
        cases.hold(tx, sorted({link.case_id for link in batch.links}))
        communications.add(tx, list(batch.communications.values()), [], batch.links, [])
    storage.keep(tx, list(batch.news.values()))
    if batch.dead:
        undeliverable.mark(tx, batch.dead, batch.now)
    for event in batch.revived:
        undeliverable.revived(tx, event, batch.now)


def _communication(batch: DeliveryBatch, event: Event, case: AboutCase) -> Communication:
    data: DeliveryState = event.data
    method, account = batch.writing.way(case.method)
    kind = "email"
    if data.channel == "sms":
        # Of the gateway's number nothing is told.
        kind, method, account = "phone", case.method, ""
    conversation = data.conversation_id
    assert conversation is not None  # noqa: S101 - `_is_new` has seen it
    return Communication(
        id=data.delivery_id,
        revision=1,
        config_version=batch.config_version,
        conversation_id=conversation,
        effect=Effect.JOINS.value,
        direction="outbound",
        method=method,
        channel_account=account,
        location="",
        sender_kind=kind,
        sender=account,
        sender_name="",
        recipients=(data.recipient,) if data.recipient else (),
        contact_id=case.contact_id,
        subject_line=data.subject_line.replace("\x00", ""),
        body=data.text.replace("\x00", ""),
        body_truncated=False,
        own_text_length=None,
        message_id=data.message_id,
        in_reply_to="",
        reference_ids=(),
        robot=NOTICE,
        raw_sha256=None,
        raw_size=None,
        occurred_at=event.time,
        received_at=min(event.time, batch.now),
        script_answers=NO_ANSWERS,
        suggested_case=None,
        reason="",
        old=False,
        entered_by="",
    )
