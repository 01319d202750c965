"""From records of the changelog to rows of the read model, and to what the API shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from services.sla.domain.clocks import Clock, Rung
from services.sla.domain.packing import unpack
from services.sla.domain.records import ItemKind
from services.sla.handlers.alerts import CLOCK_NAMES, ITEM_NAMES, derived
from services.sla.storage import items
from services.sla.storage.items import Row
from shared.calendars.openings import moment
from shared.ids import clock_id
from shared.storage import Transaction


def project(tx: Transaction, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Write the last of each key's records. Raises `UnknownFormat` for those of a newer release."""
    rows: list[Row] = []
    gone: list[UUID] = []
    # In one order, whoever writes: so two that write at once do not lock each other out.
    for key, packed in sorted(dict(changes).items(), key=itemgetter(0)):
        if key[0] == ItemKind.CONVERSATION:
            continue
        item = UUID(bytes=key[1:])
        if packed is None:
            gone.append(item)
        else:
            rows.append(row_of(item, packed))
    items.write(tx, rows)
    items.forget(tx, gone)


_id = lru_cache(10_000)(UUID)
"""A case's id is that of all its tasks' rows too."""


def row_of(item: UUID, packed: bytes) -> Row:
    """The row of an item."""
    record = unpack(packed)
    facts, clocks = record.facts, record.clocks
    case = _id(facts.case_id) if facts.case_id else (item if record.kind == ItemKind.CASE else None)
    text = str(item)
    ids = [derived("clock", text, CLOCK_NAMES[clock.kind]) for clock in clocks]
    open_clocks = sum([clock.closed_at is None for clock in clocks])
    return Row(item, int(record.kind), case, facts.unit, facts.assignee, open_clocks, ids, packed)


def clocks_of(row: Row) -> list[dict[str, Any]]:
    """The clocks of a row as the API shows them."""
    record = unpack(bytes(row.record))
    return [
        {
            "id": clock_id(row.item_id, CLOCK_NAMES[clock.kind]),
            "kind": CLOCK_NAMES[clock.kind],
            "item_kind": ITEM_NAMES[record.kind],
            "item_id": row.item_id,
            "case_id": row.case_id,
            "number": record.facts.number,
            "title": record.facts.title,
            "unit": row.unit,
            "assignee": row.assignee or None,
            "priority": record.facts.priority,
            "state": _state(clock),
            "started_at": moment(clock.started_at),
            "due_at": moment(clock.due_at),
            "due_soon_at": _moment(clock.soon_at),
            "next_alert_at": _moment(clock.next_at),
            "closed_at": _moment(clock.closed_at),
            "budget_seconds": clock.budget / 1e6,
            "calendar": clock.calendar or None,
            "pauses": clock.is_pausable,
            "suspensions": [{"from_at": moment(since), "until_at": _moment(until)} for since, until, _ in clock.suspensions],
            "alerts": max(0, clock.rung - (Rung.OVERDUE if clock.soon_at is None else Rung.DUE_SOON)),
        }
        for clock in record.clocks
    ]


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)


def _state(clock: Clock) -> str:
    if clock.closed_at is not None:
        return "closed"
    if clock.is_suspended:
        return "suspended"
    return "overdue" if clock.rung > Rung.OVERDUE else "running"
