"""The outbox: events committed with the change they tell of, until Kafka has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.schemas.envelope import Event
from shared.storage.database import Transaction


def store(tx: Transaction) -> set[str]:
    """Write what `tx` emitted to the outbox. Returns the aggregates that have older unsent events: the sweeper must send those in order.

    Correct only because `tx` holds the lock of each aggregate's row: nobody else can add an event of it meanwhile.
    """
    if not tx.emitted:
        return set()
    events = [event for _, event in tx.emitted]
    held = tx.rows("select distinct aggregateid from outbox where aggregateid = any(%s)", (list({e.subject for e in events}),))
    tx.execute(
        """insert into outbox (id, aggregatetype, aggregateid, type, payload, topic, key, revision, config_version, source, traceparent,
                               time)
           select id, aggregatetype, aggregateid, type, payload::jsonb, topic, key, revision, config_version, source, traceparent, time
           from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::int[],
                       %s::text[], %s::text[], %s::timestamptz[])
                with ordinality as t(id, aggregatetype, aggregateid, type, payload, topic, key, revision, config_version, source,
                                     traceparent, time, ordinal)
           order by ordinal""",
        (
            [e.id for e in events],
            [aggregate for aggregate, _ in tx.emitted],
            [e.subject for e in events],
            [e.type for e in events],
            [e.value().decode() for e in events],
            [e.data.topic for e in events],
            [e.key for e in events],
            [e.revision for e in events],
            [e.config_version for e in events],
            [e.source for e in events],
            [e.traceparent for e in events],
            [e.time for e in events],
        ),
    )
    return {row[0] for row in held}


def delete(tx: Transaction, ids: Collection[UUID]) -> None:
    """Forget events that Kafka has. Not worth waiting for the disk: an event sent twice is recognised by its id."""
    tx.execute("set local synchronous_commit = off")
    tx.execute("delete from outbox where id = any(%s)", (list(ids),))


class Unsent:
    """An event as it lies in the outbox."""

    __slots__ = ("headers", "id", "key", "topic", "value")

    def __init__(self, row: Sequence[Any]) -> None:
        (self.id, event_type, subject, payload, self.topic, self.key, revision, version, source, traceparent, time) = row
        self.value: bytes = payload.encode()
        self.headers = Event(self.id, event_type, source, subject, time, revision, version, traceparent, self.key, None).headers()


def unsent(tx: Transaction, older_than: datetime, limit: int = 1000) -> list[Unsent]:
    """The oldest events that wait, in order, among those committed before `older_than`."""
    rows = tx.rows(
        """select id, type, aggregateid, payload::text, topic, key, revision, config_version, source, traceparent, time
           from outbox where created_at < %s order by sequence limit %s""",
        (older_than, limit),
    )
    return [Unsent(row) for row in rows]


def age_seconds(tx: Transaction) -> float:
    """How long the oldest unsent event has waited; 0 when there is none."""
    row = tx.row("select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from outbox")
    return float(row[0]) if row else 0.0
