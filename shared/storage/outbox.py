"""The outbox: events committed with the change they tell of, until Kafka has them.

A transaction's events lie in one row, a parcel: the common case writes it, publishes, and deletes it a few milliseconds later, and a row
for each event would cost the database five times as much (docs/decisions/0005). Inside a parcel is a CloudEvents JSON batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg import Cursor

from shared.schemas.envelope import Event
from shared.storage import arrays
from shared.storage.database import Emitted, Encoded, Row, Transaction

LOOK_INTO = 1000
"""So many parcels waiting are looked into for older events of an aggregate. Of more, every new event waits behind them all."""


class Parcel(NamedTuple):
    """What of a transaction's events may be published at once, and the outbox's row that holds them (None: nothing may)."""

    sequence: int | None
    emitted: Sequence[Emitted | Encoded]


def store(tx: Transaction) -> Parcel:
    """Write what `tx` emitted to the outbox. Events of aggregates that have older unsent ones are kept apart, for the sweeper.

    Correct only because `tx` holds the lock of each aggregate's row: nobody else can add an event of it meanwhile.
    """
    if not tx.emitted:
        return Parcel(None, ())
    held = _with_older_events(tx, {one.subject for one in tx.emitted})
    if held is None:
        _insert(tx, tx.emitted)
        return Parcel(None, ())
    if not held:
        return Parcel(_insert(tx, tx.emitted), tx.emitted)
    _insert(tx, [one for one in tx.emitted if one.subject in held])
    free = [one for one in tx.emitted if one.subject not in held]
    return Parcel(_insert(tx, free) if free else None, free)


def store_first(tx: Transaction) -> Callable[[], Parcel]:
    """Write what `tx` emitted, each event the first of its aggregate, so that none can be waiting. The parcel is there after the commit."""
    if not tx.emitted:
        return lambda: Parcel(None, ())
    inserted = _inserting(tx, tx.emitted)
    return lambda: Parcel(_sequence(inserted), tx.emitted)


def _with_older_events(tx: Transaction, subjects: set[str]) -> set[str] | None:
    """Those of `subjects` with an event in the outbox; None: too many wait to tell."""
    row = tx.row("select count(*) from (select from outbox limit %b) as parcels", (LOOK_INTO + 1,))
    parcels = row[0] if row else 0
    if parcels == 0:
        return set()
    if parcels > LOOK_INTO:
        return None
    return waiting(tx, subjects)


def waiting(tx: Transaction, subjects: Collection[str]) -> set[str]:
    """Those of `subjects` with an event in the outbox."""
    rows = tx.rows(
        "select distinct subject from outbox, unnest(aggregates) as subject where subject = any(%b)", (arrays.texts(sorted(subjects)),)
    )
    return {row[0] for row in rows}


def _insert(tx: Transaction, emitted: Sequence[Emitted | Encoded]) -> int:
    return _sequence(_inserting(tx, emitted))


def _inserting(tx: Transaction, emitted: Sequence[Emitted | Encoded]) -> Cursor[Row]:
    document = orjson.dumps([one.in_parcel() for one in emitted])
    subjects = dict.fromkeys(one.subject for one in emitted)
    return tx.execute(
        "insert into outbox (aggregates, events) values (%b, %b) returning sequence", (arrays.texts(subjects), document.decode())
    )


def _sequence(inserted: Cursor[Row]) -> int:
    return int(inserted.fetchall()[0][0])


def delete(tx: Transaction, sequences: Sequence[int]) -> None:
    """Forget parcels that Kafka has. Not worth waiting for the disk: an event sent twice is recognised by its id."""
    tx.execute("set local synchronous_commit = off")
    tx.execute("delete from outbox where sequence = any(%b)", (arrays.big_ints(sequences),))


class Unsent(NamedTuple):
    """An event as it lies in the outbox, ready for Kafka; `sequence` is its parcel's."""

    sequence: int
    topic: str
    key: str
    headers: list[tuple[str, bytes]]
    value: bytes


def unsent(tx: Transaction, older_than: datetime, limit: int = 20) -> list[Unsent]:
    """The events of the oldest parcels that wait, at most `limit` parcels, in order, among those committed before `older_than`."""
    rows = tx.rows("select sequence, events from outbox where created_at < %s order by sequence limit %s", (older_than, limit))
    return [_unsent(sequence, event) for sequence, events in rows for event in orjson.loads(events)]


def _unsent(sequence: int, event: dict[str, Any]) -> Unsent:
    time = datetime.fromisoformat(event["time"]).astimezone(UTC)
    revision, config_version = event["revision"], event["configversion"]
    whole = Event(
        UUID(event["id"]),
        event["type"],
        event["source"],
        event["subject"],
        time,
        revision,
        config_version,
        event["traceparent"],
        event["partitionkey"],
        None,
    )
    return Unsent(sequence, event["topic"], whole.key, whole.headers(), orjson.dumps(event["data"]))


def age_seconds(tx: Transaction) -> float:
    """How long the oldest parcel has waited; 0 when there is none."""
    row = tx.row("select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from outbox")
    return float(row[0]) if row else 0.0
