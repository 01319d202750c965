"""Following a whole topic without a group: every process sees every event, from some time back on."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from shared.messaging.kafka import Consumer, KafkaException, Message, TopicPartition, consumer_settings, headers_of
from shared.observability import get_logger
from shared.schemas.envelope import Event, Payload, Undecodable, decode
from shared.schemas.topics import TOPICS

log = get_logger(__name__)

UNKNOWN_TOPIC = 3


class Followed(NamedTuple):
    """An event, and where on its topic it is."""

    event: Event
    partition: int
    offset: int


def _nobody(_positions: Mapping[int, int]) -> None:
    return


class Follower:
    """Hands the events of some types on their topic to `take`, as many at once as there are, by a thread of its own. Kafka away is waited
    for.
    """

    def __init__(
        self,
        kafka: str,
        prefix: str,
        payloads: Sequence[type[Payload]],
        take: Callable[[Sequence[Followed]], None],
        since: datetime,
        began: Callable[[Mapping[int, int]], None] = _nobody,
    ) -> None:
        """`since`: events before it are passed over. `began` is told the first offset of each partition, before anything is taken.

        Raises ValueError for types of several topics.
        """
        (topic,) = {payload.topic for payload in payloads}
        self._kafka = kafka
        self._topic = prefix + topic
        self._partitions = TOPICS[topic].partitions
        self._payloads = {payload.event_type.encode(): payload for payload in payloads}
        self._take = take
        self._since = since
        self._began = began
        self._group = f"{prefix}casestream-follow-{uuid.uuid4()}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"follow {topic}", daemon=True)
        self._positions: dict[int, int] = {}
        """Partition -> next offset."""
        self._broken = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def problems(self) -> list[str]:
        """Why nothing is followed any more; empty while it is."""
        return [self._broken] if self._broken else []

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except KafkaException as error:
                log.warning("topic cannot be read; trying again", topic=self._topic, error=str(error))
                self._stop.wait(0.5)
            except BaseException as error:
                # The thread ends; whoever looks after this process has to see that it follows no more.
                self._broken = f"{self._topic} is no longer followed: {type(error).__name__}"
                raise

    def _read(self) -> None:
        # Its group is never used: no offset is committed, no partition assigned by the broker.
        consumer = Consumer(consumer_settings(self._kafka, self._group, None))
        try:
            self._begin(consumer)
            consumer.assign([TopicPartition(self._topic, partition, offset) for partition, offset in self._positions.items()])
            while not self._stop.is_set():
                message = consumer.poll(0.5)
                followed = []
                for received in [message, *consumer.consume(499, 0)] if message is not None else []:
                    error = received.error()
                    if error is None:
                        followed += self._read_one(received)
                    elif not error.retriable() and error.code() != UNKNOWN_TOPIC:
                        raise KafkaException(error)
                if followed:
                    self._take(followed)
        finally:
            consumer.close()

    def _begin(self, consumer: Consumer) -> None:
        """Find where to begin, once: at the first event since then; where there is none yet, at the end."""
        missing = [partition for partition in range(self._partitions) if partition not in self._positions]
        if not missing:
            return
        # The ends first: what comes after them is later than `since`, and read.
        ends = {partition: consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=5.0)[1] for partition in missing}
        moment = int(self._since.timestamp() * 1000)
        for found in consumer.offsets_for_times([TopicPartition(self._topic, partition, moment) for partition in missing], timeout=5.0):
            if found.error is not None:
                raise KafkaException(found.error)
            self._positions[found.partition] = found.offset if found.offset >= 0 else ends[found.partition]
        self._began(dict(self._positions))

    def _read_one(self, message: Message) -> list[Followed]:
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None:
            return []
        self._positions[partition] = offset + 1
        headers = dict(headers_of(message))
        payload = self._payloads.get(headers.get("ce_type", b""))
        if payload is None:
            return []
        try:
            return [Followed(decode(message.key(), headers, message.value(), payload), partition, offset)]
        except Undecodable as error:
            log.warning("message cannot be read", topic=self._topic, offset=offset, reason=str(error))
            return []
