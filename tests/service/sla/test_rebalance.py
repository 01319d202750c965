"""What the stream takes in while its group moves: nothing of an assignment that is over, and nothing is left out."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sla.stream.loop import Stream
from shared.ids import derive
from shared.messaging.transactional import Consumer, Message
from tests.service.sla.harness import SlaStreams
from tests.service.sla.test_stream import GivesUp
from tests.support import eventually
from tests.support.sla import a_task


class MovesOnce:
    """A real consumer, whose group moves after a message was polled while a commit was under way."""

    def __init__(self, consumer: Consumer, stream: Stream) -> None:
        self._consumer = consumer
        self._stream = stream
        self._has_polled = False
        self.is_waiting = threading.Event()
        self.has_moved = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def poll(self, seconds: float) -> Message | None:
        if self.has_moved or not self._stream._flights:
            return self._consumer.poll(seconds)
        self.is_waiting.set()
        message = self._consumer.poll(10)
        while message is not None and message.error() is not None:
            message = self._consumer.poll(10)
        self._has_polled = message is not None
        return message

    def consume(self, *arguments: Any) -> list[Message]:
        if self._has_polled and not self.has_moved:
            self.has_moved = True
            places = self._consumer.assignment()
            self._stream._on_revoke(self._consumer, places)
            self._stream._on_assign(self._consumer, places)
        return self._consumer.consume(*arguments)


@pytest.mark.requirement("SLA-3")
def test_a_message_polled_before_the_group_moved_does_not_take_the_place_of_those_before_it(sla: SlaStreams) -> None:
    stream = sla.started().stream
    for held in stream.held.values():
        held.producer = GivesUp(held.producer, 1)  # type: ignore[assignment]
    stream._consumer = moving = MovesOnce(stream._consumer, stream)  # type: ignore[assignment]
    now, case = datetime.now(UTC), derive("a case, so that both are in one partition")
    given_up, after = (a_task(name, case_id=case, triggered_at=now - timedelta(minutes=1), due_at=now) for name in ("given up", "after"))
    sla.send(given_up)
    assert moving.is_waiting.wait(20)
    sla.send(after)
    eventually(lambda: {event.data.item_id for event in sla.alerts("overdue")} == {given_up.task_id, after.task_id})
    assert moving.has_moved
