"""Follows the changelog into the read model of clocks. Positions are the database's, and move in the transaction of the rows."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from uuid import UUID

from services.sla import metrics
from services.sla.domain.packing import UnknownFormat
from services.sla.domain.standing import SILENT
from services.sla.handlers.alerts import CLOCK_NAMES
from services.sla.handlers.projecting import PolicyOf, project, purge
from services.sla.settings import Settings
from services.sla.storage import lists
from services.sla.storage.lists import Which
from shared.clock import Clock, utc_now
from shared.messaging.kafka import Consumer, KafkaException, TopicPartition, consumer_settings
from shared.messaging.transactional import value_of, will_pass
from shared.observability import get_logger
from shared.schemas import topics
from shared.schemas.configuration import NotConfigured
from shared.storage import Database, offsets
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)

BATCH = 2_000
GATHER_SECONDS = 0.5
"""How far the read model lags behind, so that an item that changes several times at once is written once, and Kafka asked seldom."""
GATHER_BYTES = 1_000_000
ARRIVING_SECONDS = 0.1
"""How long what was gathered at Kafka takes at most to be all here."""
RETRY_SECONDS = 1.0
WATCH_SECONDS = 15.0
PURGE_EVERY = timedelta(days=1)


class Projection:
    """The read model's follower. Runs in a thread of every API process; the group shares the partitions out."""

    def __init__(self, settings: Settings, database: Database, policy_of: PolicyOf) -> None:
        self._settings = settings
        self._database = database
        self._policy_of = policy_of
        self._topic = settings.topic_prefix + topics.SLA_TIMERS
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._positions: dict[int, int] = {}
        self._failure = ""

    def start(self) -> None:
        """Follow until `close`."""
        self._thread = threading.Thread(target=self._run, name="projection", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following; returns once the batch at hand is written."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(15)

    def problems(self) -> list[str]:
        """Why the read model is not being followed; empty when it is."""
        return [self._failure] if self._failure else []

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, offsets.Fenced, NotConfigured, UnknownFormat, *CONNECTION_LOST) as error:
                self._failure = f"the read model of clocks is not followed: {type(error).__name__}"
                log.warning("read model: trying again", error=type(error).__name__)
                self._stop.wait(RETRY_SECONDS)

    def _follow(self) -> None:
        group = f"{self._settings.topic_prefix}casestream-sla-clocks"
        gathering = {"fetch.wait.max.ms": int(GATHER_SECONDS * 1000), "fetch.min.bytes": GATHER_BYTES}
        consumer = Consumer(consumer_settings(self._settings.kafka, group, f"sla-clocks-{self._settings.instance}") | gathering)
        try:
            consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)
            while not self._stop.is_set():
                self._take(consumer)
        finally:
            consumer.close()

    def _take(self, consumer: Consumer) -> None:
        first = consumer.poll(GATHER_SECONDS)
        if first is None:
            return
        changes: list[tuple[bytes, bytes | None]] = []
        moves: dict[tuple[str, int], tuple[int, int]] = {}
        for message in [first, *consumer.consume(BATCH - 1, ARRIVING_SECONDS)]:
            error = message.error()
            number, offset, key = message.partition() or 0, message.offset() or 0, message.key()
            if error is not None:
                if will_pass(error):
                    continue
                raise KafkaException(error)
            position = self._positions.get(number)
            if position is None or offset < position or not isinstance(key, bytes):
                continue
            changes.append((key, value_of(message)))
            moves[(topics.SLA_TIMERS, number)] = (position, offset + 1)
        with self._database.transaction() as tx:
            project(tx, changes, self._policy_of)
            offsets.advance(tx, moves)
        for (_, number), (_, after) in moves.items():
            self._positions[number] = after
        self._failure = ""

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        with self._database.transaction() as tx:
            found = offsets.assigned(tx, {(topics.SLA_TIMERS, place.partition): 0 for place in places})
        self._positions = {number: position.next_offset for (_, number), position in found.items()}
        consumer.assign([TopicPartition(self._topic, place.partition, self._positions[place.partition]) for place in places])

    def _on_revoke(self, _consumer: Consumer, _places: list[TopicPartition]) -> None:
        self._positions = {}


class Housekeeper:
    """Sets the gauges of the business every now and then, and lets go of what has been kept long enough. A thread of every API process."""

    def __init__(self, settings: Settings, database: Database, clock: Clock = utc_now) -> None:
        self._kept = timedelta(days=settings.clock_retention_days)
        self._database = database
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)
        self._purged_at: datetime | None = None

    def start(self) -> None:
        """Go on until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Stop; returns once the step at hand is done."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def watch(self) -> None:
        """Set the gauges once."""
        now = self._clock()
        for gauge, which in ((metrics.AT_RISK, Which.AT_RISK), (metrics.BREACHED, Which.BREACHED)):
            with self._database.read() as tx:
                counts = lists.count_by_kind(tx, which, now)
            for kind, name in CLOCK_NAMES.items():
                if kind not in SILENT:
                    gauge.labels(name).set(counts.get(int(kind), 0))

    def purge(self) -> int:
        """One round through all items, in steps; how many items went."""
        place: UUID | None = UUID(int=0)
        total = 0
        while place is not None and not self._stop.is_set():
            with self._database.transaction() as tx:
                place, count = purge(tx, self._clock() - self._kept, place)
            total += count
            metrics.PURGED.inc(count)
        return total

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.watch()
                if self._purged_at is None or self._clock() - self._purged_at >= PURGE_EVERY:
                    self._purged_at = self._clock()
                    self.purge()
            except CONNECTION_LOST as error:
                log.warning("housekeeping put off", error=type(error).__name__)
            self._stop.wait(WATCH_SECONDS)
