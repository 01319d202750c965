"""A Kafka that only one test uses, so that it can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from services.cli.stack.kafka import Kafka
from tests.support import eventually

SETTINGS = {
    # One that was killed may come back once its session has run out: sooner than after Kafka's own 9 s.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
}


class OwnBroker:
    """Kafka, as long as the test lets it live."""

    def __init__(self, folder: Path) -> None:
        self._kafka = Kafka(folder, progress=lambda _: None, settings=SETTINGS)
        self.address = self._kafka.start()

    def kill(self) -> None:
        """SIGKILL."""
        pid = self._kafka.pid
        assert pid is not None, "Kafka runs in a container: its process cannot be killed from here"
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        eventually(lambda: self._kafka.pid is None, 30)

    def come_back(self) -> None:
        """Start it again where it was."""
        assert self._kafka.start() == self.address

    def close(self) -> None:
        """End it."""
        self._kafka.stop()


@contextlib.contextmanager
def own_broker(folder: Path) -> Iterator[OwnBroker]:
    """One for the block."""
    broker = OwnBroker(folder)
    try:
        yield broker
    finally:
        broker.close()
