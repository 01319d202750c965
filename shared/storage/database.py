"""Connections and transactions on PostgreSQL. A transaction also collects the events that are to be published once it has committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

import orjson
import psycopg
from psycopg import Cursor
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from shared.ids import event_id
from shared.schemas.envelope import Event, Payload

Row = tuple[Any, ...]

CONNECTION_LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""What every statement would hit while the database is away. Deadlocks and serialisation failures are among them: trying again is right."""
SerializationFailure = psycopg.errors.SerializationFailure
CONFLICT = (psycopg.errors.DeadlockDetected, SerializationFailure)
"""Another transaction was in the way; the database itself is there."""


class Emitted(NamedTuple):
    """An event on its way out, and its Kafka value, made once."""

    event: Event
    value: bytes

    @property
    def subject(self) -> str:
        """The aggregate that it is about."""
        return self.event.subject

    @property
    def key(self) -> str:
        """The Kafka key."""
        return self.event.key

    @property
    def topic(self) -> str:
        """Where it goes, without prefix."""
        return self.event.data.topic  # type: ignore[no-any-return]

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers."""
        return self.event.headers()

    def in_parcel(self) -> object:
        """As the outbox keeps it, for orjson."""
        event = self.event
        members = _members(
            event.type, event.source, event.time, event.revision, event.config_version, event.traceparent, event.key, self.topic
        )
        return {"id": event.id, "subject": event.subject, **members, "data": orjson.Fragment(self.value)}


class Alike(NamedTuple):
    """What events have in common of which one transaction tells many: all but their ids, subjects and data."""

    payload: type[Payload]
    source: str
    time: datetime
    revision: int
    config_version: int
    traceparent: str
    key: str
    before: tuple[tuple[str, bytes], ...]
    """Headers between those of id and subject."""
    after: tuple[tuple[str, bytes], ...]
    """Headers after that of the subject."""
    members: bytes
    """Of its entry in the outbox."""

    @classmethod
    def of(
        cls, payload: type[Payload], source: str, time: datetime, revision: int, config_version: int, traceparent: str, key: str
    ) -> Alike:
        """Events of this type and so on."""
        kind = payload.event_type
        members = _members(kind, source, time, revision, config_version, traceparent, key, payload.topic)
        headers = Event(_NO_ID, kind, source, "", time, revision, config_version, traceparent, key, None).headers()
        before, after = tuple(headers[2:4]), tuple(headers[5:])
        return cls(payload, source, time, revision, config_version, traceparent, key, before, after, orjson.dumps(members)[1:-1])


class Encoded(NamedTuple):
    """An event on its way out of which only the bytes were made, as events are that are made by the thousand. The same as `Emitted`."""

    id: str
    subject: str
    value: bytes
    alike: Alike

    @property
    def event(self) -> Event:
        """The event, read from its bytes."""
        payload, source, time, revision, config_version, traceparent, key, *_ = self.alike
        data = payload.model_validate_json(self.value)
        return Event(UUID(self.id), payload.event_type, source, self.subject, time, revision, config_version, traceparent, key, data)

    @property
    def key(self) -> str:
        """The Kafka key."""
        return self.alike.key

    @property
    def topic(self) -> str:
        """Where it goes, without prefix."""
        return self.alike.payload.topic

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers."""
        alike = self.alike
        return [_VERSION, ("ce_id", self.id.encode()), *alike.before, ("ce_subject", self.subject.encode()), *alike.after]

    def in_parcel(self) -> object:
        """As the outbox keeps it, for orjson."""
        entry = b'{"id":"%b","subject":"%b",%b,"data":%b}' % (self.id.encode(), self.subject.encode(), self.alike.members, self.value)
        return orjson.Fragment(entry)


_NO_ID = UUID(int=0)
_VERSION = ("ce_specversion", b"1.0")


def _members(
    kind: str, source: str, time: datetime, revision: int, config_version: int, traceparent: str, key: str, topic: str
) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "type": kind,
        "source": source,
        "time": time,
        "revision": revision,
        "configversion": config_version,
        "traceparent": traceparent,
        "partitionkey": key,
        "topic": topic,
    }


class Transaction:
    """One open transaction: SQL in, rows out, and the events it emits."""

    def __init__(self, connection: psycopg.Connection[Row], source: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self.source = source
        """The CloudEvents source of what it emits."""
        self.emitted: list[Emitted | Encoded] = []
        """In the order of emission; stored in the outbox at the end by the publisher."""

    def execute(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> Cursor[Row]:
        """Run one statement. The cursor is valid until the next statement."""
        return self._cursor.execute(cast("Any", sql), params or None)

    def rows(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """All rows of a query, as tuples."""
        return self.execute(sql, params).fetchall()

    def copy(self, sql: str, data: bytes) -> None:
        """Run a `copy ... from stdin` with this data."""
        with self._cursor.copy(cast("Any", sql)) as copy:
            copy.write(data)

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
            source=self.source,
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
        self._pipelined: psycopg.Connection[Row] | None = None
        self._pipeline: Any = None

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        if self._pipelined is not None:
            with suppress(psycopg.Error):
                self._pipeline.__exit__(None, None, None)
            self._pipelined.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction: committed when the block ends, rolled back when it raises. Storing and publishing its events is the caller's."""
        with self._pool.connection() as connection, connection.transaction():
            yield Transaction(connection, self._source)

    @contextmanager
    def quick_transaction(self) -> Iterator[Transaction]:
        """The same in as few ways to the server as can be: statements go out when somebody fetches rows, the last with the commit.

        An error may show only then. It has a connection of its own, so it is for one thread at a time.
        """
        connection = self._pipelined
        if connection is None or connection.closed:
            name = self._source.replace("/casestream/", "casestream-")
            # A plan made for each call takes longer than what it plans.
            connection = psycopg.connect(self.url, application_name=name, prepare_threshold=0)
            connection.execute("set plan_cache_mode = force_generic_plan")
            connection.commit()
            self._pipelined, self._pipeline = connection, connection.pipeline()
            self._pipeline.__enter__()
        try:
            yield Transaction(connection, self._source)
            connection.commit()
        except BaseException:
            # Rolls back, whatever was on its way.
            connection.close()
            self._pipelined = None
            raise

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
