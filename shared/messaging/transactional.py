"""Kafka transactions for a stream whose state lives in Kafka: offsets, changelog and output become visible together or not at all.

Owns how such a stream's consumer and producers are set up, and what each kind of failure means. The stream itself belongs to its service.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from shared.messaging.kafka import consumer_settings, producer_settings, quiet

__all__ = [
    "OFFSET_BEGINNING",
    "Aborted",
    "Consumer",
    "Ends",
    "Fenced",
    "KafkaError",
    "KafkaException",
    "Message",
    "Producer",
    "TopicPartition",
    "changelog_reader",
    "commit",
    "init_producer",
    "is_end",
    "stream_consumer",
    "transactional_producer",
    "value_of",
    "will_pass",
]

TRANSACTION_TIMEOUT_SECONDS = 5.0
"""A transaction whose process died holds its readers up no longer than this."""
OPERATION_SECONDS = 30.0


class Fenced(Exception):
    """Another process has taken over this transactional id: what this one was about to write is gone, and it must stop."""


class Aborted(Exception):
    """The transaction was given up; nothing of it is visible, and its messages can be read again."""


def transactional_producer(kafka: str, transactional_id: str) -> Producer:
    """A producer of transactions. Call `init_producer` before its first one."""
    return Producer(
        producer_settings(kafka)
        | {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_SECONDS * 1000),
            "message.timeout.ms": int(TRANSACTION_TIMEOUT_SECONDS * 1000),
            # A coordinator that is still loading is asked again; librdkafka says so each time.
            "log_level": 3,
        }
    )


def init_producer(producer: Producer, seconds: float = OPERATION_SECONDS) -> None:
    """Fence whoever held the transactional id before, and end what it left open. Raises `KafkaException` when Kafka stays away."""
    until = time.monotonic() + seconds
    while True:
        try:
            producer.init_transactions(max(0.1, until - time.monotonic()))
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() >= until:
                raise
        else:
            return


def commit(producer: Producer, offsets: Sequence[TopicPartition], group: object, seconds: float = OPERATION_SECONDS) -> None:
    """Commit the open transaction together with the `offsets` of a consumer.

    `group`: what its `consumer_group_metadata()` says. That is to be asked on the consumer's own thread: on another it waits for a `poll`
    to return, which in turn may wait, in a callback about a rebalance, for this commit.

    Raises `Fenced`, `Aborted`, or the `KafkaException` that leaves the producer unusable.
    """
    try:
        if offsets:
            producer.send_offsets_to_transaction(list(offsets), group, seconds)
        until = time.monotonic() + seconds
        while True:
            try:
                producer.commit_transaction(max(0.1, until - time.monotonic()))
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() >= until:
                    raise
            else:
                return
    except KafkaException as error:
        _give_up(producer, error, seconds)


def _give_up(producer: Producer, error: KafkaException, seconds: float) -> None:
    reason: KafkaError = error.args[0]
    if reason.code() in _FENCED:
        raise Fenced(str(reason)) from error
    if not reason.txn_requires_abort():
        raise error
    try:
        producer.abort_transaction(seconds)
    except KafkaException as failure:
        if failure.args[0].code() in _FENCED:
            raise Fenced(str(failure.args[0])) from failure
        raise
    raise Aborted(str(reason)) from error


_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


def stream_consumer(kafka: str, group: str, instance: str) -> Consumer:
    """A consumer whose offsets are committed in transactions, and which tells when it has reached a partition's end (`is_end`).

    Range assignor: topics with the same number of partitions get the same numbers on the same replica.
    """
    return Consumer(
        consumer_settings(kafka, group, instance)
        | {
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 131_072,
            "queued.min.messages": 100_000,
            # Nobody waits for a stream as people wait for a message: what comes gathers at the broker for a moment.
            "fetch.min.bytes": 1_000_000,
            "fetch.wait.max.ms": 100,
        }
    )


def changelog_reader(kafka: str) -> Consumer:
    """A consumer outside any group, for reading partitions of a compacted topic from their beginning."""
    return Consumer(
        consumer_settings(kafka, f"casestream-changelog-{uuid.uuid4()}", None)
        | {
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 262_144,
            "fetch.message.max.bytes": 8_388_608,
        }
    )


def is_end(error: KafkaError) -> bool:
    """Whether this "error" of a consumed message says that the partition's end was reached; its offset is the next one to come."""
    return bool(error.code() == KafkaError._PARTITION_EOF)


def will_pass(error: KafkaError) -> bool:
    """Whether a consumed message's error is one that librdkafka gets over by itself (a topic just created, a leader that moves)."""
    return error.retriable() or error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NOT_LEADER_FOR_PARTITION)


def value_of(message: Message) -> bytes | None:
    """A consumed message's value as it came."""
    value = message.value()
    return value if isinstance(value, bytes) else None


class Ends:
    """Asks where partitions end. On a connection of its own: on a consumer's, the question waits behind each long poll for messages."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._admin: AdminClient | None = None

    def of(self, places: Sequence[tuple[str, int]], seconds: float) -> dict[tuple[str, int], int]:
        """The next offset of each partition, by one request to each broker. Raises `KafkaException`."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {TopicPartition(topic, number): latest for topic, number in places}
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._kafka, "socket.nagle.disable": True, "error_cb": quiet})  # type: ignore[dict-item]
        asked = self._admin.list_offsets(wanted, request_timeout=seconds)
        try:
            return {(place.topic, place.partition): future.result().offset for place, future in asked.items()}
        except KafkaException:
            # A client that knew a broker before it came back asks it by its leadership of before, for good (FENCED_LEADER_EPOCH).
            self._admin = None
            raise
