"""A partition's work while transactions are committed, and when they are given up: as if each event had been committed by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sla.domain.packing import unpack
from services.sla.domain.records import RETENTION, ItemKind, Record, key_of
from services.sla.domain.tasks import TaskFact
from services.sla.stream.partition import Partition
from shared.ids import derive
from shared.schemas import events, topics
from tests.unit.sla.rules import POLICY, a_case_fact, a_task_fact, at, hours

NOW = at("2026-03-02 10:00")
DUE = at("2026-03-02 12:00")
STARTED = derive("started task")
KEY = key_of(ItemKind.TASK, a_task_fact().task_id)


def a_partition() -> Partition:
    return Partition(0, lambda _version: POLICY, NOW)


def take(partition: Partition, offset: int, fact: TaskFact) -> None:
    partition.take(fact, b"", NOW)
    partition.work.offsets[topics.TASKS] = offset + 1


def committed(partition: Partition) -> Record:
    return unpack(partition.timers.records[KEY])


def test_what_is_taken_in_during_a_commit_rests_on_what_is_being_committed() -> None:
    partition = a_partition()
    take(partition, 0, a_task_fact(1, due_at=DUE))
    assert not partition.is_settled
    partition.launch()
    assert KEY not in partition.timers.records
    take(partition, 1, a_task_fact(1, due_at=DUE))
    assert partition.work.ignored == 0  # a repeat: not even looked at
    assert partition.work.records == {}
    take(partition, 2, a_task_fact(2, due_at=DUE + hours(1)))
    partition.settle()
    assert (committed(partition).revision, partition.next_at()) == (1, committed(partition).next_at)
    partition.launch()
    partition.settle()
    assert (committed(partition).revision, committed(partition).clocks[0].due_at) == (2, DUE + hours(1))
    assert partition.is_settled


def test_a_transaction_that_is_given_up_takes_what_rests_on_it_along() -> None:
    partition = a_partition()
    take(partition, 0, a_task_fact(1, due_at=DUE))
    partition.launch()
    partition.settle()
    before, next_at = dict(partition.timers.records), partition.next_at()
    assert next_at is not None
    assert partition.fire(next_at, next_at, 0, 10) == 1
    take(partition, 1, a_task_fact(2, due_at=DUE + hours(1)))
    partition.launch()
    take(partition, 2, a_task_fact(3, due_at=DUE + hours(2)))
    partition.work.offsets[topics.CASES] = 5
    assert partition.undo() == {topics.TASKS, topics.CASES}
    assert (partition.timers.records, partition.next_at(), partition.is_settled) == (before, next_at, True)
    assert not partition.work


@pytest.mark.requirement("SLA-3")
def test_of_a_task_only_those_rungs_fire_up_to_whose_moment_its_inputs_are_read() -> None:
    partition = a_partition()
    take(partition, 0, a_task_fact(1, due_at=DUE))
    partition.launch()
    partition.settle()
    soon_at = partition.next_at()
    assert soon_at is not None
    assert partition.fire(soon_at, DUE + 1, 0, 10) == 1
    assert partition.work.told == {"due-soon": 1}
    partition.launch()
    partition.settle()
    assert partition.next_at() == DUE  # its completion may lie behind what was read


def test_the_marker_of_a_finished_task_leaves_a_tombstone_when_its_inputs_are_gone() -> None:
    partition = a_partition()
    take(partition, 0, a_task_fact(1, due_at=DUE))
    take(partition, 1, a_task_fact(2, due_at=DUE, state="completed", completed_at=NOW))
    partition.launch()
    partition.settle()
    assert partition.fire(NOW + RETENTION - 1, NOW + RETENTION - 1, 0, 10) == 0
    assert partition.fire(NOW + RETENTION, NOW + RETENTION, 0, 10) == 1
    assert partition.launch() == [(KEY, None)]
    partition.settle()
    assert partition.timers.records == {}


EVENTS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([{}, {"due_at": DUE}, {"due_at": DUE + hours(3)}, {"state": "completed"}])), max_size=12
)


@given(EVENTS, st.lists(st.sampled_from(["launch", "settle", "undo", "nothing"]), max_size=40))
def test_however_commits_fall_the_end_is_the_same(events: list[tuple[int, dict[str, Any]]], steps: list[str]) -> None:
    facts = [a_task_fact(revision, **{"due_at": DUE} | changes) for revision, changes in events]
    plain = a_partition()
    told = []
    for offset, fact in enumerate(facts):
        take(plain, offset, fact)
        told += [value for _, value, _ in plain.work.alerts]
        plain.launch()
        plain.settle()

    partition, at_offset, done, flown, seen = a_partition(), 0, 0, 0, []
    for step in [*steps, "settle", *(["nothing"] * len(facts)), "launch", "settle"]:
        if step == "launch" and partition.flying is None:
            partition.launch()
            flown = at_offset
        elif step == "settle" and partition.flying is not None:
            seen += [value for _, value, _ in partition.flying.alerts]
            partition.settle()
            done = flown
        elif step == "undo" and partition.flying is not None:
            partition.undo()
            at_offset = done
        elif step == "nothing" and at_offset < len(facts):
            take(partition, at_offset, facts[at_offset])
            at_offset += 1
    assert partition.is_settled
    assert (partition.timers.records, partition.next_at(), seen) == (plain.timers.records, plain.next_at(), told)


@pytest.mark.requirement("EDGE-5")
def test_a_late_start_in_a_finished_case_is_told_once_the_case_is_open_again_and_its_task_has_started() -> None:
    partition, told = a_partition(), []

    def live(until: int) -> None:
        partition.launch()
        partition.settle()
        partition.fire(until, until, 0, 10)
        told.extend(headers["ce_type"] for headers in (dict(written[2]) for written in partition.work.alerts))
        partition.launch()
        partition.settle()

    waiting: dict[str, Any] = {"state": "planned", "triggered_at": None, "due_at": None, "start_by": DUE}
    partition.take(a_task_fact(1, **waiting), b"", NOW)
    partition.take(a_task_fact(1, task=STARTED, start_by=DUE, due_at=DUE + hours(100)), b"", NOW)
    partition.take(a_case_fact(1, state="completed", completed_at=NOW), b"", NOW)
    late = events.ClockStartLate.event_type.encode()
    live(DUE)
    assert told == [late]  # of the task that can be begun
    partition.take(a_task_fact(2, **waiting), b"", DUE)  # somebody else got it: it still cannot start
    live(DUE + 1)
    assert told == [late]
    partition.take(a_case_fact(2, state="responded", at=DUE + 2), b"", DUE + 2)
    partition.take(a_task_fact(3, start_by=DUE, due_at=DUE + hours(100), at=DUE + 2), b"", DUE + 2)
    live(DUE + 3)
    live(DUE + hours(1))
    assert told == [late, late]
