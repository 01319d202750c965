"""Reading what was published lately, when somebody asks: no group, no position, one reader at a time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple

from shared.messaging.kafka import Consumer, KafkaException, TopicPartition, consumer_settings, headers_of
from shared.observability import get_logger
from shared.schemas.envelope import Event, Payload, Undecodable, decode
from shared.schemas.topics import TOPICS

log = get_logger(__name__)

SECONDS: Final = 10.0
"""A reading takes at most so long; what was not read by then is passed over."""


class PastUnavailable(Exception):
    """Past events cannot be read just now: Kafka is away, or somebody else is reading."""


class Read(NamedTuple):
    """What was found, in no order across keys. `complete`: nothing of the time asked for was passed over."""

    events: list[Event]
    complete: bool


class Past:
    """Past events of a topic. Safe for use by many threads, of which one reads at a time: each reading holds up to `most` events."""

    def __init__(self, kafka: str, prefix: str, most: int = 50_000) -> None:
        """`most`: messages that are read, the newest of each partition."""
        self._kafka = kafka
        self._prefix = prefix
        self._most = most
        self._one = threading.Lock()

    def read(self, payloads: Sequence[type[Payload]], since: datetime) -> Read:
        """The events of these types, which are of one topic, that were published since then. Raises `PastUnavailable`."""
        if not self._one.acquire(blocking=False):
            raise PastUnavailable("somebody else is reading past events; try again shortly")
        try:
            return self._read(payloads, since)
        except KafkaException as error:
            raise PastUnavailable("past events cannot be read just now; try again shortly") from error
        finally:
            self._one.release()

    def _read(self, payloads: Sequence[type[Payload]], since: datetime) -> Read:
        (topic,) = {payload.topic for payload in payloads}
        wanted = {payload.event_type.encode(): payload for payload in payloads}
        consumer = Consumer(consumer_settings(self._kafka, f"{self._prefix}casestream-past-{uuid.uuid4()}", None))
        try:
            places, complete = self._places(consumer, topic, since)
            left = {partition: end for partition, (start, end) in places.items() if start < end}
            consumer.assign([TopicPartition(self._prefix + topic, partition, places[partition][0]) for partition in left])
            events: list[Event] = []
            until = monotonic() + SECONDS
            while left and monotonic() < until:
                first = consumer.poll(0.2)
                for message in [first, *consumer.consume(999, 0)] if first is not None else []:
                    if (error := message.error()) is not None:
                        if not error.retriable():
                            raise KafkaException(error)
                        continue
                    headers = dict(headers_of(message))
                    payload = wanted.get(headers.get("ce_type", b""))
                    if payload is not None:
                        try:
                            events.append(decode(message.key(), headers, message.value(), payload))
                        except Undecodable as error_:
                            log.warning("past message cannot be read", topic=topic, offset=message.offset(), reason=str(error_))
                # By position, not by message: what ends a transaction is a place without a message.
                for place in consumer.position([TopicPartition(self._prefix + topic, partition) for partition in left]):
                    if place.offset >= left[place.partition]:
                        del left[place.partition]
            return Read(events, complete and not left)
        finally:
            consumer.close()

    def _places(self, consumer: Consumer, topic: str, since: datetime) -> tuple[dict[int, tuple[int, int]], bool]:
        """By partition where to begin and to end; and whether that is all since then."""
        name, count = self._prefix + topic, TOPICS[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=5.0)[1] for partition in range(count)]
        moment = int(since.timestamp() * 1000)
        asked = [TopicPartition(name, partition, moment) for partition in range(count)]
        places, complete = {}, True
        for found in consumer.offsets_for_times(asked, timeout=5.0):
            if found.error is not None:
                raise KafkaException(found.error)
            end = ends[found.partition]
            start = found.offset if found.offset >= 0 else end
            newest = max(start, end - self._most // count)
            complete = complete and newest == start
            places[found.partition] = (newest, end)
        return places, complete
