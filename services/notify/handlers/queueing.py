"""Events in, queued deliveries out. Nothing is rendered here: a delivery keeps the facts, and its text is made when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.notify.domain.occasions import Definition, Delivery
from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.handlers.occasions import Reading
from services.notify.metrics import QUEUED
from services.notify.storage import deliveries
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event, Payload
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Policy:
    """What a version of the configuration says about messages: definitions by the name of their event, and our own mail domain."""

    definitions: Mapping[str, tuple[Definition, ...]]
    mail_domain: str


def policy_of(configuration: Configuration) -> Policy:
    """The policy of one version of the configuration."""
    by_event: dict[str, list[Definition]] = {}
    for section in configuration.communications:
        by_event.setdefault(section.on, []).append(
            Definition(section.code, section.on, section.to, section.channel, section.template, frozenset(section.items))
        )
    # What is escalated is still overdue: those who were told that are told again, and those up the chain as well.
    by_event["clock.escalated"] = by_event.get("clock.overdue", []) + by_event.get("clock.escalated", [])
    return Policy({on: tuple(found) for on, found in by_event.items()}, configuration.organisation.mail_domain)


@dataclass(slots=True)
class Queue:
    """What a batch of events has come to so far."""

    directory: Directory
    planned: list[Delivery] = field(default_factory=list)


def queueing(reference: ReferenceData, readings: Mapping[type[Payload], Reading]) -> Handler[Queue]:
    """The handler that queues the deliveries of the events in `readings`."""
    policies = VersionCache(reference, policy_of)

    def load(_tx: Transaction, _events: Sequence[Event]) -> Queue:
        return Queue(Directory(reference.staff, reference.units))

    def save(tx: Transaction, queue: Queue) -> None:
        deliveries.queue(tx, queue.planned)
        for delivery in queue.planned:
            QUEUED.labels(delivery.definition).inc()

    def planning(read: Reading) -> Callable[[Queue, Event], None]:
        def plan(queue: Queue, event: Event) -> None:
            policy = policies.get(event.config_version)
            occasion = read(event)
            if occasion is not None and (definitions := policy.definitions.get(occasion.on)):
                if not occasion.config_version:
                    occasion = replace(occasion, config_version=reference.version)
                queue.planned += plan_deliveries(occasion, definitions, queue.directory, policy.mail_domain)

        return plan

    return Handler(load=load, apply={payload: planning(read) for payload, read in readings.items()}, save=save)
