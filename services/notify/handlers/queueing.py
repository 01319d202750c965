"""Events in, queued deliveries out. Nothing is rendered here: a delivery keeps the facts, and its text is made when it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from services.notify.domain.bounces import Verdict, judge
from services.notify.domain.limits import Frequent
from services.notify.domain.occasions import Delivery
from services.notify.domain.preferences import Rules
from services.notify.domain.recipients import Directory, plan_deliveries
from services.notify.handlers import by_hand
from services.notify.handlers.automation import deliveries_of
from services.notify.handlers.definitions import holding, policy_of
from services.notify.handlers.lapsing import lapse_of, lapses
from services.notify.handlers.occasions import Reading, Readings, wrote, wrote_occasion
from services.notify.handlers.outcomes import emit_outcome
from services.notify.handlers.preferring import place
from services.notify.handlers.refusing import refusals
from services.notify.handlers.withdrawing import TakenBack, taken_back
from services.notify.metrics import QUEUED, STOPPED
from services.notify.storage import bounces, deliveries, digests, messages, notifications, suppressions
from services.notify.storage.deliveries import Finished
from services.notify.storage.notifications import Lapse
from services.notify.storage.suppressions import Restored
from shared.clock import Clock, utc_now
from shared.messaging import Handler, ReferenceData, VersionCache
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    ApprovalWithdrawn,
    CaseOpened,
    ClockWithdrawn,
    CommunicationBounced,
    CommunicationErased,
    CommunicationRecorded,
    ContactChanged,
    ContactErased,
    RuleFired,
    TaskTriggered,
)
from shared.storage import Transaction


@dataclass(slots=True)
class Queue:
    """What a batch of events has come to so far."""

    directory: Directory
    planned: list[Delivery] = field(default_factory=list)
    came_back: list[Verdict] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    """Addresses of customers who made contact anew."""
    restored: list[Restored] = field(default_factory=list)
    """Addresses and numbers that are known to work again."""
    erased: list[UUID] = field(default_factory=list)
    """Communications and cases whose titles were erased."""
    forgotten: list[UUID] = field(default_factory=list)
    """Cases whose customer was erased."""
    taken_back: list[TakenBack] = field(default_factory=list)
    """Alerts that proved wrong."""
    lapsed: list[tuple[Lapse, int]] = field(default_factory=list)
    """What was settled, each with the number of messages planned before."""


Apply = Callable[[Queue, Event], None]
"""What one event adds to the queue."""


def queueing(
    reference: ReferenceData, readings: Readings, others: Mapping[type[Payload], Apply] = MappingProxyType({}), clock: Clock = utc_now
) -> Handler[Queue]:
    """The handler that queues the deliveries of the events in `readings`, and takes in `others`, which tell of deliveries."""
    policies = VersionCache(reference, policy_of)
    frequent = Frequent()

    def rules(version: int) -> Rules:
        return policies.get(version).rules

    def load(_tx: Transaction, _events: Sequence[Event]) -> Queue:
        return Queue(Directory(reference.staff, reference.units, policies.get().phones if reference.version else {}))

    def placed(tx: Transaction, planned: Sequence[Delivery]) -> list[Finished]:
        if not planned:
            return []
        refused = refusals(tx, planned, policies.get().limits.automatic_per_case_a_day, frequent)
        return place(tx, planned, refused, rules, clock())

    def save(tx: Transaction, queue: Queue) -> None:
        outcomes = bounces.came_back(tx, queue.came_back)
        if queue.alive and suppressions.is_any(tx):
            suppressions.revive(tx, queue.alive)
        suppressions.restore(tx, queue.restored)
        outcomes += digests.told(tx, outcomes)
        outcomes += placed(tx, queue.planned)
        corrections: list[Delivery] = []
        if queue.taken_back:
            stopped, corrections = taken_back(tx, queue.taken_back, queue.directory)
            outcomes += stopped + placed(tx, corrections)
        outcomes += notifications.lapse(tx, lapses(queue.lapsed, queue.planned))
        deliveries.erase_titles(tx, queue.erased)
        if queue.erased:
            outcomes += messages.erase(tx, queue.erased)
        outcomes += deliveries.forget_customers(tx, queue.forgotten)
        for outcome in outcomes:
            emit_outcome(tx, outcome)
            STOPPED.labels(outcome.state).inc()
        for definition, count in Counter(delivery.definition for delivery in (*queue.planned, *corrections)).items():
            QUEUED.labels(definition).inc(count)

    def settle(queue: Queue, event: Event) -> None:
        if (lapsed := lapse_of(event.data, len(queue.planned))) is not None:
            queue.lapsed.append(lapsed)

    def planning(reading: Reading) -> Apply:
        def plan(queue: Queue, event: Event) -> None:
            version = event.config_version or reference.version
            policy = policies.get(version)
            settle(queue, event)
            if isinstance(event.data, CaseOpened):
                queue.alive.add(event.data.customer.email.lower())
            for on in reading.names(event.data):
                definitions = policy.definitions.get(on, ())
                if isinstance(event.data, ClockWithdrawn):
                    if event.data.alert_id is not None:
                        occasion = reading.read(on, event, version)
                        definitions = holding(definitions, on, event.data)
                        queue.taken_back.append(TakenBack(event.data.alert_id, occasion, definitions, policy.mail_domain))
                elif definitions := holding(definitions, on, event.data):
                    occasion = reading.read(on, event, version)
                    queue.planned += plan_deliveries(occasion, definitions, queue.directory, policy.mail_domain, policy.default_unit)

        return plan

    def on_rule_fired(queue: Queue, event: Event) -> None:
        version = event.config_version or reference.version
        queue.planned += deliveries_of(event, queue.directory, policies.get(version).mail_domain, version)

    def on_recorded(queue: Queue, event: Event) -> None:
        version = event.config_version or reference.version
        policy = policies.get(version)
        for concerned in event.data.concerns:
            on = wrote(concerned)
            if definitions := holding(policy.definitions.get(on, ()), on, concerned):
                occasion = wrote_occasion(event, concerned, version)
                queue.planned += plan_deliveries(occasion, definitions, queue.directory, policy.mail_domain, policy.default_unit)

    occasions: dict[type[Payload], Apply] = {payload: planning(reading) for payload, reading in readings.items()}
    if CaseOpened in readings:
        occasions[CommunicationRecorded] = on_recorded
    if TaskTriggered in readings:
        occasions[RuleFired] = on_rule_fired
        occasions[ApprovalWithdrawn] = settle
    return Handler(load=load, apply={**occasions, **others}, save=save)


def on_bounce(queue: Queue, event: Event) -> None:
    """A bounce ends the delivery that came back."""
    data: CommunicationBounced = event.data
    if data.bounce is not None:
        verdict = judge(data.bounce.message_id, [(one.action, one.status) for one in data.bounce.recipients])
        if verdict is not None:
            queue.came_back.append(verdict)


def on_contact_changed(queue: Queue, event: Event) -> None:
    """Where case knows that a handle works again, it is written to again: the two must not say different things."""
    data: ContactChanged = event.data
    queue.restored += [Restored(one.value.lower(), one.at, data.changed_by) for one in data.restored]


def on_message_asked(queue: Queue, event: Event) -> None:
    """Somebody wrote to a customer."""
    queue.planned.append(by_hand.delivery_of(event, event.config_version))


def on_erased(queue: Queue, event: Event) -> None:
    """What was erased is not kept here either."""
    data: CommunicationErased = event.data
    queue.erased += [data.communication_id, *data.opened]


def on_contact_erased(queue: Queue, event: Event) -> None:
    """Of a customer who was erased nothing is kept here either, and nothing more is sent to them."""
    data: ContactErased = event.data
    queue.forgotten += data.case_ids
