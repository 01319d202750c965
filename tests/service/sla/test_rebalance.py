"""What the stream takes in while its group moves: nothing of an assignment that is over, and nothing is left out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sla.stream.loop import Stream
from shared.ids import derive
from shared.messaging.transactional import Consumer, Message, TopicPartition
from shared.storage.dead_letters import DeadLetter
from tests.service.sla.harness import SlaStreams
from tests.service.sla.test_stream import GivesUp
from tests.support import eventually
from tests.support.sla import a_task


class MovesOnce:
    """A real consumer, whose group moves within a call that has read a message already, while a commit is under way."""

    def __init__(self, consumer: Consumer, stream: Stream, *, is_back_at_once: bool) -> None:
        self._consumer = consumer
        self._stream = stream
        self._is_back_at_once = is_back_at_once
        self._places: list[TopicPartition] = []
        self.is_waiting = threading.Event()
        self.has_moved = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, most: int, seconds: float) -> list[Message]:
        if self.has_moved and not self._stream._is_assigned:
            self._stream._on_assign(self._consumer, self._places)
        if self.has_moved or not self._stream._flights:
            return self._consumer.consume(most, seconds)
        self.is_waiting.set()
        messages = self._consumer.consume(1, 10)
        while messages and messages[0].error() is not None:
            messages = self._consumer.consume(1, 10)
        self.has_moved, self._places = True, self._consumer.assignment()
        self._stream._on_revoke(self._consumer, self._places)
        if self._is_back_at_once:
            self._stream._on_assign(self._consumer, self._places)
        return messages


@pytest.mark.requirement("SLA-3")
@pytest.mark.parametrize("is_back_at_once", [True, False])
def test_a_message_read_before_the_group_moved_does_not_take_the_place_of_those_before_it(
    sla: SlaStreams, *, is_back_at_once: bool
) -> None:
    stream = sla.started().stream
    for held in stream.held.values():
        held.producer = GivesUp(held.producer, 1)  # type: ignore[assignment]
    stream._consumer = moving = MovesOnce(stream._consumer, stream, is_back_at_once=is_back_at_once)  # type: ignore[assignment]
    now, case = datetime.now(UTC), derive("a case, so that both are in one partition")
    given_up, after = (a_task(name, case_id=case, triggered_at=now - timedelta(minutes=1), due_at=now) for name in ("given up", "after"))
    sla.send(given_up)
    assert moving.is_waiting.wait(20)
    sla.send(after)
    eventually(lambda: {event.data.item_id for event in sla.alerts("overdue")} == {given_up.task_id, after.task_id})
    assert moving.has_moved


@pytest.mark.requirement("SLA-3")
def test_what_was_taken_in_and_not_yet_written_when_the_group_moved_is_read_again(sla: SlaStreams) -> None:
    """Whoever had the partition meanwhile may have gone on with it: what this replica had made of it is no longer worth anything."""
    stream = sla.started().stream
    case = derive("a case")
    is_taken, has_moved = threading.Event(), threading.Event()
    take_all = stream._take_all

    def taken(messages: Sequence[Message], letters: list[DeadLetter]) -> None:
        take_all(messages, letters)
        busy = [held.partition for held in stream.held.values() if held.partition.work.offsets]
        if busy and not is_taken.is_set():
            is_taken.set()
            places = stream._consumer.assignment()
            stream._on_revoke(stream._consumer, places)
            stream._on_assign(stream._consumer, places)
            assert not any(partition.work.offsets or partition.work.popped for partition in busy)
            has_moved.set()

    stream._take_all = taken  # type: ignore[method-assign]
    task = a_task("in hand", case_id=case, triggered_at=datetime.now(UTC) - timedelta(minutes=1), due_at=datetime.now(UTC))
    sla.send(task)
    eventually(lambda: {event.data.item_id for event in sla.alerts("overdue")} == {task.task_id})
    assert has_moved.is_set()
    assert len(sla.alerts("overdue")) == 1
