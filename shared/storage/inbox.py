"""The inbox: which events a service has already taken in, so that a producer's repeat changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from shared.schemas.envelope import Event
from shared.storage.database import Transaction

RETENTION_DAYS = 16
"""A little longer than the topics keep events: what can still be repeated is still known."""


def day_of(event: Event) -> date:
    """The partition of an event: its own day, not today's, so that a repeat looks in the same place."""
    return event.time.astimezone(UTC).date()


def seen(tx: Transaction, events: Sequence[Event]) -> set[UUID]:
    """Those of `events` that were taken in before."""
    found: set[UUID] = set()
    for day, ids in by_day(events).items():
        found.update(
            row[0] for row in tx.rows("select event_id from inbox where event_day = %s and event_id = any(%s::uuid[])", (day, ids))
        )
    return found


def remember(tx: Transaction, events: Sequence[Event]) -> None:
    """Mark `events` as taken in."""
    for day, ids in by_day(events).items():
        tx.execute("insert into inbox (event_day, event_id) select %s, unnest(%s::uuid[]) on conflict do nothing", (day, ids))


def by_day(events: Sequence[Event]) -> dict[date, str]:
    """Ids as PostgreSQL's array text, by day: rendered at once, where the driver would render element by element."""
    days: dict[date, list[str]] = {}
    for event in events:
        days.setdefault(day_of(event), []).append(str(event.id))
    return {day: f"{{{','.join(ids)}}}" for day, ids in days.items()}


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
