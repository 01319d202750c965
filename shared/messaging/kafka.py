"""How this product talks to Kafka: the settings of its producers and consumers, in one place."""

from __future__ import annotations

from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

__all__ = [
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "Producer",
    "TopicPartition",
    "consumer_settings",
    "headers_of",
    "producer_settings",
    "quiet",
]

SESSION_SECONDS = 10
"""A crashed replica's partitions move after this long, unless it is back before: static membership resumes at once."""


SILENT = 2
"""librdkafka's own log lines on stderr, from critical up: the others tell of reconnecting, and are no JSON."""


def quiet(_error: object) -> None:
    """Connection errors that librdkafka reports while it reconnects by itself; what matters reaches the caller as an exception."""


def producer_settings(kafka: str) -> dict[str, Any]:
    """Idempotent, acknowledged by all in-sync replicas, partitioned as Java clients do (so that other languages agree on a key's place)."""
    return {
        "bootstrap.servers": kafka,
        "enable.idempotence": True,
        "acks": "all",
        # Of what compresses our small JSON well, the cheapest for both ends (docs/decisions/0005).
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        # Whoever publishes says when he is done (flush, commit), and nothing lingers on after that: a request a partition, not several.
        "linger.ms": 50,
        "batch.size": 262_144,
        "queue.buffering.max.messages": 500_000,
        "message.timeout.ms": 30_000,
        "socket.nagle.disable": True,
        "log_level": SILENT,
        "error_cb": quiet,
    }


def consumer_settings(kafka: str, group: str, instance: str | None) -> dict[str, Any]:
    """Positions are the database's; Kafka's committed offsets only tell lag to whoever watches. `instance` None: no static membership."""
    settings: dict[str, Any] = {
        "bootstrap.servers": kafka,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": SESSION_SECONDS * 1000,
        "heartbeat.interval.ms": 2000,
        "fetch.wait.max.ms": 200,
        "fetch.error.backoff.ms": 50,
        # Of a partition that has so many waiting here, more is fetched only when some are gone: fewer and larger requests.
        "queued.min.messages": 100,
        "fetch.queue.backoff.ms": 50,
        "queued.max.messages.kbytes": 65_536,
        "socket.nagle.disable": True,
        "log_level": SILENT,
        "error_cb": quiet,
    }
    if instance is not None:
        settings["group.instance.id"] = instance
    return settings


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """The headers of a consumed message; a header without a value is empty bytes."""
    pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return [(name, value or b"") for name, value in pairs]
