"""On a report of a telephone call: how far it has got, told at once to whoever answers (COM-5).

A report of a communication that is not known is refused: ingest publishes the communication before it, under the same key, so it can
only be missing where it became a dead letter itself. Replayed after that one it has its effect, late or not: order does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case import metrics
from services.case.domain.calls import CallState, Report, Stage, told
from services.case.domain.hearing import heard_in
from services.case.handlers.records import HandleKey
from services.case.handlers.rules import Rules
from services.case.storage import calls
from services.case.storage.calls import CallParties, CallRow
from services.case.storage.communications import Communication
from services.case.storage.contacts import Contact
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import CallChanged, CommunicationUpdated
from shared.schemas.parts import ContactRef, CustomerRef
from shared.storage import Transaction

MOST_CANDIDATES = 20


@dataclass(slots=True)
class CallBatch:
    """What a batch's reports meet and make."""

    parties: Mapping[UUID, CallParties]
    rows: Mapping[UUID, CallRow]
    states: dict[UUID, CallState]
    causes: dict[UUID, Event] = field(default_factory=dict)
    """The last report that changed each call."""

    @property
    def handles(self) -> set[HandleKey]:
        """Whose calls they are."""
        return {(call.sender_kind, other_party(call)) for call in self.parties.values()}


def load(tx: Transaction, events: Sequence[Event]) -> CallBatch:
    """Lock the calls that are known of those reported on."""
    ids = {event.data.communication_id for event in events if isinstance(event.data, CommunicationUpdated)}
    parties, rows = calls.lock(tx, list(ids)) if ids else ({}, {})
    return CallBatch(parties, rows, {id: _state(row) for id, row in rows.items()})


def update(batch: CallBatch, event: Event, received: Collection[UUID]) -> None:
    """Decide on one report. `received`: communications that came in the same batch. Raises `Refused`."""
    data: CommunicationUpdated = event.data
    id = data.communication_id
    if id not in batch.parties and id not in received:
        raise Refused(f"communication {id} is not known; replay it first")
    if "\x00" in data.answered_by:
        raise Refused("text with a NUL character, which the database cannot hold")
    before = batch.states.get(id)
    stage = Stage(data.stage.value)
    after = told(before or CallState(), Report(stage, data.at, data.outcome, data.duration_seconds, data.answered_by, data.leg))
    if after != before:
        batch.states[id], batch.causes[id] = after, event


def save(
    tx: Transaction,
    batch: CallBatch,
    new: Sequence[Communication],
    contacts: Mapping[HandleKey, Sequence[Contact]],
    rules: Rules,
    config_version: int,
    now: datetime,
) -> dict[UUID, tuple[datetime, Event]]:
    """Write what changed, and say so. `new`: the communications that came in the same batch.

    By which calls of ours customers have heard of their cases now: since when, and the report that told it.
    """
    heard: dict[UUID, tuple[datetime, Event]] = {}
    if not batch.causes:
        return heard
    received = {communication.id: communication for communication in new}
    written = []
    for id, event in batch.causes.items():
        known = batch.rows.get(id)
        row = _row(id, known.revision + 1 if known else 1, batch.states[id])
        written.append(row)
        parties = batch.parties.get(id) or received[id]
        at = heard_in(batch.states[id], now) if parties.direction == "outbound" else None
        if at is not None and (known is None or heard_in(_state(known), now) is None):
            heard[id] = (at, event)
        tx.emit(
            _changed(row, parties, contacts.get((parties.sender_kind, other_party(parties)), ()), rules),
            aggregate_id=f"call:{id}",
            key=id,
            revision=row.revision,
            cause=event.id,
            time=now,
            config_version=config_version,
            traceparent=event.traceparent,
        )
        metrics.CALLS.labels(row.stage).inc()
    calls.save(tx, written)
    return heard


def other_party(call: CallParties | Communication) -> str:
    """Who calls, or is called."""
    return call.recipients[0] if call.direction == "outbound" and call.recipients else call.sender


def _state(row: CallRow) -> CallState:
    return CallState(row.rang_at, row.answered_at, row.answered_by, row.ended_at, row.ending, row.outcome, row.seconds)


def _row(id: UUID, revision: int, state: CallState) -> CallRow:
    return CallRow(id, revision, state.stage.value, *state)


def _changed(row: CallRow, call: CallParties | Communication, sharing: Sequence[Contact], rules: Rules) -> CallChanged:
    contact = next((contact for contact in sharing if contact.id == call.contact_id), None)
    name = call.sender_name if call.direction == "inbound" else ""
    candidates = sharing if call.contact_id is None and len(sharing) > 1 else ()
    return CallChanged.model_validate(
        {
            "communication_id": row.communication_id,
            "conversation_id": call.conversation_id,
            "direction": call.direction,
            "method": call.method,
            "line": call.channel_account,
            "unit": rules.account_units.get(call.channel_account.lower()),
            "other_party": {"kind": call.sender_kind, "value": other_party(call), "name": name},
            "customer": CustomerRef(
                contact_id=call.contact_id,
                account_id=contact.account_id if contact else None,
                name=(contact.name if contact else "") or name,
                email=contact.email if contact else "",
            ),
            "candidates": tuple(ContactRef(contact_id=one.id, name=one.name) for one in candidates[:MOST_CANDIDATES]),
            "stage": row.stage,
            "began_at": row.rang_at or min(filter(None, (call.occurred_at, row.answered_at, row.ended_at))),
            "answered_at": row.answered_at,
            "answered_by": row.answered_by,
            "ended_at": row.ended_at,
            "outcome": row.outcome,
            "duration_seconds": row.seconds,
        }
    )
