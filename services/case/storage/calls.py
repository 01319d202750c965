"""Telephone calls as they go on, beside the communications that they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.storage.records import columns_of, insert
from shared.storage import Transaction, arrays


class CallRow(NamedTuple):
    """How far a call has got. Field names are the columns."""

    communication_id: UUID
    revision: int
    stage: str
    rang_at: datetime | None
    answered_at: datetime | None
    answered_by: str
    ended_at: datetime | None
    ending: int
    outcome: str
    seconds: int | None


class CallParties(NamedTuple):
    """Of a call's communication, what is told with every change. Field names are the columns of `communications`."""

    id: UUID
    conversation_id: UUID
    direction: str
    method: str
    channel_account: str
    sender_kind: str
    sender: str
    sender_name: str
    recipients: Sequence[str]
    contact_id: UUID | None
    occurred_at: datetime


def lock(tx: Transaction, communication_ids: Sequence[UUID]) -> tuple[dict[UUID, CallParties], dict[UUID, CallRow]]:
    """Of these, the communications that are known, locked in the order of their ids; and how far their calls have got, where anything was
    told of it.
    """
    ids = arrays.uuids(sorted(communication_ids))
    names = ", ".join(CallParties._fields)
    found = tx.rows(f"select {names} from communications where id = any(%b) order by id for no key update", (ids,))
    if not found:
        return {}, {}
    rows = tx.rows(f"select {', '.join(columns_of(CallRow))} from calls where communication_id = any(%b)", (ids,))
    return {row[0]: CallParties(*row) for row in found}, {row[0]: CallRow(*row) for row in rows}


def save(tx: Transaction, rows: Sequence[CallRow]) -> None:
    """Write how far these calls have got; their communications are locked, or new."""
    names = [name for name in columns_of(CallRow) if name != "communication_id"]
    renewed = ", ".join(f"{name} = excluded.{name}" for name in names)
    insert(tx, "calls", rows, f"on conflict (communication_id) do update set {renewed}")
