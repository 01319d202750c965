"""Connections and transactions on PostgreSQL. A transaction also collects the events that are to be published once it has committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

import psycopg
from psycopg import Cursor
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from shared.ids import event_id
from shared.schemas.envelope import Event, Payload

Row = tuple[Any, ...]

CONNECTION_LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""What every statement would hit while the database is away. Deadlocks and serialisation failures are among them: trying again is right."""
CONFLICT = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""Another transaction was in the way; the database itself is there."""


class Emitted(NamedTuple):
    """An event on its way out, and its Kafka value, made once."""

    event: Event
    value: bytes


class Transaction:
    """One open transaction: SQL in, rows out, and the events it emits."""

    def __init__(self, connection: psycopg.Connection[Row], source: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self._source = source
        self.emitted: list[Emitted] = []
        """In the order of emission; stored in the outbox at the end by the publisher."""

    def execute(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> Cursor[Row]:
        """Run one statement. The cursor is valid until the next statement."""
        return self._cursor.execute(cast("Any", sql), params or None)

    def rows(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """All rows of a query, as tuples."""
        return self.execute(sql, params).fetchall()

    def row(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        return self.execute(sql, params).fetchone()

    def dicts(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """All rows of a query, by column name."""
        with self._connection.cursor(binary=True, row_factory=dict_row) as cursor:
            return cursor.execute(cast("Any", sql), params or None).fetchall()

    def emit(
        self,
        payload: Payload,
        *,
        aggregate_id: UUID | str,
        key: UUID | str,
        revision: int,
        cause: UUID | str,
        time: datetime,
        config_version: int = 0,
        traceparent: str = "",
        ordinal: int = 0,
    ) -> Event:
        """Add an event to what is published when this transaction commits.

        The aggregate's row must be locked by this transaction and `revision` be its next one: that makes the order of the outbox the
        order of the aggregate.
        """
        subject = str(aggregate_id)
        event = Event(
            id=event_id(cause, subject, payload.event_type, ordinal),
            type=payload.event_type,
            source=self._source,
            subject=subject,
            time=time,
            revision=revision,
            config_version=config_version,
            traceparent=traceparent,
            key=subject if key is aggregate_id else str(key),
            data=payload,
        )
        self.emitted.append(Emitted(event, event.value()))
        return event


class Database:
    """A service's own database role and schema, by a small pool of connections."""

    def __init__(self, url: str, pool_size: int = 4, service: str = "casestream") -> None:
        self.url = url
        self._source = f"/casestream/{service}"
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            open=True,
            timeout=10.0,
            kwargs={"application_name": f"casestream-{service}"},
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction: committed when the block ends, rolled back when it raises. Storing and publishing its events is the caller's."""
        with self._pool.connection() as connection, connection.transaction():
            yield Transaction(connection, self._source)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A read-only transaction."""
        with self._pool.connection() as connection:
            connection.read_only = True
            try:
                with connection.transaction():
                    yield Transaction(connection, self._source)
            finally:
                if not connection.closed:
                    connection.read_only = False
