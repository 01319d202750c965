"""Clocks of the read model as the API shows them, at the moment that somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final
from uuid import UUID

from services.sla.domain.clocks import Clock, Moment, Reason, Rung
from services.sla.domain.packing import unpack
from services.sla.domain.records import ItemKind
from services.sla.domain.timeline import Teller
from services.sla.handlers.alerts import CLOCK_NAMES
from services.sla.handlers.projecting import PolicyOf
from services.sla.storage import clocks, items
from shared.calendars.openings import micros, moment
from shared.ids import clock_id
from shared.storage import Transaction

ITEM_NAMES: Final = {kind: kind.name.lower() for kind in ItemKind}


def clocks_around(tx: Transaction, found: Sequence[items.Found]) -> list[clocks.Found]:
    """The clocks of these items, in their order."""
    ids = [id_of(item, clock) for item in found for clock in unpack(bytes(item.record)).clocks]
    return clocks.of_items(tx, ids) if ids else []


def id_of(item: items.Found, clock: Clock) -> UUID:
    """The id of an item's clock."""
    return clock_id(item.item_id, CLOCK_NAMES[clock.kind])


def view_of(found: clocks.Found, now: datetime) -> dict[str, Any] | None:
    """A clock as the API shows it; None: its item has changed meanwhile and has it no more."""
    item = found.item
    record = unpack(bytes(item.record))
    clock = next((clock for clock in record.clocks if clock.kind == found.kind), None)
    if clock is None:
        return None
    return {
        "id": found.clock_id,
        "kind": CLOCK_NAMES[clock.kind],
        "item_kind": ITEM_NAMES[record.kind],
        "item_id": item.item_id,
        "case_id": item.case_id,
        "number": item.number,
        "title": item.title,
        "unit": item.unit,
        "assignee": item.assignee or None,
        "priority": found.priority,
        "method": found.method,
        "subject": found.subject,
        "state": _state(clock, micros(now)),
        "started_at": moment(clock.started_at),
        "due_at": moment(clock.due_at),
        "due_soon_at": _moment(clock.soon_at),
        "next_alert_at": _moment(clock.next_at),
        "closed_at": _moment(clock.closed_at),
        "outcome": found.outcome or None,
        "budget_seconds": clock.budget / 1e6,
        "calendar": clock.calendar or None,
        "pauses": clock.is_pausable,
        "suspensions": [
            {"from_at": moment(since), "until_at": _moment(until), "reason": Reason(reason).name.lower()}
            for since, until, reason in clock.suspensions
        ],
        "alerts": max(0, clock.rung - (Rung.OVERDUE if clock.soon_at is None else Rung.DUE_SOON)),
    }


def explained(found: clocks.Found, policy_of: PolicyOf, now: datetime, zone: tzinfo) -> dict[str, Any] | None:
    """The same with its story."""
    view = view_of(found, now)
    if view is None:
        return None
    record = unpack(bytes(found.item.record))
    clock = next(clock for clock in record.clocks if clock.kind == found.kind)
    told = Teller(record, policy_of, micros(now), zone).tell(clock, found.outcome)
    return view | {
        "summary": told.summary,
        "target": found.target,
        "used_seconds": _seconds(told.used),
        "left_seconds": _seconds(told.left),
        "timeline": [
            {
                "at": moment(entry.at),
                "until": _moment(entry.until),
                "kind": entry.kind,
                "seconds": _seconds(entry.span),
                "words": entry.words,
            }
            for entry in told.entries
        ],
    }


def _moment(at: Moment | None) -> datetime | None:
    return None if at is None else moment(at)


def _seconds(span: int | None) -> float | None:
    return None if span is None else span / 1e6


def _state(clock: Clock, now: Moment) -> str:
    if clock.closed_at is not None:
        return "closed"
    if clock.is_suspended:
        return "suspended"
    return "overdue" if clock.due_at <= now else "running"
