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
from services.ingest.handlers.mails import MailIntake
from services.ingest.handlers.posts import PostIntake
from services.ingest.settings import ApiSettings, PollSettings
from services.ingest.worker.plans import Planner
from services.ingest.worker.poll import Poller
from shared.clock import utc_now
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
from shared.schemas.events import PAYLOADS, CommunicationReceived
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
        given: dict[str, object] = {
            "kafka": self.kafka,
            "database": self.url,
            "port": 0,
            "topic_prefix": self.prefix,
            "objects": "file:///unused",
        }
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
        return [event for event in self.told() if isinstance(event.data, CommunicationReceived)]

    def told(self) -> list[Event]:
        """Everything that Kafka has now on the topic of communications, by partition in order."""
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
        messages = [(message.key(), dict(headers_of(message)), message.value()) for message in found]
        return [decode(key, headers, value, PAYLOADS[headers["ce_type"].decode()]) for key, headers, value in messages]

    @contextlib.contextmanager
    def following(self) -> Iterator[Callable[[], Sequence[Event]]]:
        """Gives, as often as it is asked, every communication that Kafka has by then; reads each once."""
        group = f"{self.prefix}follow-{os.urandom(4).hex()}"
        # On one connection the question for the ends would wait behind what fetches.
        consumer, asking = Consumer(consumer_settings(self.kafka, group, None)), Consumer(consumer_settings(self.kafka, group, None))
        count = topics.TOPICS[topics.COMMUNICATIONS].partitions
        places = [TopicPartition(self.prefix + topics.COMMUNICATIONS, number, 0) for number in range(count)]
        consumer.assign(places)
        found: list[Event] = []

        def published() -> Sequence[Event]:
            missing = sum(eventually(partial(ends_of, asking, place))[1] for place in places) - len(found)
            while missing > 0:
                batch = consumer.consume(missing, 1)
                missing -= len(batch)
                found.extend(decode(m.key(), dict(headers_of(m)), m.value(), CommunicationReceived) for m in batch)
            return found

        with contextlib.closing(consumer), contextlib.closing(asking):
            yield published

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """A look into the tables."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()


@contextlib.contextmanager
def polling_in_a_thread(
    ingest: Ingest, settings: PollSettings, kafka: str | None = None, planner: type[Planner] = Planner
) -> Iterator[tuple[Poller, Planner]]:
    """A poller, as a process of its own would be; with another `kafka` it cannot publish."""
    publisher = DirectPublisher(kafka or ingest.kafka, ingest.prefix, 20.0 if kafka is None else 2.0)
    database = Database(ingest.url, pool_size=4, service="ingest")
    stop = threading.Event()
    surroundings = (ingest.reference, ingest.objects, publisher)
    planning = planner(settings, MailIntake(*surroundings), PostIntake(*surroundings), utc_now)
    poller = Poller(database, ingest.reference, planning, settings, f"poll-{settings.instance}", stop)
    thread = threading.Thread(target=poller.run)
    thread.start()
    try:
        yield poller, planning
    finally:
        stop.set()
        thread.join(30)
        publisher.close()
        database.close()
        assert not thread.is_alive()


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
