"""notify on a real Kafka and PostgreSQL: take events in, run senders, look at deliveries and at what was published."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from services.notify.consumer import handlers
from services.notify.gateways.relay import connector
from services.notify.handlers.composing import Composer
from services.notify.handlers.definitions import limits_of
from services.notify.settings import SendSettings
from services.notify.storage.wakeup import Wakeup
from services.notify.worker import Sender, link_maker
from shared.clock import Clock, utc_now
from shared.ids import derive
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.messaging.kafka import Consumer, Producer, consumer_settings, headers_of, producer_settings
from shared.messaging.transactional import KafkaException, TopicPartition
from shared.schemas import topics
from shared.schemas.envelope import Event, Payload, decode
from shared.schemas.events import (
    PAYLOADS,
    ApprovalAsked,
    CaseLifeCycle,
    CaseOpened,
    ClockKind,
    ClockOverdue,
    ClockStartLate,
    CommunicationRecorded,
    ConfigurationPublished,
    DeliveryState,
    ItemKind,
    TaskLifeCycle,
    TaskTriggered,
)
from shared.schemas.parts import CustomerRef, OwnerRef
from shared.storage import Database
from shared.storage.objects import open_store
from tests.support.configuration import a_configuration
from tests.support.waiting import eventually

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ONLOOKER = "test-onlooker"
"""How a test's own looks into the tables are known among the connections."""
ANN = CustomerRef(contact_id=derive("contact", "ann"), name="Ann Bell", email="ann@mail.example")


def an_event(data: Payload, aggregate: UUID, key: UUID, number: int = 1, config_version: int = 1) -> Event:
    """An event with this data; `number` tells events of an aggregate apart."""
    return Event(
        derive("test", aggregate, data.event_type, number),
        data.event_type,
        "/test",
        str(aggregate),
        datetime.now(UTC),
        number,
        config_version,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        str(key),
        data,
    )


def a_task(number: int = 1, kind: type[Any] = TaskTriggered, **changes: Any) -> Event:
    """A task's event, by default that it has started and is Rita's."""
    task, case = derive("task", number), derive("case", number)
    values = {
        "task_id": task,
        "case_id": case,
        "case_number": f"C-2026-{number:06d}",
        "case_title": "Water under the sink",
        "subject": "leak",
        "definition": "inspect-leak",
        "subject_line": "Inspect the leak at once",
        "message": "Call the customer before you go.",
        "state": TaskLifeCycle.PENDING,
        "owner": OwnerRef(kind="user", code="rita"),
        "assignee": "rita",
        "unit": "repairs",
        "priority": "high",
        "customer": ANN,
        "planned_at": NOW,
        "due_at": NOW + timedelta(hours=4),
    }
    return an_event(kind(**(values | changes)), task, case)


def a_communication(number: int = 1, about: str = "case", **changes: Any) -> Event:
    """A communication's event, by default that Ann wrote about her case, which is Rita's. `changes`: of what it is about."""
    communication, item = derive("communication", number), derive(about, number)
    concerned = {
        "item_kind": about,
        "item_id": item,
        "number": f"C-2026-{number:06d}",
        "title": "Water under the sink",
        "subject": "leak",
        "status": "new",
        "priority": "high",
        "unit": "repairs",
        "owner": "rita",
    }
    recorded = {
        "communication_id": communication,
        "conversation_id": derive("conversation", number),
        "method": "email",
        "case_ids": (item,) if about == "case" else (),
        "customer": ANN,
        "subject_line": "Re: water",
        "direction": "inbound",
        "occurred_at": NOW,
        "concerns": (concerned | changes,),
    }
    return an_event(CommunicationRecorded.model_validate(recorded), communication, item, number)


def a_case(number: int = 1, kind: type[Any] = CaseOpened, **changes: Any) -> Event:
    """A case's event, by default that it was opened by Ann's mail."""
    case = derive("case", number)
    values = {
        "case_id": case,
        "number": f"C-2026-{number:06d}",
        "subject": "leak",
        "title": "Water under the sink",
        "communication_id": derive("communication", number),
        "conversation_id": derive("conversation", number),
        "method": "email",
        "customer": ANN,
        "state": CaseLifeCycle.PENDING,
        "status": "new",
        "urgency": "high",
        "impact": "high",
        "priority": "high",
        "unit": "repairs",
        "opened_at": NOW,
    }
    return an_event(kind(**(values | changes)), case, case)


def an_approval(number: int = 1, kind: type[Any] = ApprovalAsked, **changes: Any) -> Event:
    """An approval's event, by default that Rita asks Lena for one of her task."""
    approval, case = derive("approval", number), derive("case", number)
    values = {
        "approval_id": approval,
        "case_id": case,
        "case_number": f"C-2026-{number:06d}",
        "case_title": "Water under the sink",
        "task_id": derive("task", number),
        "subject_line": "Inspect the leak at once",
        "unit": "repairs",
        "what": "Pay the hotel",
        "approver": "lena",
        "asked_by": "rita",
        "asked_at": NOW,
        "held_since": NOW,
        "state": "asked",
    }
    return an_event(kind(**(values | changes)), approval, case)


def an_alert(number: int = 1, kind: type[Any] = ClockOverdue, **changes: Any) -> Event:
    """An alert about Rita's task."""
    task, case = derive("task", number), derive("case", number)
    values = {
        "clock_id": derive("clock", number),
        "kind": ClockKind.START if kind is ClockStartLate else ClockKind.DUE,
        "item_kind": ItemKind.TASK,
        "item_id": task,
        "case_id": case,
        "number": f"C-2026-{number:06d}",
        "title": "Inspect the leak at once",
        "owner": OwnerRef(kind="user", code="rita"),
        "assignee": "rita",
        "unit": "repairs",
        "priority": "high",
        "started_at": NOW,
        "due_at": NOW + timedelta(hours=4),
        "fired_at": NOW + timedelta(hours=4),
        "rung": "overdue",
    }
    return an_event(kind(**(values | changes)), derive("clock", number), case)


def ends_of(kafka: str, topic: str) -> dict[tuple[str, int], int]:
    """Where each partition ends; nothing while a topic is so new that one has no leader yet."""
    looker = Consumer(consumer_settings(kafka, f"{topic}.look", None))
    try:
        places = [TopicPartition(topic, number) for number in looker.list_topics(topic, 30).topics[topic].partitions]
        return {(topic, place.partition): looker.get_watermark_offsets(place, 30)[1] for place in places}
    except KafkaException:
        return {}
    finally:
        looker.close()


class NotifyService:
    """notify, with its own database and topics."""

    def __init__(self, kafka: str, prefix: str, url: str, reference: ReferenceData) -> None:
        self.kafka, self.prefix, self.url, self.reference = kafka, prefix, url, reference
        self._began = eventually(lambda: ends_of(kafka, prefix + topics.NOTIFICATIONS))
        """Where it ends: the topic is shared with tests before this one, and so are the ids of what they tell of."""
        self.clock: Clock = utc_now
        """What the consumer goes by."""
        self.database = Database(url, service="notify")
        self.publisher = EventPublisher(self.database, kafka, prefix, "notify")

    def close(self) -> None:
        """Close what is open."""
        self.publisher.close()
        self.database.close()

    def take(self, *events: Event) -> None:
        """Take events in as the consumer loop does, topic by topic, each topic one transaction."""
        for topic, handler in handlers(self.reference, self.clock).items():
            wanted = [event for event in events if event.data.topic == topic and type(event.data) in handler.apply]
            with self.publisher.transaction() as tx:
                state = handler.load(tx, wanted)
                for event in wanted:
                    handler.apply[type(event.data)](state, event)
                handler.save(tx, state)

    def settings(self, port: int, **changes: Any) -> SendSettings:
        """Settings of a sender that speaks with the server on `port`."""
        values = {
            "kafka": self.kafka,
            "database": self.url,
            "port": 0,
            "topic_prefix": self.prefix,
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "mail_from": "contact@housing.example",
            "send_retry_speed": 100.0,
            "smtp_timeout_seconds": 5.0,
            "smtp_accept_seconds": 5.0,
        }
        return SendSettings(**(values | changes))

    @contextmanager
    def sending(self, port: int, me: str = "send-0", **changes: Any) -> Iterator[Sender]:
        """A sender in a thread, with a database pool of its own; stopped in good order at the end of the block."""
        settings = self.settings(port, **changes)
        database = Database(self.url, service="notify")
        publisher = EventPublisher(database, self.kafka, self.prefix, "notify")
        stop = threading.Event()
        objects = open_store(settings) if settings.objects else None
        composer = Composer(self.reference, settings.mail_from, link_maker(settings), desk_url=settings.desk_url, objects=objects)
        limits = VersionCache(self.reference, limits_of).get
        sender = Sender(publisher, composer, connector(settings), Wakeup(self.url), settings, me, stop, limits=limits)
        thread = threading.Thread(target=sender.run, name=me)
        thread.start()
        try:
            yield sender
        finally:
            stop.set()
            thread.join(30)
            publisher.close()
            database.close()
        assert not thread.is_alive()

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """A look into the tables."""
        with psycopg.connect(self.url, application_name=ONLOOKER) as connection:
            return connection.execute(sql.encode(), params).fetchall()

    def cut(self) -> None:
        """End every connection to the database, as a failover does; only the test's own looks into the tables stay."""
        self.rows(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and usename = current_user and application_name <> %s""",
            [ONLOOKER],
        )

    def states(self) -> dict[str, int]:
        """How many deliveries are in which state."""
        return dict(self.rows("select state, count(*) from deliveries group by state"))

    def all_sent(self, count: int) -> bool:
        """Whether there are so many deliveries and all are sent."""
        return self.states() == {"sent": count}

    def produce(self, *events: Event) -> None:
        """Put events on their topics."""
        producer = Producer(producer_settings(self.kafka))
        for event in events:
            producer.produce(self.prefix + event.data.topic, event.value(), event.key.encode(), headers=list(event.headers()))
        producer.flush()

    def published(self, expect: int, case: UUID | None = None, *, distinct: bool = False) -> list[tuple[Event, DeliveryState]]:
        """The first `expect` events that came out, of all, of this case, or of this item that has none. `distinct`: repetitions aside."""
        consumer = Consumer(consumer_settings(self.kafka, f"{self.prefix}look-{os.urandom(4).hex()}", None))
        topic = self.prefix + topics.NOTIFICATIONS
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, self._began.get((topic, number), 0)) for number in partitions])
        found: list[tuple[Event, DeliveryState]] = []
        end = datetime.now(UTC) + timedelta(seconds=60)
        while len(found) < expect and datetime.now(UTC) < end:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                headers = dict(headers_of(message))
                event = decode(message.key(), headers, message.value(), PAYLOADS[headers["ce_type"].decode()])
                is_again = distinct and any(event.id == one.id for one, _ in found)
                about = getattr(event.data, "case_id", None) or getattr(event.data, "item_id", None)
                if case in (None, about) and not is_again:
                    found.append((event, event.data))
        consumer.close()
        return found


def publish_configuration(notify: NotifyService) -> None:
    """The tests' organisation, as desk publishes it."""
    published = ConfigurationPublished(
        version=1, digest="", applied_by="test", applied_at=datetime.now(UTC), document=a_configuration().model_dump(mode="json")
    )
    aggregate = derive("configuration", 1)
    notify.produce(
        an_event(published, aggregate, aggregate),
        *(an_event(entry, derive("staff", entry.user), derive("staff", entry.user)) for entry in notify.reference.staff.values()),
    )
