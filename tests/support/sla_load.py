"""A load for sla's stream: tasks and cases that live through seconds as others do through weeks, each by a script drawn from a seed."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ids import derive
from shared.messaging.kafka import Producer, producer_settings
from shared.schemas.envelope import Payload
from shared.schemas.events import (
    CaseLifeCycle,
    CaseState,
    CaseStatusChanged,
    TaskDueChanged,
    TaskLifeCycle,
    TaskState,
    TaskStatusChanged,
)
from tests.support.configuration import a_configuration
from tests.support.sla import a_case, a_task, as_event

Step = Callable[[], None]


def a_hurried_configuration(seconds: int) -> dict[str, Any]:
    """A configuration in which cases are to be resolved in `seconds` and completed in twice that; completion does not pause."""
    targets = [
        {"clock": "resolution", "within": f"{seconds} seconds"},
        {"clock": "completion", "within": f"{2 * seconds} seconds", "pauses": False},
    ]
    ladder = {"due_soon_share": 0.8, "repeat_overdue_every": f"{max(2, seconds // 3)} seconds", "repeat_overdue_times": 2}
    return a_configuration(sla={"targets": targets, "ladder": ladder}).model_dump(mode="json")


class Load:
    """Makes items at a rate, and lets each live by its script, in a thread of its own. `seconds`: how long an item has."""

    def __init__(self, kafka: str, prefix: str, seed: int, rate: float, seconds: float) -> None:
        self.events = 0
        self.items = 0
        self._producer = Producer(producer_settings(kafka) | {"linger.ms": 5, "message.timeout.ms": 300_000})
        self._prefix = prefix
        self._pick = random.Random(seed)
        self._rate = rate
        self._seconds = seconds
        self._steps: list[tuple[float, int, Step]] = []
        self._ordinal = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Make no more items, and break off what the others would still do."""
        self._stop.set()
        self._thread.join(60)
        assert self.error is None, repr(self.error)
        assert self._producer.flush(60) == 0

    def _run(self) -> None:
        try:
            began = time.monotonic()
            while not self._stop.is_set():
                now = time.monotonic()
                while self.items < (now - began) * self._rate:
                    self.items += 1
                    (self._a_task if self._pick.random() < 0.6 else self._a_case)(self.items)
                while self._steps and self._steps[0][0] <= now:
                    heapq.heappop(self._steps)[2]()
                self._producer.poll(0)
                self._stop.wait(0.01)
        except Exception as error:  # noqa: BLE001 - told by `finish`
            self.error = error

    def _in(self, seconds: float, step: Step) -> None:
        self._ordinal += 1
        heapq.heappush(self._steps, (time.monotonic() + seconds, self._ordinal, step))

    def _send(self, data: Payload, revision: int, at: datetime) -> None:
        event = as_event(data, revision, at)
        self._producer.produce(self._prefix + data.topic, event.value(), event.key.encode(), headers=event.headers())
        self.events += 1

    # Tasks

    def _a_task(self, number: int) -> None:
        now, span = datetime.now(UTC), self._pick.uniform(0.3, 1) * self._seconds
        case = derive("load", self._pick.randrange(200))
        task = a_task(("load", number), case_id=case, triggered_at=now, due_at=now + timedelta(seconds=span))
        self._send(task, 1, now)
        what = self._pick.choices(("left", "early", "close", "late", "moved", "read late"), (6, 5, 1, 3, 4, 2))[0]
        if what == "early":
            self._in(self._pick.uniform(0.1, 0.7) * span, lambda: self._finish_task(task, 2))
        elif what == "close":
            self._in(self._pick.choice((0.8, 1.0)) * span + self._pick.uniform(-0.1, 0.1), lambda: self._finish_task(task, 2))
        elif what == "late":
            self._in(span + self._pick.uniform(0.3, 1.5) * self._seconds, lambda: self._finish_task(task, 2))
        elif what == "moved":
            self._in(self._pick.uniform(0.1, 1.3) * span, lambda: self._move_task(task, 2))
        elif what == "read late":
            behind = self._pick.uniform(0.5, 4)
            self._in(self._pick.uniform(0.5, 1.2) * span + behind, lambda: self._finish_task(task, 2, behind))

    def _finish_task(self, task: TaskState, revision: int, behind: float = 0) -> None:
        at = datetime.now(UTC) - timedelta(seconds=behind)
        state = TaskLifeCycle.CANCELLED if self._pick.random() < 0.2 else TaskLifeCycle.COMPLETED
        done = {"state": state, "completed_at": at if state == TaskLifeCycle.COMPLETED else None}
        self._send(TaskStatusChanged(**task.model_dump() | done), revision, at)

    def _move_task(self, task: TaskState, revision: int) -> None:
        at, span = datetime.now(UTC), self._pick.uniform(-0.1, 1) * self._seconds
        moved = TaskDueChanged(**task.model_dump() | {"due_at": at + timedelta(seconds=span)})
        self._send(moved, revision, at)
        if self._pick.random() < 0.4:
            self._in(self._pick.uniform(0.1, 1.5) * self._seconds, lambda: self._finish_task(moved, revision + 1))
        elif revision < 4:
            self._in(self._pick.uniform(0.3, 1.5) * self._seconds, lambda: self._move_task(moved, revision + 1))

    # Cases

    def _a_case(self, number: int) -> None:
        now = datetime.now(UTC)
        opened_at = now - timedelta(seconds=self._pick.uniform(0, 0.5) * self._seconds)
        name = ("load", number)
        case = a_case(name, case_id=derive("load case", number), subject="noise", priority="normal", opened_at=opened_at)
        self._send(case, 1, now)
        what = self._pick.choices(("left", "waits", "done"), (2, 5, 3))[0]
        if what == "waits":
            self._in(self._pick.uniform(0.1, 1.2) * self._seconds, lambda: self._pause_case(case, 2))
        elif what == "done":
            self._in(self._pick.uniform(0.1, 2.5) * self._seconds, lambda: self._finish_case(case, 2))

    def _pause_case(self, case: CaseState, revision: int) -> None:
        paused = self._case(case, revision, state=CaseLifeCycle.RESPONDED, status="waiting", waiting_for_customer=True)
        if self._pick.random() < 0.9:
            self._in(self._pick.uniform(0.1, 0.8) * self._seconds, lambda: self._resume_case(paused, revision + 1))

    def _resume_case(self, case: CaseState, revision: int) -> None:
        running = self._case(case, revision, status="answered", waiting_for_customer=False)
        if self._pick.random() < 0.4 and revision < 6:
            self._in(self._pick.uniform(0.1, 0.8) * self._seconds, lambda: self._pause_case(running, revision + 1))
        elif self._pick.random() < 0.6:
            self._in(self._pick.uniform(0.1, 1.5) * self._seconds, lambda: self._finish_case(running, revision + 1))

    def _finish_case(self, case: CaseState, revision: int) -> None:
        now = datetime.now(UTC)
        if case.state != CaseLifeCycle.FINALLY_RESOLVED and self._pick.random() < 0.5:
            resolved = self._case(case, revision, state=CaseLifeCycle.FINALLY_RESOLVED, status="resolved", resolved_at=now)
            self._in(self._pick.uniform(0.1, 1) * self._seconds, lambda: self._finish_case(resolved, revision + 1))
        elif self._pick.random() < 0.2:
            self._case(case, revision, state=CaseLifeCycle.CANCELLED, status="cancelled")
        else:
            resolved_at = case.resolved_at or now
            done = {"state": CaseLifeCycle.COMPLETED, "status": "closed", "resolved_at": resolved_at, "completed_at": now}
            self._case(case, revision, **done)

    def _case(self, case: CaseState, revision: int, **changes: Any) -> CaseState:
        changed = CaseStatusChanged(**case.model_dump() | changes)
        self._send(changed, revision, datetime.now(UTC))
        return changed
