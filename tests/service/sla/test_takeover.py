"""A partition changes hands: its former owner is fenced before its clocks are read back, and both inputs come with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sla.domain.packing import FORMAT
from services.sla.domain.policy import Policy
from services.sla.handlers.policies import build_policy
from services.sla.stream.assignment import Assignment, NotCoAssigned
from shared.clock import utc_now
from shared.messaging.transactional import KafkaException, TopicPartition, init_producer, transactional_producer
from shared.schemas import topics
from tests.service.sla.harness import SlaStreams
from tests.support import eventually
from tests.support.configuration import a_configuration
from tests.support.sla import a_task


def policy(_version: int) -> Policy:
    return build_policy(a_configuration())


class LastMinute(ThreadPoolExecutor):
    """The pool that fences former owners: the former owner commits at the last moment before that."""

    def __init__(self, commit: Callable[[], None]) -> None:
        super().__init__(1)
        self._commit = commit

    def map(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        self._commit()
        return super().map(*arguments, **options)


def an_assignment(sla: SlaStreams, pool: ThreadPoolExecutor) -> Assignment:
    return Assignment(sla.kafka, sla.prefix, policy, utc_now, pool, FORMAT)


def both_inputs(sla: SlaStreams, numbers: Iterable[int]) -> list[TopicPartition]:
    return [TopicPartition(sla.prefix + name, number) for name in (topics.CASES, topics.TASKS) for number in numbers]


@pytest.mark.requirement("SLA-3")
def test_what_the_former_owner_committed_at_the_last_moment_is_read_back_and_nothing_after(sla: SlaStreams) -> None:
    running = sla.started()
    sla.send(a_task(triggered_at=datetime.now(UTC), due_at=datetime.now(UTC) + timedelta(hours=1)))
    (number, key, _, value, _) = eventually(lambda: sla.messages(topics.SLA_TIMERS))[0]
    running.close()
    former = transactional_producer(sla.kafka, f"{sla.prefix}sla-{number}")
    init_producer(former)

    def write(name: bytes) -> None:
        former.begin_transaction()
        former.produce(sla.prefix + topics.SLA_TIMERS, value, key[:-1] + name, number)
        former.commit_transaction(10)

    with LastMinute(lambda: write(b"1")) as pool:
        assignment = an_assignment(sla, pool)
        assignment.take(both_inputs(sla, [number]))
    assert set(assignment.held[number].partition.timers.records) == {key, key[:-1] + b"1"}
    with pytest.raises(KafkaException):
        write(b"2")


def test_a_partition_of_one_input_without_that_of_the_other_is_refused(sla: SlaStreams) -> None:
    with ThreadPoolExecutor(1) as pool:
        assignment = an_assignment(sla, pool)
        with pytest.raises(NotCoAssigned):
            assignment.take([*both_inputs(sla, [1]), TopicPartition(sla.prefix + topics.CASES, 2)])
    assert assignment.held == {}
