"""The consumer loop: consume a batch, take it in, next. What it promises is said in the package's docstring; this is how.

- A lone message goes at once: `poll()` returns it, and `consume(n, 0)` adds only what is already there.
- Positions come from the database on assignment, never from Kafka.
- What the database or Kafka being away causes is tried again; what one message causes is isolated by halving the batch.
- A message that kills the process is found by attempts that are counted before they are made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import cast

from shared.clock import Clock, utc_now
from shared.messaging.batch import BadRelease, BatchProcessor, Incoming, Taken
from shared.messaging.handler import Handlers
from shared.messaging.kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition, consumer_settings
from shared.messaging.metrics import ConsumerMetrics
from shared.messaging.publisher import EventPublisher
from shared.messaging.reference import ReferenceData
from shared.observability import get_logger
from shared.settings import ProcessSettings
from shared.storage import dead_letters, inbox, offsets
from shared.storage.database import CONFLICT, CONNECTION_LOST
from shared.storage.dead_letters import DeadLetter
from shared.storage.offsets import Fenced

log = get_logger(__name__)

POLL_SECONDS = 0.2
ATTEMPTS = 3
"""A message that fails, or kills its process, so often becomes a dead letter."""
CAREFUL_AFTER_RESTARTS = 2
"""Assigned so often without progress: something here kills the process; go message by message."""
GIVE_UP_SECONDS = 60.0
"""The database or Kafka away for so long: stop, and let the supervisor start this process again."""
WAIT_SECONDS = 0.2
"""How long a partition rests whose next message depends on something not known yet."""
UPKEEP_SECONDS = 1.0
STALLED_SECONDS = 60.0
FATAL = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)


class ConsumerLoop:
    """Consumes the topics of `handlers` for one service until stopped."""

    def __init__(
        self,
        service: str,
        settings: ProcessSettings,
        handlers: Handlers,
        publisher: EventPublisher,
        reference: ReferenceData,
        stop: threading.Event,
        clock: Clock = utc_now,
    ) -> None:
        self._service = service
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._topics = sorted(handlers)
        self._database = publisher.database
        self._publisher = publisher
        self._processor = BatchProcessor(service, handlers, publisher, reference, settings.bad_in_a_row)
        self._metrics = ConsumerMetrics.of(service)
        self._stop = stop
        self._clock = clock
        self._positions: dict[offsets.TopicPartition, int] = {}
        self._careful_until: dict[offsets.TopicPartition, int] = {}
        self._resting: dict[offsets.TopicPartition, float] = {}
        self._untold: set[offsets.TopicPartition] = set()
        self._joined = threading.Event()
        self._alive_at = time.monotonic()
        self._upkeep_at = 0.0
        self._maintained_on: object = None
        group = f"{self._prefix}casestream-{service}"
        self._consumer = Consumer(consumer_settings(settings.kafka, group, f"{service}-{settings.instance}"))

    def problems(self) -> list[str]:
        """Why this consumer is not ready; empty when it is."""
        found = [] if self._joined.is_set() else ["has not joined its consumer group yet"]
        if time.monotonic() - self._alive_at > STALLED_SECONDS:
            found.append(f"no progress of the loop for {STALLED_SECONDS:.0f} s")
        return found

    def run(self) -> None:
        """Consume until `stop` is set; then finish the batch at hand and leave in good order."""
        self._maintain()
        self._consumer.subscribe(
            [self._prefix + topic for topic in self._topics],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        try:
            while not self._stop.is_set():
                self._alive_at = time.monotonic()
                first = self._consumer.poll(POLL_SECONDS)
                if first is not None:
                    size = self._settings.batch_size
                    self._take([first, *(self._consumer.consume(size - 1, 0) if size > 1 else [])])
                self._wake_rested()
                if time.monotonic() - self._upkeep_at > UPKEEP_SECONDS:
                    self._upkeep()
        finally:
            self._tell()
            self._release(list(self._positions))
            self._consumer.close()

    # Assignment

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        wanted = {self._bare(p): 0 for p in partitions}
        if wanted:
            with self._database.transaction() as tx:
                found = offsets.assigned(tx, wanted)
            for where, position in found.items():
                self._positions[where] = position.next_offset
                if position.restarts >= CAREFUL_AFTER_RESTARTS or position.attempts:
                    self._careful_until[where] = position.next_offset + self._settings.batch_size
                    log.warning("careful: restarted without progress", topic=where[0], partition=where[1], offset=position.next_offset)
        consumer.assign([TopicPartition(p.topic, p.partition, self._positions[self._bare(p)]) for p in partitions])
        self._joined.set()
        log.info("partitions assigned", count=len(partitions))

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._release([self._bare(p) for p in partitions])

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._forget(self._bare(partition))

    def _release(self, gone: Sequence[offsets.TopicPartition]) -> None:
        if not gone:
            return
        try:
            with self._database.transaction() as tx:
                offsets.released(tx, gone)
        except CONNECTION_LOST as error:
            log.warning("release not recorded: database away", error=type(error).__name__)
        for where in gone:
            self._forget(where)

    def _forget(self, where: offsets.TopicPartition) -> None:
        self._positions.pop(where, None)
        self._careful_until.pop(where, None)
        self._resting.pop(where, None)
        self._metrics.lag.labels(where[0], where[1]).set(0)

    def _bare(self, partition: TopicPartition) -> offsets.TopicPartition:
        return (partition.topic.removeprefix(self._prefix), partition.partition)

    # Batches

    def _take(self, messages: Sequence[Message]) -> None:
        batch = [incoming for message in messages if (incoming := self._incoming(message)) is not None]
        started = time.monotonic()
        careful = [m for m in batch if m.offset < self._careful_until.get(m.where, 0)]
        if careful:
            watched = {m.where for m in careful}
            self._take_isolating([m for m in batch if m.where not in watched])
            for message in (m for m in batch if m.where in watched):
                self._take_carefully(message)
        else:
            self._take_isolating(batch)
        if batch:
            self._metrics.batch_size.observe(len(batch))
            self._metrics.batch_seconds.observe(time.monotonic() - started)

    def _incoming(self, message: Message) -> Incoming | None:
        error = message.error()
        if error is not None:
            # A fatal error that is told as an event names its kind by its code only; a consumer in that state consumes nothing any more.
            if error.fatal() or error.code() in FATAL:
                raise KafkaException(error)
            log.warning("kafka", error=error.str())
            return None
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        where = (topic.removeprefix(self._prefix), partition)
        if offset < self._positions.get(where, 1 << 62) or where in self._resting:
            return None
        headers = cast("list[tuple[str, bytes | None]]", message.headers() or ())
        return Incoming(where, offset, message.key(), headers, message.value())

    def _take_carefully(self, message: Incoming) -> None:
        """One message by itself, its attempt counted before it is made: if it kills this process, the count is what remains."""
        if message.where not in self._positions or message.where in self._resting:
            return
        with self._database.transaction() as tx:
            attempts = offsets.attempt(tx, message.where, message.offset)
        if attempts >= ATTEMPTS:
            letter = message.letter("failed", f"the process died on this message {attempts} times", attempts)
            self._set_aside(message, letter)
        else:
            self._take_isolating([message])

    def _take_isolating(self, batch: Sequence[Incoming]) -> None:
        """Take a batch in; if it fails as a whole, its halves one after the other, until the message at fault is alone."""
        batch = [m for m in batch if m.where in self._positions and m.where not in self._resting]
        if not batch:
            return
        try:
            self._after(self._take_retrying(batch))
        except Fenced as error:
            self._metrics.fenced.inc()
            log.warning("fenced", error=str(error))
            self._reposition()
        except (KafkaException, *CONNECTION_LOST):
            raise
        except Exception as error:
            # Nothing is swallowed: the message at fault is found and set aside with this reason.
            if isinstance(error, BadRelease | MemoryError):
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                self._take_isolating(batch[:middle])
                self._take_isolating(batch[middle:])
            else:
                self._fail(batch[0], error)

    def _take_retrying(self, batch: Sequence[Incoming]) -> Taken:
        """Take a batch in, again and again while the database is away; deadlocks and serialisation failures at once."""
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        pause = 0.05
        while True:
            try:
                return self._processor.take(batch, self._positions)
            except CONFLICT:
                self._metrics.retries.inc()
            except CONNECTION_LOST as error:
                self._metrics.retries.inc()
                log.warning("database away; trying again", error=type(error).__name__, pause_seconds=pause)
                if time.monotonic() > give_up_at or self._stop.wait(pause):
                    raise
                pause = min(pause * 2, 5.0)

    def _fail(self, message: Incoming, error: Exception) -> None:
        """A message that its handler broke on: tried again, each attempt counted in the database, then set aside."""
        log.error("handler failed", topic=message.topic, partition=message.partition, offset=message.offset, exc_info=error)
        with self._database.transaction() as tx:
            attempts = offsets.attempt(tx, message.where, message.offset)
        if attempts < ATTEMPTS:
            if not self._stop.wait(0.05 * attempts):
                self._take_isolating([message])
            return
        letter = message.letter("failed", f"{type(error).__name__}: {error}", attempts)
        self._set_aside(message, letter)

    def _set_aside(self, message: Incoming, letter: DeadLetter) -> None:
        try:
            self._after(self._processor.set_aside(message, letter, self._positions))
        except BadRelease:
            with self._database.transaction() as tx:
                offsets.forget_attempts(tx, message.where)
            raise

    def _after(self, taken: Taken) -> None:
        self._untold.update(taken.moves)
        for where, offset in taken.waiting.items():
            self._metrics.waits.labels(where[0]).inc()
            self._resting[where] = time.monotonic() + WAIT_SECONDS
            self._consumer.pause([TopicPartition(self._prefix + where[0], where[1])])
            log.debug("partition rests", topic=where[0], partition=where[1], offset=offset)

    def _wake_rested(self) -> None:
        for where, until in list(self._resting.items()):
            if time.monotonic() >= until:
                del self._resting[where]
                place = TopicPartition(self._prefix + where[0], where[1], self._positions[where])
                self._consumer.seek(place)
                self._consumer.resume([place])

    def _reposition(self) -> None:
        """After being fenced: where the partitions really stand, and on from there."""
        held = list(self._positions)
        with self._database.read() as tx:
            rows = tx.rows(
                """select o.topic, o.partition, o.next_offset from offsets o
                   join unnest(%s::text[], %s::int[]) as t(topic, partition) on o.topic = t.topic and o.partition = t.partition""",
                ([t for t, _ in held], [p for _, p in held]),
            )
        for topic, partition, next_offset in rows:
            self._positions[(topic, partition)] = next_offset
            self._consumer.seek(TopicPartition(self._prefix + topic, partition, next_offset))

    # Upkeep

    def _upkeep(self) -> None:
        self._upkeep_at = time.monotonic()
        self._maintain()
        self._replay()
        self._tell()
        for where, position in self._positions.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(self._prefix + where[0], where[1]), cached=True)
            if high >= 0:
                self._metrics.lag.labels(where[0], where[1]).set(max(0, high - position))

    def _tell(self) -> None:
        """Tell Kafka how far we are: nothing here reads that, but those who watch a group's lag do."""
        told = [
            TopicPartition(self._prefix + where[0], where[1], self._positions[where]) for where in self._untold if where in self._positions
        ]
        self._untold.clear()
        if told:
            self._consumer.commit(offsets=told, asynchronous=True)

    def _maintain(self) -> None:
        today = self._clock().date()
        if self._maintained_on != today:
            with self._database.transaction() as tx:
                inbox.maintain(tx, self._clock())
            self._maintained_on = today

    def _replay(self) -> None:
        """Take in again the dead letters that somebody asked for, each in a transaction of its own."""
        while not self._stop.is_set():
            failed: tuple[object, str] | None = None
            try:
                with self._publisher.transaction() as tx:
                    waiting = dead_letters.replaying(tx, 1)
                    if not waiting:
                        return
                    letter_id, letter = waiting[0]
                    failed = (letter_id, "")
                    dead_letters.replayed(tx, letter_id, self._processor.replay_one(tx, letter))
            except CONNECTION_LOST:
                raise
            except Exception as error:
                if failed is None:
                    raise
                with self._database.transaction() as tx:
                    dead_letters.replayed(tx, letter_id, f"{type(error).__name__}: {error}")
