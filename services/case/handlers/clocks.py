"""On a clock of sla: a communication without activity expires, and with it the cases that only such ones feed (COM-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case import metrics
from services.case.domain.case import Case, HistoryEntry, entries
from services.case.domain.expiry import Outcome, outcome_of_expiry
from services.case.domain.progress import expire, put_up_for_review
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import cases, communications, contacts
from services.case.storage.communications import Expiring
from shared.clock import Clock
from shared.messaging import Handler, Refused, VersionCache
from shared.schemas.envelope import Event
from shared.schemas.events import CaseStatusChanged, ClockExpired, CommunicationExpired, ItemKind
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction


@dataclass(slots=True)
class ExpiryBatch:
    """What a batch of expiries meets and makes."""

    now: datetime
    rules: VersionCache[Rules]
    communications: dict[UUID, Expiring]
    cases: dict[UUID, Case]
    unexpired: dict[UUID, set[UUID]]
    """By case, the customers' communications that have not expired."""
    expired: dict[UUID, Event] = field(default_factory=dict)
    cancelled: list[tuple[Case, Event]] = field(default_factory=list)
    changed: dict[UUID, Case] = field(default_factory=dict)
    history: list[HistoryEntry] = field(default_factory=list)


class OnClocks:
    """The handler of `casestream.sla`."""

    def __init__(self, rules: VersionCache[Rules], clock: Clock) -> None:
        self._rules = rules
        self._clock = clock

    def handler(self) -> Handler[ExpiryBatch]:
        """The three steps, for the consumer loop."""
        return Handler(load=self.load, apply={ClockExpired: expired}, save=save)

    def load(self, tx: Transaction, events: Sequence[Event]) -> ExpiryBatch:
        """Lock the communications that expire and the cases they feed."""
        ids = [event.data.item_id for event in events if isinstance(event.data, ClockExpired) and _is_communication(event)]
        if ids:
            # Communications may follow in the same transaction, and recording them comes before any lock.
            contacts.recording(tx)
        found = communications.lock_expiring(tx, ids) if ids else {}
        fed = sorted({case_id for communication in found.values() for case_id in communication.case_ids})
        return ExpiryBatch(
            now=self._clock(),
            rules=self._rules,
            communications=found,
            cases=cases.lock(tx, fed) if fed else {},
            unexpired=communications.unexpired_by_case(tx, fed) if fed else {},
        )


def _is_communication(event: Event) -> bool:
    return bool(event.data.item_kind is ItemKind.COMMUNICATION)


def expired(batch: ExpiryBatch, event: Event) -> None:
    """Decide on one expiry."""
    if not _is_communication(event):
        return
    communication = batch.communications.get(event.data.item_id)
    if communication is None:
        raise Refused(f"communication {event.data.item_id} is not known")
    if communication.is_expired or communication.id in batch.expired:
        return
    batch.expired[communication.id] = event
    for case_id in communication.case_ids:
        remaining = batch.unexpired.get(case_id, set())
        remaining.discard(communication.id)
        case = batch.cases[case_id]
        rules = batch.rules.get(case.config_version)
        match outcome_of_expiry(case, not remaining, rules.priorities.highest_urgency):
            case Outcome.CANCELLED:
                changed, changes = expire(case, rules.subjects[case.subject].life_cycle, batch.now)
                batch.cancelled.append((changed, event))
            case Outcome.FOR_REVIEW:
                changed, changes = put_up_for_review(case, batch.now)
            case Outcome.STAYS:
                continue
        batch.cases[case_id] = batch.changed[case_id] = changed
        batch.history += entries(changed, changes)


def save(tx: Transaction, batch: ExpiryBatch) -> None:
    """Write the expiries and the cases they changed, and say so."""
    if not batch.expired:
        return
    communications.expire(tx, list(batch.expired), batch.now)
    cases.change(tx, list(batch.changed.values()))
    cases.add_history(tx, batch.history)
    for case, event in batch.cancelled:
        emit_case(tx, CaseStatusChanged, case, event.id, batch.now, event.traceparent)
    for communication_id, event in batch.expired.items():
        _emit_expired(tx, batch.communications[communication_id], event, batch.now)
    metrics.CASES_EXPIRED.labels(Outcome.CANCELLED.value).inc(len(batch.cancelled))
    metrics.CASES_EXPIRED.labels(Outcome.FOR_REVIEW.value).inc(len(batch.changed) - len(batch.cancelled))


def _emit_expired(tx: Transaction, communication: Expiring, event: Event, now: datetime) -> None:
    payload = CommunicationExpired.model_validate(
        {
            "communication_id": communication.id,
            "conversation_id": communication.conversation_id,
            "method": communication.method,
            "case_ids": communication.case_ids,
            "customer": CustomerRef(
                contact_id=communication.contact_id, name=communication.customer_name, email=communication.customer_email
            ),
            "subject_line": communication.subject_line,
            "direction": communication.direction,
            "robot": communication.robot,
            "occurred_at": communication.occurred_at,
        }
    )
    tx.emit(
        payload,
        aggregate_id=communication.id,
        key=communication.key,
        revision=communication.revision + 1,
        cause=event.id,
        time=now,
        config_version=communication.config_version,
        traceparent=event.traceparent,
    )
