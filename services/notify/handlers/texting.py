"""Text messages to customers queued, beside whatever else notify makes of events and in the same transaction (NOTE-2).

Events name a customer, not their number: that is learned from what case tells of contacts, and looked up when the message is queued.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.limits import Frequent, Limits
from services.notify.domain.occasions import Definition, Delivery, Occasion, Recipient
from services.notify.domain.recipients import message_id
from services.notify.handlers.automation import texts_of
from services.notify.handlers.definitions import definition_of, holding, limits_of
from services.notify.handlers.occasions import Readings
from services.notify.handlers.outcomes import emit_outcome
from services.notify.handlers.refusing import refusals
from services.notify.metrics import QUEUED, STOPPED
from services.notify.storage import deliveries, phones
from shared.handles import BadHandle, normal_handle
from shared.ids import delivery_id
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import CommunicationRecorded, ContactChanged, ContactErased, RuleFired
from shared.storage import Transaction

CHANNEL = "sms"
PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a version of the configuration says about text messages: definitions by the name of their event, our mail domain, and limits."""

    definitions: Mapping[str, tuple[Definition, ...]]
    mail_domain: str
    limits: Limits


def policy_of(configuration: Configuration) -> Policy:
    """The policy of one version of the configuration; staff's numbers are the configuration's own (`handlers.queueing`)."""
    found: dict[str, tuple[Definition, ...]] = {}
    for one in configuration.communications:
        if one.channel == CHANNEL and "customer" in one.to:
            found[one.on] = (*found.get(one.on, ()), definition_of(one))
    return Policy(found, configuration.organisation.mail_domain, limits_of(configuration))


class Wanted(NamedTuple):
    """A text message, but for its number."""

    contact: UUID
    occasion: Occasion
    definition: Definition
    mail_domain: str


@dataclass(slots=True)
class Batch:
    """What a batch of events has come to: `own` to the handler around which this is, and the rest to text messages."""

    own: Any
    wanted: list[Wanted] = field(default_factory=list)
    heard: dict[UUID, str] = field(default_factory=dict)
    told: dict[UUID, str] = field(default_factory=dict)
    erased: set[UUID] = field(default_factory=set)


Apply = Callable[[Batch, Event], None]


def texting(reference: ReferenceData, readings: Readings, inner: Handler[Any], learns: bool = False) -> Handler[Batch]:
    """The handler that does what `inner` does, and queues text messages. `learns`: whether the topic tells of contacts."""
    policies = VersionCache(reference, policy_of)
    frequent = Frequent()

    def load(tx: Transaction, events: Sequence[Event]) -> Batch:
        return Batch(inner.load(tx, events))

    def save(tx: Transaction, batch: Batch) -> None:
        inner.save(tx, batch.own)
        phones.learn(tx, batch.heard, batch.told)
        phones.forget(tx, batch.erased)
        if batch.wanted:
            most = policies.get().limits.automatic_per_case_a_day
            _queue(tx, batch.wanted, lambda planned: refusals(tx, planned, most, frequent))

    def planning(payload: type[Payload]) -> Apply:
        own, reading = inner.apply.get(payload), readings.get(payload)

        def apply(batch: Batch, event: Event) -> None:
            if own is not None:
                own(batch.own, event)
            customer = getattr(event.data, "customer", None)
            if reading is None or customer is None or customer.contact_id is None:
                return
            version = event.config_version or reference.version
            policy = policies.get(version)
            for on in reading.names(event.data):
                if definitions := holding(policy.definitions.get(on, ()), on, event.data):
                    occasion = reading.read(on, event, version)
                    batch.wanted += [
                        Wanted(customer.contact_id, occasion, one, policy.mail_domain) for one in definitions if _fits(one, occasion)
                    ]

        return apply

    apply: dict[type[Payload], Apply] = {payload: planning(payload) for payload in {**inner.apply, **readings}}
    if RuleFired in apply:
        own_firing = apply[RuleFired]

        def on_rule_fired(batch: Batch, event: Event) -> None:
            own_firing(batch, event)
            version = event.config_version or reference.version
            for contact, occasion, definition in texts_of(event, version):
                batch.wanted.append(Wanted(contact, occasion, definition, policies.get(version).mail_domain))

        apply[RuleFired] = on_rule_fired
    if learns:
        own_changing, own_erasing, own_recording = apply[ContactChanged], apply[ContactErased], apply[CommunicationRecorded]

        def on_erased(batch: Batch, event: Event) -> None:
            own_erasing(batch, event)
            batch.erased.add(event.data.contact_id)

        def on_contact_changed(batch: Batch, event: Event) -> None:
            own_changing(batch, event)
            on_changed(batch, event)

        def on_communication(batch: Batch, event: Event) -> None:
            own_recording(batch, event)
            on_recorded(batch, event)

        apply |= {ContactChanged: on_contact_changed, CommunicationRecorded: on_communication, ContactErased: on_erased}
    return Handler(load=load, apply=apply, save=save)


def on_changed(batch: Batch, event: Event) -> None:
    """Staff made or changed a contact: the first of its numbers counts; one that text messages do not reach, where there is no other."""
    data: ContactChanged = event.data
    numbers = [one.value for one in data.handles if one.kind == PHONE]
    lost = {one.value for one in data.undeliverable if one.kind == PHONE}
    batch.told[data.contact_id] = next((_number(one) for one in sorted(numbers, key=lambda one: one in lost)), "")


def on_recorded(batch: Batch, event: Event) -> None:
    """Somebody made contact by telephone or text message."""
    customer = event.data.customer
    if customer.contact_id is not None and (number := _number(customer.phone)):
        batch.heard.setdefault(customer.contact_id, number)


def _number(value: str) -> str:
    try:
        return normal_handle(PHONE, value)
    except BadHandle:
        return ""


def _fits(definition: Definition, occasion: Occasion) -> bool:
    if definition.items and occasion.item_kind not in definition.items:
        return False
    return not definition.statuses or occasion.facts.get("status") in definition.statuses


def _queue(tx: Transaction, wanted: Sequence[Wanted], refused: Callable[[Sequence[Delivery]], Mapping[UUID, str]]) -> None:
    """Queue what has a number. One number gets one message an occasion: the first definition that names it wins.

    `refused`: of those that are planned, the ones that are not sent.
    """
    numbers = phones.of(tx, {one.contact for one in wanted})
    planned: dict[tuple[UUID, str, str], Delivery] = {}
    for contact, occasion, definition, mail_domain in wanted:
        number = numbers.get(contact)
        if number is not None:
            identity = delivery_id(occasion.cause, definition.code, number)
            thread = occasion.conversation_id or occasion.item_id
            recipient = Recipient(number, occasion.customer_name, "customer")
            delivery = Delivery(
                identity,
                definition.code,
                CHANNEL,
                definition.template,
                recipient,
                thread,
                message_id(thread, identity, mail_domain),
                occasion,
                definition.expiry(occasion),
            )
            planned.setdefault((occasion.cause, occasion.on, number), delivery)
    found = list(planned.values())
    for delivery in found:
        QUEUED.labels(delivery.definition).inc()
    for outcome in deliveries.queue(tx, found, refused(found)):
        emit_outcome(tx, outcome)
        STOPPED.labels(outcome.state).inc()
