"""sla's stream on a real Kafka: send it events, run one or several of it, read what it tells."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from services.sla.settings import Settings
from services.sla.stream.letters import Letters
from services.sla.stream.loop import Stream
from shared.messaging import ReferenceData, StaticReference
from shared.messaging.kafka import Consumer, Producer, TopicPartition, consumer_settings, headers_of, producer_settings
from shared.schemas import topics
from shared.schemas.envelope import Event, Payload, decode
from shared.schemas.events import PAYLOADS, ClockState, ConfigurationPublished
from shared.storage import Database
from tests.support import eventually
from tests.support.configuration import a_configuration
from tests.support.platform import CLONE
from tests.support.sla import as_event


class Running:
    """A stream in a thread."""

    def __init__(self, stream: Stream, stop: threading.Event) -> None:
        self.stream = stream
        self._stop = stop
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.stream.run()
        except Exception as error:  # noqa: BLE001 - the test asks for it
            self.error = error

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert self.is_over()


class SlaStreams:
    """Topics of a test's own, and sla's streams on them."""

    def __init__(self, kafka: str, prefix: str, database: str, reference: ReferenceData | None = None) -> None:
        self.kafka = kafka
        self.prefix = prefix
        self.database = Database(database, pool_size=2, service="sla")
        self.reference = reference or StaticReference(a_configuration())
        self._url = database
        self._producer = Producer(producer_settings(kafka))
        self._running: list[Running] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def settings(self, instance: str = "0", **changes: Any) -> Settings:
        given = {"kafka": self.kafka, "database": self._url, "port": 1, "instance": instance, "topic_prefix": self.prefix}
        return Settings(**given | {"stream_linger_seconds": 0.02} | changes)

    def start(self, instance: str = "0", clock: Callable[[], datetime] | None = None, **changes: Any) -> Running:
        stop = threading.Event()
        letters = Letters(self.database)
        stream = Stream(self.settings(instance, **changes), self.reference, letters, stop, *([clock] if clock else []))
        running = Running(stream, stop)
        self._running.append(running)
        return running

    def started(self, instance: str = "0") -> Running:
        running = self.start(instance)
        eventually(lambda: not running.stream.problems() or running.error, 60)
        assert running.error is None, repr(running.error)
        return running

    def spawn(self) -> subprocess.Popen[bytes]:
        """The stream as a process of its own, reading the configuration from its topic."""
        environment = {
            **os.environ,
            "CASESTREAM_KAFKA": self.kafka,
            "CASESTREAM_DATABASE": self._url,
            "CASESTREAM_PORT": "0",
            "CASESTREAM_TOPIC_PREFIX": self.prefix,
            "CASESTREAM_LOG_LEVEL": "WARNING",
        }
        process = subprocess.Popen([sys.executable, "-m", "services.sla", "stream"], env=environment, cwd=CLONE)
        self._processes.append(process)
        return process

    def publish_configuration(self) -> None:
        document = a_configuration().model_dump(mode="json")
        now = datetime.now(UTC)
        data = ConfigurationPublished(version=1, digest="d", applied_by="test", applied_at=now, document=document)
        event = Event(uuid.uuid4(), data.event_type, "/test", "1", now, 1, 0, "", "1", data)
        self._produce(topics.CONFIGURATION, event)
        self._producer.flush(10)

    def send(self, data: Payload, revision: int = 1, at: datetime | None = None, config_version: int = 1) -> Event:
        event = as_event(data, revision, at, config_version)
        self._produce(data.topic, event)
        self._producer.flush(10)
        return event

    def _produce(self, topic: str, event: Event) -> None:
        self._producer.produce(self.prefix + topic, event.value(), event.key.encode(), headers=event.headers())

    def send_raw(self, topic: str, value: bytes | None, headers: list[tuple[str, bytes]], key: bytes = b"k", partition: int = 0) -> None:
        self._producer.produce(self.prefix + topic, value, key, partition, headers=headers)
        self._producer.flush(10)

    def messages(self, topic: str) -> list[tuple[int, bytes, dict[str, bytes], bytes | None, float]]:
        """Everything committed on a topic now: partition, key, headers, value, timestamp in seconds."""
        consumer = Consumer(consumer_settings(self.kafka, str(uuid.uuid4()), None) | {"enable.partition.eof": True})
        found, left = [], set(range(topics.PARTITIONS))
        consumer.assign([TopicPartition(self.prefix + topic, number, 0) for number in left])
        end = time.monotonic() + 20
        while left and time.monotonic() < end:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error() is not None:
                left.discard(message.partition() or 0)
                continue
            headers = dict(headers_of(message))
            found.append((message.partition(), message.key(), headers, message.value(), message.timestamp()[1] / 1000))
        consumer.close()
        assert not left
        return found  # type: ignore[return-value]

    def alerts(self, kind: str | None = None, item: UUID | None = None) -> list[Event]:
        """What was told so far, in the order of its firing."""
        events = []
        for _, key, headers, value, _ in self.messages(topics.SLA):
            event = decode(key, headers, value, PAYLOADS[headers["ce_type"].decode()])
            assert isinstance(event.data, ClockState)
            if (kind is None or event.type == f"casestream.clock.{kind}.v1") and item in (None, event.data.item_id):
                events.append(event)
        return sorted(events, key=lambda event: (event.data.fired_at, event.revision))

    def letters(self) -> list[dict[str, Any]]:
        with self.database.read() as tx:
            return tx.dicts('select * from dead_letters order by topic, partition, "offset"')

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        for running in self._running:
            running.close()
        self.database.close()


@contextmanager
def streams(kafka: str, prefix: str, database: str) -> Iterator[SlaStreams]:
    made = SlaStreams(kafka, prefix, database)
    try:
        yield made
    finally:
        made.close()
