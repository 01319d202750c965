"""Replicas of sla's stream as processes, kept running by the product's own rules of supervision, and what can be done to them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from services.cli.stack.client import is_ready
from services.cli.stack.supervisor import Child
from shared.messaging.kafka import Consumer, TopicPartition, consumer_settings
from shared.schemas import topics
from tests.support import eventually
from tests.support.platform import CLONE
from tests.support.sla_log import micros_of
from tests.support.sla_oracle import SECOND, Moment, Weather
from tests.support.sla_verdict import Verdict

never = threading.Event()


def now() -> Moment:
    """The present moment."""
    return micros_of(datetime.now(UTC))


class Replicas:
    """So many replicas, each a static member of the group. `storms` tells when any was harmed, and when all were well again."""

    def __init__(self, count: int, kafka: str, prefix: str, database: str, folder: Path) -> None:
        self.storms: list[tuple[Moment, Moment]] = []
        self.harms: list[tuple[str, Moment, Moment]] = []
        """What was done, when, and from when on somebody could take over."""
        self._kafka = kafka
        self._prefix = prefix
        self._children: list[Child] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        for number in range(count):
            port = _free_port()
            environment = {
                **os.environ,
                "CASESTREAM_KAFKA": kafka,
                "CASESTREAM_DATABASE": database,
                "CASESTREAM_PORT": str(port),
                "CASESTREAM_INSTANCE": str(number),
                "CASESTREAM_TOPIC_PREFIX": prefix,
                "CASESTREAM_LOG_LEVEL": "WARNING",
            }
            command = [sys.executable, "-m", "services.sla", "stream"]
            entry = {"command": command, "environment": environment, "folder": str(CLONE), "wanted": False, "port": port}
            self._children.append(Child(entry, folder / f"sla-stream-{number}.log"))
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    def _supervise(self) -> None:
        while not self._over.wait(0.05):
            with self._lock:
                for child in self._children:
                    if child.look():
                        child.restarts += 1
                    if child.process is None and child.wanted and time.monotonic() >= child.start_after:
                        child.start()

    @property
    def restarts(self) -> int:
        """How often a replica was started again after it had ended."""
        return sum(child.restarts for child in self._children)

    def start(self, *numbers: int) -> None:
        """Let these run."""
        with self._lock:
            for number in numbers:
                child = self._children[number]
                child.entry["wanted"] = True
                child.start_after = 0.0

    def all_ready(self) -> bool:
        """Whether every replica that is to run says that it is ready."""
        return all(is_ready(f"http://127.0.0.1:{child.entry['port']}") for child in self._children if child.wanted)

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Until every replica that is to run is ready."""
        eventually(self.all_ready, seconds, 0.1)

    def wait_until_caught_up(self, seconds: float = 120) -> None:
        """Until all that the inputs hold now is taken in and committed: each partition has an owner again that works."""
        consumer = Consumer(consumer_settings(self._kafka, f"{self._prefix}casestream-sla", None))
        try:
            places = [TopicPartition(self._prefix + name, n) for name in (topics.CASES, topics.TASKS) for n in range(topics.PARTITIONS)]
            ends = [consumer.get_watermark_offsets(place, timeout=30)[1] for place in places]

            def is_caught_up() -> bool:
                committed = consumer.committed(places, timeout=30)
                return all(max(0, place.offset) >= end for place, end in zip(committed, ends, strict=True))

            eventually(is_caught_up, seconds, 0.1)
        finally:
            consumer.close()

    def kill(self, *numbers: int, stay_away: bool = False) -> None:
        """SIGKILL; they come back at once unless they are to stay away."""
        self._end(signal.SIGKILL, numbers, stay_away)

    def stop(self, *numbers: int) -> None:
        """SIGTERM, as an update does."""
        self._end(signal.SIGTERM, numbers, stay_away=True)

    def _end(self, how: signal.Signals, numbers: Sequence[int], stay_away: bool) -> None:
        with self._lock:
            for number in numbers:
                child = self._children[number]
                child.entry["wanted"] = not stay_away
                if child.process is not None:
                    child.process.send_signal(how)

    @contextmanager
    def frozen(self, number: int) -> Iterator[None]:
        """SIGSTOP while the block runs: what wakes up afterwards may be a zombie."""
        process = self._children[number].process
        if process is not None:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if process is not None:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def storm(self, name: str, settling: float = 12) -> Iterator[Callable[[], None]]:
        """What is done in the block is known as this harm; it lasts until all are ready and work, and for as long as a group may need to
        settle after that.

        What the block is given is to be called where, before it, there was nobody to take over.
        """
        began = now()
        able = [began]
        yield lambda: able.append(now())
        self.wait_until_ready()
        self.wait_until_caught_up()
        self.storms.append((began, now() + int(settling * SECOND)))
        self.harms.append((name, began, able[-1]))

    def weather(self, tolerance: float = 3) -> Weather:
        """The storms, for the oracle."""
        return Weather(int(tolerance * SECOND), tuple(self.storms))

    def takeovers(self, verdict: Verdict) -> list[tuple[str, float]]:
        """For each harm, how long what fell due in it was held up at most after somebody could take over, in seconds."""
        found = []
        for number, (name, began, able) in enumerate(self.harms):
            # What fell due right before the next harm may not have been told when that came.
            end = self.harms[number + 1][1] - 2 * SECOND if number + 1 < len(self.harms) else self.storms[-1][1]
            held_up = [fired - max(moment, able) for moment, fired in verdict.delays if began <= moment < end]
            found.append((name, max([0, *held_up]) / SECOND))
        return found

    def close(self) -> None:
        """End them all."""
        self._over.set()
        self._supervisor.join(10)
        for child in self._children:
            if child.process is not None:
                child.process.kill()
                child.process.wait(10)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
