"""Which partitions are ours: fencing and recovery when they come, letting go when they leave."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from services.sla import metrics
from services.sla.stream.changelog import read_back
from services.sla.stream.partition import Partition, Policies
from services.sla.stream.timers import Timers
from shared.calendars.openings import micros
from shared.clock import Clock
from shared.messaging.transactional import Aborted, Fenced, Producer, TopicPartition, commit, init_producer, transactional_producer
from shared.observability import get_logger
from shared.schemas import topics

log = get_logger(__name__)


class NotCoAssigned(Exception):
    """The group gave us a partition of one input without its counterpart of the other: a member with another assignor is in the group."""


@dataclass(slots=True)
class Held:
    """A partition that is ours: its clocks, its producer, and how far its inputs were read."""

    partition: Partition
    producer: Producer
    read_to: dict[str, int] = field(default_factory=dict)
    """By topic, the offset up to which everything was taken in; missing: not known yet."""
    ends: dict[str, int] = field(default_factory=dict)
    """By topic, the end as sampled at `sampled_at`."""
    sampled_at: int = -1
    waiting: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By topic, the offset that waits, and for which configuration version."""

    @property
    def is_caught_up(self) -> bool:
        """Whether everything was read that lay in the inputs when they were last sampled."""
        return self.sampled_at >= 0 and all(self.read_to.get(topic, -1) >= end for topic, end in self.ends.items())

    def write(self, changelog: str, output: str) -> None:
        """Write what the partition has decided to these topics, in a transaction that `end` commits."""
        produce, number, alerts = self.producer.produce, self.partition.number, self.partition.work.alerts
        self.producer.begin_transaction()
        for key, packed in self.partition.launch():
            produce(changelog, packed, key, number)
        for alert_key, value, headers in alerts:
            produce(output, value, alert_key, number, headers=headers)

    def end(self, group: object) -> bool:
        """Commit the transaction. False: it was given up. Raises `Fenced` and what makes the producer unusable."""
        number, flying = self.partition.number, self.partition.flying
        offsets = [TopicPartition(topic, number, after) for topic, after in flying.offsets.items()] if flying is not None else []
        started = time.monotonic()
        try:
            commit(self.producer, offsets, group)
        except Aborted as reason:
            log.warning("transaction given up", partition=number, reason=str(reason))
            metrics.ABORTS.inc()
            return False
        except Fenced:
            log.exception("fenced: another process has this partition", partition=number)
            raise
        metrics.TRANSACTION_SECONDS.observe(time.monotonic() - started)
        return True


class Assignment:
    """The partitions of this replica. Keeps what stays ours through a rebalance, so that nothing is read back without need."""

    def __init__(self, kafka: str, prefix: str, policies: Policies, clock: Clock, pool: ThreadPoolExecutor, changelog_format: int) -> None:
        self.held: dict[int, Held] = {}
        self._kafka = kafka
        self._prefix = prefix
        self._policies = policies
        self._clock = clock
        self._pool = pool
        self._format = changelog_format

    def take(self, assigned: Iterable[TopicPartition]) -> None:
        """Make `assigned` ours: fence their former owners, read the new ones' clocks back, drop those that left."""
        numbers = _common_numbers(assigned, self._prefix)
        for gone in set(self.held) - numbers:
            del self.held[gone]
        fresh = sorted(numbers - set(self.held))
        if not fresh:
            return
        started = time.monotonic()
        producers = {n: transactional_producer(self._kafka, f"{self._prefix}sla-{n}") for n in fresh}
        list(self._pool.map(init_producer, producers.values()))
        tables = read_back(self._kafka, self._prefix + topics.SLA_TIMERS, fresh)
        for number in fresh:
            timers = Timers()
            timers.load(tables.pop(number))
            partition = Partition(number, self._policies, micros(self._clock()), timers, self._format)
            self.held[number] = Held(partition, producers[number])
        seconds = time.monotonic() - started
        metrics.RECOVERY_SECONDS.set(seconds)
        items = sum(len(self.held[n].partition.timers.records) for n in fresh)
        log.info("clocks recovered", partitions=len(fresh), items=items, seconds=round(seconds, 3))

    def drop(self, numbers: Collection[int]) -> None:
        """Let go of partitions that are somebody else's already."""
        for number in numbers:
            self.held.pop(number, None)


def _common_numbers(assigned: Iterable[TopicPartition], prefix: str) -> set[int]:
    by_topic: dict[str, set[int]] = {prefix + topics.CASES: set(), prefix + topics.TASKS: set()}
    for place in assigned:
        by_topic[place.topic].add(place.partition)
    cases, tasks = by_topic.values()
    if cases != tasks:
        raise NotCoAssigned(f"cases {sorted(cases)}, tasks {sorted(tasks)}")
    return cases
