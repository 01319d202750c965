"""Kafka away for a minute of the service's time: it comes back by itself or is started again, and tells what fell due once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.messaging.topics import create_topics
from tests.service.sla.harness import Running, SlaStreams, streams
from tests.service.sla.hosts import HostClock, completed, told
from tests.support import eventually
from tests.support.sla import a_task
from tests.support.sla_broker import OwnBroker, own_broker
from tests.support.sla_replicas import never


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    with own_broker(tmp_path) as own:
        yield own


class Supervised:
    """A stream that is started again when it ends, as the product's supervisor does."""

    def __init__(self, sla: SlaStreams, clock: HostClock) -> None:
        self._sla = sla
        self._clock = clock
        self.ends: list[str] = []
        self._running: Running = sla.start(clock=clock)

    def look(self) -> Running:
        if self._running.is_over():
            self.ends.append(repr(self._running.error))
            self._running = self._sla.start(clock=self._clock)
        return self._running


@pytest.mark.requirement("SLA-3")
def test_what_fell_due_while_kafka_was_away_is_told_once(broker: OwnBroker, fresh_database: Callable[[str], str]) -> None:
    create_topics(broker.address, "", 1)
    clock, began = HostClock(), HostClock()()
    with streams(broker.address, "", fresh_database("sla")) as sla:
        stream = Supervised(sla, clock)
        begun = began - timedelta(minutes=10)
        names = {"told before": 0, "open": 50, "done": 50, "later": 120}
        tasks = {
            name: a_task(name, subject_line=name, triggered_at=begun, due_at=began + timedelta(seconds=seconds))
            for name, seconds in names.items()
        }
        for task in tasks.values():
            sla.send(task)
        eventually(lambda: len(told(sla)) == 5 and stream.look(), 60)
        sla.send(completed(tasks["done"], clock()), 2, clock())
        eventually(lambda: ("closed", "done", 0) in told(sla), 60)  # no commit is under way: one may wait for Kafka for half a minute
        broker.kill()
        clock.set_by(timedelta(minutes=1))
        never.wait(2)
        broker.come_back()

        def is_told() -> bool:
            stream.look()
            return ("overdue", "open", 0) in told(sla)

        eventually(is_told, 90)
        clock.set_by(timedelta(minutes=1))
        eventually(lambda: stream.look() and ("overdue", "later", 0) in told(sla), 60)
        rungs = [(rung, name) for rung, name, _ in told(sla)]
    due_soon = [("due-soon", name) for name in names]
    overdue = [("overdue", name) for name in ("told before", "open", "later")]
    assert sorted(rungs) == sorted([*due_soon, *overdue, ("closed", "done")]), stream.ends
