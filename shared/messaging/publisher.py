"""Publishing what a transaction emitted: after its commit, in the order of each aggregate, and surely.

Inline first: the moment the transaction has committed, its events go to Kafka, unless an older event of the same aggregate still waits.
What was not sent inline (Kafka away, a crash in between, an older event waiting) the sweeper of the service sends, in order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import cast

from shared.clock import Clock, utc_now
from shared.messaging.kafka import KafkaException, Producer, producer_settings
from shared.messaging.metrics import PublisherMetrics
from shared.observability import get_logger
from shared.storage import Database, Transaction, outbox
from shared.storage.database import CONNECTION_LOST, Emitted, Encoded
from shared.storage.outbox import Parcel

log = get_logger(__name__)

SWEEP_EVERY_SECONDS = 0.5
SWEEP_AFTER = timedelta(seconds=1)
"""Younger events are left to the process that committed them."""
FLUSH_SECONDS = 10.0


class _Acknowledged:
    """How many of some messages Kafka has. Threads that share a producer may serve each other's callbacks."""

    __slots__ = ("_lock", "count")

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def on_delivery(self, error: object, _message: object) -> None:
        if error is None:
            with self._lock:
                self.count += 1


class EventPublisher:
    """Commits transactions and publishes their events. One per process; safe to use from several threads."""

    def __init__(self, database: Database, kafka: str, prefix: str, service: str, clock: Clock = utc_now) -> None:
        self.database = database
        self._prefix = prefix
        self._service = service
        self._clock = clock
        self._settings = producer_settings(kafka)
        self._producer = Producer(self._settings)
        self._replacing = threading.Lock()
        self._metrics = PublisherMetrics.of(service)
        self._kafka_away = threading.Event()
        self._stop = threading.Event()
        self._sweeper: threading.Thread | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction whose emitted events are published once it has committed.

        It commits also while Kafka is away; the events then wait in the outbox.
        """
        with self.database.transaction() as tx:
            yield tx
            parcel = outbox.store(tx)
        if parcel.sequence is not None and not self._kafka_away.is_set():
            self._publish_inline(parcel.sequence, parcel.emitted)

    @contextmanager
    def quick_transaction(self, committed: Callable[[Parcel], None]) -> Iterator[Transaction]:
        """A quick transaction of the database, for events that as a rule are the first of their aggregates. One thread at a time.

        `committed` has the events then, for whoever calls `publish` soon; until that they wait in the outbox.
        """
        with self.database.quick_transaction() as tx:
            yield tx
            is_first = all(isinstance(one, Emitted) and one.event.revision == 1 for one in tx.emitted)
            parcel = outbox.store_first(tx) if is_first else partial(Parcel, *outbox.store(tx))
        committed(parcel())

    def publish(self, parcels: Sequence[Parcel]) -> None:
        """Publish what transactions handed over, in the order of their commits. What Kafka does not take waits in the outbox."""
        sequences = [parcel.sequence for parcel in parcels if parcel.sequence is not None]
        if sequences and not self._kafka_away.is_set():
            self._publish_all(sequences, [one for parcel in parcels if parcel.sequence is not None for one in parcel.emitted])

    def _publish_inline(self, sequence: int, emitted: Sequence[Emitted | Encoded]) -> None:
        self._publish_all([sequence], emitted)

    def _publish_all(self, sequences: Sequence[int], emitted: Sequence[Emitted | Encoded]) -> None:
        acknowledged = _Acknowledged()
        producer = self._producer
        try:
            for one in emitted:
                self._produce(producer, one.topic, one.key, one.value, one.headers(), acknowledged)
        except (KafkaException, BufferError) as error:
            log.warning("kafka takes no more; events wait in the outbox", error=str(error))
        producer.flush(FLUSH_SECONDS)
        self._metrics.published.inc(acknowledged.count)
        if acknowledged.count == len(emitted):
            self._kafka_away.clear()
            with self.database.transaction() as tx:
                outbox.delete(tx, sequences)
        else:
            self._kafka_away.set()
            self._replace(producer)
            log.warning("kafka did not acknowledge; events wait in the outbox", waiting=len(emitted) - acknowledged.count)

    def _produce(
        self, producer: Producer, topic: str, key: str, value: bytes, headers: list[tuple[str, bytes]], acknowledged: _Acknowledged
    ) -> None:
        producer.produce(
            self._prefix + topic,
            value=value,
            key=key.encode(),
            headers=cast("list[tuple[str, str | bytes | None]]", headers),
            on_delivery=acknowledged.on_delivery,
        )

    def start_sweeper(self) -> None:
        """Start the thread that sends what was left behind. Of all processes of the service, one at a time does it."""
        self._sweeper = threading.Thread(target=self._sweep_until_stopped, name="outbox-sweeper", daemon=True)
        self._sweeper.start()

    def _sweep_until_stopped(self) -> None:
        while not self._stop.wait(SWEEP_EVERY_SECONDS):
            try:
                while self.sweep():
                    pass
            except CONNECTION_LOST as error:
                log.warning("outbox sweeper: database away", error=type(error).__name__)

    def sweep(self) -> bool:
        """Send the oldest waiting events in order. True: there may be more."""
        with self.database.transaction() as tx:
            row = tx.row("select pg_try_advisory_xact_lock(hashtext(current_schema() || ' outbox'))")
            if row is None or not row[0]:
                return False
            self._metrics.outbox_age.set(outbox.age_seconds(tx))
            waiting = outbox.unsent(tx, self._clock() - SWEEP_AFTER)
            if not waiting:
                return False
            acknowledged = _Acknowledged()
            producer = self._producer
            for event in waiting:
                self._produce(producer, event.topic, event.key, event.value, event.headers, acknowledged)
            # The lock is held while Kafka answers: that is its purpose, no row of anybody's is locked by it.
            producer.flush(FLUSH_SECONDS)
            complete = acknowledged.count == len(waiting)
            if complete:
                outbox.delete(tx, list({event.sequence for event in waiting}))
        if complete:
            self._metrics.swept.inc(len(waiting))
            self._kafka_away.clear()
            return True
        self._replace(producer)
        return False

    def _replace(self, broken: Producer) -> None:
        """Let go of a producer that gave messages up: their sequence numbers are missing, and the broker may refuse all that follow.

        What it still had on the wire may arrive late; it is sent again from the outbox, in order, and its repeat is recognised.
        """
        with self._replacing:
            if self._producer is broken:
                self._producer = Producer(self._settings)
        broken.purge()
        broken.flush(0)

    def close(self) -> None:
        """Stop the sweeper and send what is still in memory."""
        self._stop.set()
        if self._sweeper is not None:
            self._sweeper.join(FLUSH_SECONDS + 5)
        self._producer.flush(FLUSH_SECONDS)
