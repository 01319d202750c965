"""A Kafka broker within this process, of those that the client library tests itself with: enough for a producer, and at once there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer


@contextmanager
def a_broker() -> Iterator[str]:
    """Its address. It makes topics as they are written to, and forgets everything at the end."""
    keeper = Producer({"bootstrap.servers": "127.0.0.1:9", "test.mock.num.brokers": 1, "log_level": 0})
    found = next(iter(keeper.list_topics(timeout=30).brokers.values()))
    yield f"{found.host}:{found.port}"
    keeper.flush(1)
