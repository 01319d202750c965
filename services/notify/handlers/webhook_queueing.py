"""Events in, messages for webhooks queued, beside whatever else notify makes of them and in the same transaction (EDGE-18)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.notify.domain.webhooks import Subscription, Subscriptions
from services.notify.metrics import WEBHOOK_QUEUED
from services.notify.storage import webhooks
from services.notify.storage.webhooks import Told
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.webhooks import types_of
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import CommunicationErased, ContactErased
from shared.storage import Transaction


def subscriptions_of(configuration: Configuration) -> Subscriptions:
    """Who takes what in one version of the configuration."""
    return Subscriptions(
        [
            Subscription(
                section.code, frozenset(name for pattern in section.events for name in types_of(pattern)), frozenset(section.units)
            )
            for section in configuration.webhooks
        ]
    )


@dataclass(slots=True)
class Batch:
    """What a batch of events has come to: `own` to the handler around which this is, and the rest to webhooks."""

    own: Any
    told: list[Told] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    """Items about which nothing is kept."""


Apply = Callable[[Batch, Event], None]


def telling(reference: ReferenceData, inner: Handler[Any] | None = None) -> Handler[Batch]:
    """The handler that does what `inner` does, and tells webhooks of what they take by the newest configuration."""

    def load(tx: Transaction, events: Sequence[Event]) -> Batch:
        return Batch(None if inner is None else inner.load(tx, events))

    def save(tx: Transaction, batch: Batch) -> None:
        if inner is not None:
            inner.save(tx, batch.own)
        webhooks.erase(tx, batch.erased)
        webhooks.queue(tx, batch.told)
        for message in batch.told:
            WEBHOOK_QUEUED.labels(message.webhook).inc()

    return Handler(load=load, apply=_Applies(VersionCache(reference, subscriptions_of), inner), save=save)


class _Applies(Mapping[type[Payload], Apply]):
    """What an event of each type does. Types that neither the inner handler nor any webhook takes are not there: they are not decoded."""

    def __init__(self, subscriptions: VersionCache[Subscriptions], inner: Handler[Any] | None) -> None:
        self._subscriptions = subscriptions
        self._inner = {} if inner is None else inner.apply
        self._made: dict[type[Payload], Apply] = {}

    def __contains__(self, payload: object) -> bool:
        if payload in self._inner:
            return True
        return isinstance(payload, type) and issubclass(payload, Payload) and self._subscriptions.get().takes(payload.event_type)

    def __getitem__(self, payload: type[Payload]) -> Apply:
        made = self._made.get(payload)
        if made is None:
            made = self._made[payload] = self._make(self._inner.get(payload))
        return made

    def __iter__(self) -> Iterator[type[Payload]]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)

    def _make(self, own: Callable[[Any, Event], None] | None) -> Apply:
        def apply(batch: Batch, event: Event) -> None:
            if own is not None:
                own(batch.own, event)
            if gone := _erased_by(event):
                batch.erased |= gone
                batch.told = [message for message in batch.told if message.item not in gone]
            takers = self._subscriptions.get().takers(event.type, getattr(event.data, "unit", None) or "")
            if takers:
                body = structured(event)
                batch.told += [Told(code, event.id, event.type, event.key, body) for code in takers]

        return apply


def _erased_by(event: Event) -> set[str]:
    """The items of which nothing is to be kept after this event. It is told itself: whoever has copies has to erase them too."""
    match event.data:
        case ContactErased(contact_id=contact, case_ids=cases):
            return {str(contact), *map(str, cases)}
        case CommunicationErased(communication_id=communication, opened=opened):
            return {str(communication), *map(str, opened)}
        case _:
            return set()


def structured(event: Event) -> str:
    """The event as CloudEvents has it in structured mode: envelope and data in one JSON object."""
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": "application/json",
        "partitionkey": event.key,
        "revision": event.revision,
        "configversion": event.config_version,
        "data": orjson.Fragment(event.value()),
    }
    if event.traceparent:
        envelope["traceparent"] = event.traceparent
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z).decode()
