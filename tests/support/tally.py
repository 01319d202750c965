"""A small service for tests of the event path: it tallies tasks by case, in a schema of its own, and emits an event for each change.

Not a stand-in for anything: it is a service like any other, on the real loop, Kafka and PostgreSQL.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from shared.ids import derive
from shared.messaging import EventPublisher, Handler, ReferenceData, Refused
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.kafka import Consumer, Producer, consumer_settings, headers_of, producer_settings
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import PlanMade, UnitChanged
from shared.settings import ProcessSettings
from shared.storage import Database, Transaction, messaging_tables

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def create_schema(url: str) -> None:
    """The schema of the tally service, in the database at `url`."""
    with psycopg.connect(url) as connection:
        connection.execute("create schema tally")
        connection.execute(messaging_tables("tally").encode())
        connection.execute("create table tally.tallies (case_id uuid primary key, revision int not null, total int not null)")
        connection.execute("create table tally.seen (event_id uuid not null)")


def service_url(url: str) -> str:
    """The same database with the search path on the tally service's schema."""
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dtally"


@dataclass
class Tallies:
    """The batch's state: what the database had, and what was added."""

    known: dict[UUID, tuple[int, int]]
    changed: list[tuple[UUID, Event]] = field(default_factory=list)


def handler(
    on_apply: Callable[[Event], None] = lambda event: None, on_save: Callable[[list[Event]], None] = lambda events: None
) -> Handler[Tallies]:
    """Tallies the tasks of `PlanMade` events. `on_apply` and `on_save` see what passes, and may raise."""

    def load(tx: Transaction, events: Sequence[Event]) -> Tallies:
        ids = sorted({event.data.case_id for event in events})
        tx.execute("insert into tallies select unnest(%s::uuid[]), 0, 0 on conflict do nothing", (ids,))
        rows = tx.rows("select case_id, revision, total from tallies where case_id = any(%s) order by case_id for update", (ids,))
        return Tallies({case_id: (revision, total) for case_id, revision, total in rows})

    def apply(state: Tallies, event: Event) -> None:
        if event.data.subject == "refused":
            raise Refused("the subject is refused")
        on_apply(event)
        revision, total = state.known[event.data.case_id]
        state.known[event.data.case_id] = (revision + 1, total + len(event.data.task_ids))
        state.changed.append((event.data.case_id, event))

    def save(tx: Transaction, state: Tallies) -> None:
        on_save([event for _, event in state.changed])
        tx.execute("insert into seen select unnest(%s::uuid[])", ([event.id for _, event in state.changed],))
        changed = sorted({case_id for case_id, _ in state.changed})
        tx.execute(
            """update tallies t set revision = n.revision, total = n.total
               from unnest(%s::uuid[], %s::int[], %s::int[]) as n(case_id, revision, total) where t.case_id = n.case_id""",
            (changed, [state.known[c][0] for c in changed], [state.known[c][1] for c in changed]),
        )
        revisions: dict[UUID, int] = {}
        for case_id, event in state.changed:
            first = state.known[case_id][0] - sum(1 for c, _ in state.changed if c == case_id)
            revisions[case_id] = revisions.get(case_id, first) + 1
            emit_total(tx, case_id, revisions[case_id], event.id)

    return Handler(load, {PlanMade: apply}, save)


def emit_total(tx: Transaction, case_id: UUID, revision: int, cause: UUID) -> None:
    """The event of a tally's change; on the topic `directory`, which nothing else writes here."""
    tx.emit(
        UnitChanged(unit="tally", name=str(case_id)),
        aggregate_id=case_id,
        key=case_id,
        revision=revision,
        cause=cause,
        time=NOW,
    )


def a_plan(case: int = 1, number: int = 1, subject: str = "repair", config_version: int = 1, time: datetime = NOW) -> Event:
    """An event on a case named by a number; `number` tells events of a case apart."""
    case_id = derive("case", case)
    data = PlanMade(case_id=case_id, subject=subject, task_ids=(derive("task", case, number),))
    return Event(derive("plan", case, number), data.event_type, "/test", str(case_id), time, number, config_version, "", str(case_id), data)


class TallyService:
    """The tally service on a real Kafka and database: `produce` its input, `running` its loop, look at its tables and its output."""

    def __init__(self, kafka: str, prefix: str, database_url: str, reference: ReferenceData) -> None:
        self.kafka, self.prefix, self.reference = kafka, prefix, reference
        self.url = service_url(database_url)
        create_topics(kafka, prefix, 1)
        self._producer = Producer(producer_settings(kafka))

    def produce(self, *events: Event) -> None:
        """Put events on their topic, as a well-behaved producer does."""
        for event in events:
            self.produce_raw(event.value(), key=event.key.encode(), headers=event.headers(), topic=event.data.topic)
        self._producer.flush()

    def produce_raw(
        self,
        value: bytes | None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        topic: str = topics.TASKS,
        partition: int = -1,
    ) -> None:
        """Put any bytes on a topic."""
        self._producer.produce(self.prefix + topic, value=value, key=key, headers=list(headers), partition=partition)
        self._producer.flush()

    def settings(self, instance: str = "0", batch_size: int = 500) -> ProcessSettings:
        """What a process of this service is started with."""
        return ProcessSettings(
            kafka=self.kafka, database=self.url, port=0, topic_prefix=self.prefix, instance=instance, batch_size=batch_size, bad_in_a_row=10
        )

    def publisher(self, kafka: str | None = None) -> EventPublisher:
        """A publisher on a pool of its own."""
        return EventPublisher(Database(self.url, service="tally"), kafka or self.kafka, self.prefix, "tally")

    def loop(
        self, publisher: EventPublisher, stop: threading.Event, use: Handler[Tallies], instance: str = "0", batch_size: int = 500
    ) -> ConsumerLoop:
        """A consumer loop of this service."""
        return ConsumerLoop("tally", self.settings(instance, batch_size), {topics.TASKS: use}, publisher, self.reference, stop)

    @contextmanager
    def running(self, use: Handler[Tallies] | None = None, instance: str = "0", batch_size: int = 500) -> Iterator[Running]:
        """The loop in a thread, stopped in good order at the end of the block; what it raised is raised there."""
        publisher, stop = self.publisher(), threading.Event()
        loop = self.loop(publisher, stop, use or handler(), instance, batch_size)
        running = Running(loop, stop)
        running.thread.start()
        try:
            yield running
        finally:
            stop.set()
            running.thread.join(30)
            publisher.close()
            publisher.database.close()
        if running.error is not None:
            raise running.error

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """A look into the tables."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode(), params).fetchall()

    def taken(self) -> int:
        """How many events had their effect."""
        return int(str(self.rows("select count(*) from seen")[0][0]))

    def published(self, expect: int, timeout: float = 20.0) -> list[tuple[str, int]]:
        """(aggregate, revision) of what came out, by partition in order, until `expect` different ones did; repeats may be among them."""
        consumer = Consumer(consumer_settings(self.kafka, f"{self.prefix}look-{os.urandom(4).hex()}", None))
        consumer.subscribe([self.prefix + topics.DIRECTORY])
        found: list[tuple[str, int]] = []
        deadline = datetime.now(UTC).timestamp() + timeout
        while len(set(found)) < expect and datetime.now(UTC).timestamp() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                headers = dict(headers_of(message))
                found.append((headers["ce_subject"].decode(), int(headers["ce_revision"])))
        consumer.close()
        return found


class Running:
    """A loop in a thread."""

    def __init__(self, loop: ConsumerLoop, stop: threading.Event) -> None:
        self.loop, self.stop = loop, stop
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.loop.run()
        except BaseException as error:  # noqa: BLE001 - raised again where the loop was started
            self.error = error
