"""ingest on a real Kafka, database and folder."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest

from services.ingest.api import build
from services.ingest.consumer import handlers
from services.ingest.settings import ApiSettings
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.direct import DirectPublisher
from shared.messaging.kafka import (
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
    consumer_settings,
    headers_of,
    producer_settings,
)
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.envelope import Event, decode
from shared.schemas.events import CommunicationReceived
from shared.storage import Database
from shared.storage.objects import ObjectStore
from tests.support.configuration import METHODS, a_configuration
from tests.support.waiting import eventually
from tests.support.web import a_verifier, served

ACCOUNTS = [{"address": "contact@housing.example", "method": "email"}, {"address": "repairs@housing.example", "method": "email"}]
NOBODY = "127.0.0.1:9"
"""Where no Kafka listens."""


@dataclass
class Ingest:
    """The service's surroundings, and a look at what it told Kafka."""

    kafka: str
    prefix: str
    url: str
    objects: ObjectStore
    reference: StaticReference

    def settings(self, **changes: object) -> ApiSettings:
        """What a process of this service is started with."""
        given: dict[str, object] = {"kafka": self.kafka, "database": self.url, "port": 0, "topic_prefix": self.prefix, "objects": "unused:"}
        return ApiSettings.model_validate(given | changes)

    @contextlib.contextmanager
    def api(self, token: str | None = None, kafka: str | None = None, **settings: object) -> Iterator[httpx.Client]:
        """The API, served."""
        used = self.settings(**settings)
        publisher = DirectPublisher(kafka or self.kafka, self.prefix, used.acknowledge_seconds)
        database = Database(self.url, service="ingest")
        try:
            with served(build(used, database, self.reference, publisher, self.objects, verifier=a_verifier()), token) as client:
                yield client
        finally:
            publisher.close()
            database.close()

    @contextlib.contextmanager
    def consuming(self) -> Iterator[None]:
        """The consumer loop in a thread; what it raised is raised at the end."""
        database = Database(self.url, service="ingest")
        publisher = EventPublisher(database, self.kafka, self.prefix, "ingest")
        stop = threading.Event()
        loop = ConsumerLoop("ingest", self.settings(), handlers(self.reference, self.objects, "GB"), publisher, self.reference, stop)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                loop.run()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
            publisher.close()
            database.close()
        if failures:
            raise failures[0]

    def upstream(self, value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), key: bytes | None = None) -> None:
        """Publish any bytes as an upstream system might."""
        producer = Producer(producer_settings(self.kafka))
        producer.produce(self.prefix + topics.CONTACT_EVENTS, value=value, key=key, headers=list(headers))
        assert producer.flush(20) == 0

    def published(self) -> list[Event]:
        """Every communication that Kafka has now, by partition in order."""
        consumer = Consumer(consumer_settings(self.kafka, f"{self.prefix}look-{os.urandom(4).hex()}", None))
        topic = self.prefix + topics.COMMUNICATIONS
        found: list[Message] = []
        try:
            for number in range(topics.TOPICS[topics.COMMUNICATIONS].partitions):
                low, high = eventually(partial(ends_of, consumer, TopicPartition(topic, number)))
                consumer.assign([TopicPartition(topic, number, low)])
                taken = 0
                while taken < high - low:
                    batch = consumer.consume(high - low - taken, 1)
                    taken += len(batch)
                    found += batch
        finally:
            consumer.close()
        return [decode(m.key(), dict(headers_of(m)), m.value(), CommunicationReceived) for m in found]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """A look into the tables."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()


NOT_SETTLED = (6, -190)
"""Kafka's error codes for a partition of a new topic: its leader is not chosen yet, the client has not heard of it yet."""


def ends_of(consumer: Consumer, place: TopicPartition) -> tuple[int, int] | None:
    """First and next offset of a partition; None while Kafka is not settled on it."""
    try:
        return consumer.get_watermark_offsets(place, timeout=20)
    except KafkaException as error:
        if error.args[0].code() not in NOT_SETTLED:
            raise
        return None


def settle(kafka: str, topic: str) -> None:
    """Wait until a new topic can be written to: a Kafka that has just started takes its time with the first."""
    consumer = Consumer(consumer_settings(kafka, f"{topic}-settle", None))
    try:
        for number in range(topics.TOPICS[topics.COMMUNICATIONS].partitions):
            eventually(partial(ends_of, consumer, TopicPartition(topic, number)), timeout=90)
    finally:
        consumer.close()


@pytest.fixture
def ingest(kafka: str, topic_prefix: str, fresh_database: Callable[[str], str], tmp_path: Path) -> Ingest:
    """ingest with two mail accounts and the tests' organisation."""
    create_topics(kafka, topic_prefix, 1)
    settle(kafka, topic_prefix + topics.COMMUNICATIONS)
    reference = StaticReference(a_configuration(mail_accounts=ACCOUNTS, methods=METHODS))
    return Ingest(kafka, topic_prefix, fresh_database("ingest"), ObjectStore((tmp_path / "objects").as_uri()), reference)
