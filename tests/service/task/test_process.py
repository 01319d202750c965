"""The service as processes: from a case on Kafka to its tasks on Kafka, and a stop in good order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx

from shared.messaging.kafka import Consumer, Producer, consumer_settings, headers_of, producer_settings
from shared.messaging.topics import create_topics
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import ConfigurationPublished
from tests.service.task.conftest import NOW, a_case_event
from tests.support.configuration import a_configuration
from tests.support.waiting import eventually


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def the_configuration() -> Event:
    """Version 1 of the test organisation, as the desk publishes it."""
    document = a_configuration().model_dump(mode="json")
    data = ConfigurationPublished(version=1, digest="0", applied_by="test", applied_at=NOW, document=document)
    return Event(uuid4(), data.event_type, "/test/desk", "configuration", NOW, 1, 1, "", "1", data)


@contextmanager
def running(role: str, environment: dict[str, str]) -> Iterator[str]:
    """The role as a process, until the end of the block; its URL once it is ready. It must then stop by itself when asked to."""
    port = a_free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.task", role], env={**os.environ, **environment, "CASESTREAM_PORT": str(port)}
    )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert process.poll() is None, f"{role} ended with {process.returncode}"
        try:
            return httpx.get(f"{url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(ready, 30)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_case_on_kafka_becomes_tasks_on_kafka_and_the_other_roles_come_up(
    kafka: str, topic_prefix: str, fresh_database: Callable[[str], str]
) -> None:
    create_topics(kafka, topic_prefix, 1)
    producer = Producer(producer_settings(kafka))
    for event in (the_configuration(), a_case_event()):
        producer.produce(topic_prefix + event.data.topic, value=event.value(), key=event.key.encode(), headers=event.headers())
    producer.flush()
    environment = {
        "CASESTREAM_KAFKA": kafka,
        "CASESTREAM_DATABASE": fresh_database("task"),
        "CASESTREAM_TOPIC_PREFIX": topic_prefix,
        "CASESTREAM_LOG_LEVEL": "WARNING",
        "CASESTREAM_JWKS_URL": "http://127.0.0.1:9/none",
    }
    consumer = Consumer(consumer_settings(kafka, f"{topic_prefix}look", None))
    consumer.subscribe([topic_prefix + topics.TASKS])
    seen: dict[bytes, str] = {}  # by event: the sweeper may send again what is just being sent

    def has_heard_all() -> bool:
        message = consumer.poll(0.2)
        for each in [message, *consumer.consume(100, 0)] if message is not None else []:
            headers = dict(headers_of(each))
            seen.setdefault(headers["ce_id"], headers["ce_type"].decode())
        return len(seen) >= 4

    try:
        with running("consume", environment):
            eventually(has_heard_all, 30, 0)
        assert list(seen.values()) == ["casestream.task.triggered.v1", *["casestream.task.planned.v1"] * 2, "casestream.plan.made.v1"]
    finally:
        consumer.close()
    with running("api", environment) as url:
        assert httpx.get(f"{url}/tasks").status_code == 401
    with running("work", environment):
        pass
