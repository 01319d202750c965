"""The inbox: which events a service has already taken in, so that a producer's repeat changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from shared.schemas.envelope import Event
from shared.storage import arrays
from shared.storage.database import Transaction

RETENTION_DAYS = 16
"""A little longer than the topics keep events: what can still be repeated is still known."""


def day_of(event: Event) -> date:
    """The partition of an event: its own day, not today's, so that a repeat looks in the same place."""
    return event.time.astimezone(UTC).date() if event.time.tzinfo is not UTC else event.time.date()


def remember(tx: Transaction, events: Sequence[Event]) -> set[UUID]:
    """Mark `events` as taken in. Returns the ids of those that had been already.

    Waits for another transaction that is just marking one of them: of two that take in the same event, one sees that it is a repeat.
    """
    repeats: set[UUID] = set()
    for day, ids in _by_day(events).items():
        # In order, so that neighbours share a page of the index, and two transactions meet in the same order.
        new = tx.rows(
            "insert into inbox (event_day, event_id) select %b, unnest(%b::uuid[]) on conflict do nothing returning event_id",
            (day, arrays.uuids(sorted(ids))),
        )
        if len(new) < len(ids):
            repeats |= ids.difference(row[0] for row in new)
    return repeats


def forget(tx: Transaction, events: Sequence[Event]) -> None:
    """These were not taken in after all: they come again, or somebody replays them."""
    for day, ids in _by_day(events).items():
        tx.execute("delete from inbox where event_day = %b and event_id = any(%b)", (day, arrays.uuids(sorted(ids))))


def _by_day(events: Sequence[Event]) -> dict[date, set[UUID]]:
    days: dict[date, set[UUID]] = {}
    for event in events:
        days.setdefault(day_of(event), set()).add(event.id)
    return days


def maintain(tx: Transaction, now: datetime) -> None:
    """Make the partitions of yesterday to the day after tomorrow, drop those past the retention. Runs once a day and at every start."""
    tx.execute("select pg_advisory_xact_lock(hashtext(current_schema() || ' inbox'))")
    today = now.astimezone(UTC).date()
    names = {row[0] for row in tx.rows("select relid::regclass::text from pg_partition_tree('inbox') where level = 1")}
    existing = {name.split(".")[-1].strip('"') for name in names}
    for offset in (-1, 0, 1, 2):
        day = today + timedelta(days=offset)
        name = f"inbox_{day:%Y%m%d}"
        if name in existing:
            continue
        stray = tx.row("select 1 from inbox_default where event_day = %s limit 1", (day,))
        if stray is None:
            tx.execute(f"create table {name} partition of inbox for values from ('{day}') to ('{day + timedelta(days=1)}')")
    oldest = f"inbox_{today - timedelta(days=RETENTION_DAYS):%Y%m%d}"
    for name in sorted(existing - {"inbox_default"}):
        if name < oldest:
            tx.execute(f"drop table {name}")
    tx.execute("delete from inbox_default where event_day < %s", (today - timedelta(days=RETENTION_DAYS),))
