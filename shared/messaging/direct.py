"""Publishing without a database: for a process whose own sender repeats what was not acknowledged, so that it needs no outbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import cast

from confluent_kafka import KafkaError

from shared.messaging.kafka import KafkaException, Message, Producer, producer_settings
from shared.observability import get_logger
from shared.schemas.envelope import Event

log = get_logger(__name__)

ACKNOWLEDGE_SECONDS = 10.0
_FLUSH_SECONDS = 0.005


class NotAcknowledged(Exception):
    """Kafka did not confirm every event in time. Some may have arrived all the same: publish all of them again, with the same ids."""


class DirectPublisher:
    """Sends events and waits for Kafka's word. One per process; safe to use from several threads."""

    def __init__(self, kafka: str, prefix: str = "", seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        """`seconds`: how long Kafka may take to acknowledge before it counts as away."""
        self._settings = producer_settings(kafka) | {"message.timeout.ms": int(seconds * 1000)}
        self._prefix = prefix
        self._seconds = seconds
        self._producer = Producer(self._settings)
        self._replacing = threading.Lock()

    def publish(self, events: Sequence[Event]) -> None:
        """Return once all in-sync replicas have all of `events`, each in the order of its key. Raises `NotAcknowledged`."""
        producer = self._producer
        outcome = _Outcome(len(events))
        try:
            for event in events:
                producer.produce(
                    self._prefix + event.data.topic,
                    value=event.value(),
                    key=event.key.encode(),
                    headers=cast("list[tuple[str, str | bytes | None]]", event.headers()),
                    on_delivery=outcome.on_delivery,
                )
        except BufferError as error:
            raise NotAcknowledged("too much already waits for Kafka") from error
        except KafkaException as error:
            if error.args[0].fatal():
                self._replace(producer)
                raise NotAcknowledged(str(error.args[0])) from error
            raise
        # A flush ends the lingering and serves everybody's acknowledgements; in short ones, so that none waits for what others add.
        give_up_at = time.monotonic() + self._seconds + 1
        while outcome.open and time.monotonic() < give_up_at:
            producer.flush(_FLUSH_SECONDS)
        if outcome.open or outcome.error is not None:
            self._replace(producer)
            log.warning("kafka did not acknowledge", events=len(events), error=outcome.error.str() if outcome.error else "no answer")
            raise NotAcknowledged(outcome.error.str() if outcome.error else "no answer")

    def close(self) -> None:
        """Let go of what is still under way: nobody was told that it arrived."""
        self._producer.purge()
        self._producer.flush(1)

    def _replace(self, broken: Producer) -> None:
        """An idempotent producer that gave messages up misses their numbers, and may be refused for long; a new one starts afresh."""
        with self._replacing:
            if self._producer is broken:
                log.warning("kafka producer replaced")
                self._producer = Producer(self._settings)


class _Outcome:
    """What became of the events of one call. Several threads may serve its callbacks."""

    __slots__ = ("_lock", "error", "open")

    def __init__(self, count: int) -> None:
        self.open = count
        self.error: KafkaError | None = None
        self._lock = threading.Lock()

    def on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        with self._lock:
            self.error = self.error or error
            self.open -= 1
