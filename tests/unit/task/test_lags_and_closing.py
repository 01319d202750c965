"""Tasks end, lags are over, the case closes and opens again, and the words of that are delayed, repeated and mixed up: each task starts
once all the same, none while the case is known to be closed, and none is left behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.task.domain.ownership import SYSTEM, Owner, OwnerKind
from services.task.handlers import cases, commands, progress
from services.task.handlers.compile import Compiled, compile_configuration
from services.task.handlers.work import Cause, Work
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, CaseStatusChanged, ClockKind, ClockLagOver, ItemKind, TaskTriggered
from tests.support.configuration import SUBJECTS, a_configuration
from tests.unit.task.test_plan_handling import CASE, NOW, an_opening

STEPS = st.lists(
    st.tuples(st.sampled_from(["time", "end", "close or open", "hear of it", "lag", "lag by a clock ahead"]), st.integers(0, 9)),
    min_size=20,
    max_size=40,
)
AHEAD = timedelta(hours=2)
LINKS = (
    {"task": "fix-leak", "after": "inspect-leak", "lag": "5 hours", "max_lag": "2 days"},
    {"task": "log-diary", "after": "inspect-leak"},
    {"task": "call-back", "after": "fix-leak", "lag": "20 hours"},
    {"task": "call-back", "after": "log-diary", "lag": "1 hour"},
)


@lru_cache
def _compiled(_version: int) -> Compiled:
    workflow = {"tasks": ["inspect-leak", "fix-leak", "log-diary", "call-back"], "dependencies": list(LINKS)}
    return compile_configuration(a_configuration(subjects=[SUBJECTS[0] | {"workflow": workflow}, *SUBJECTS[1:]]))


class Life:
    """A case, with what sla and case have said of it."""

    def __init__(self) -> None:
        self.work = Work(_compiled, NOW)
        cases.on_case_opened(self.work, an_opening())
        self.revision, self.is_closed = 1, False
        self.told: set[tuple[UUID, datetime]] = set()
        """Lags of which sla's word that they are over was taken in."""
        self.unheard: list[Event] = []
        """What case has told of, and task has not taken in yet: that comes in order."""

    def end(self, number: int) -> None:
        """Somebody ends one of the tasks that can be worked on."""
        running = [task for task in self.work.tasks_of(CASE) if task.state == "pending"]
        if running:
            task = running[number % len(running)]
            cause = Cause(uuid4(), self.work.now)
            if task.assignee is None:
                commands.assign(self.work, task, Owner(OwnerKind.USER, "paul"), None, SYSTEM, cause)
            if number % 5:
                commands.complete(self.work, task, SYSTEM, cause)
            else:
                commands.cancel(self.work, task, SYSTEM, cause, "not needed")

    def close_or_open(self) -> None:
        self.is_closed, self.revision = not self.is_closed, self.revision + 1
        state = CaseLifeCycle.COMPLETED if self.is_closed else CaseLifeCycle.RESPONDED
        data = CaseStatusChanged(**an_opening().data.model_dump() | {"state": state})
        self.unheard.append(Event(uuid4(), data.event_type, "/case", str(CASE), self.work.now, self.revision, 1, "", str(CASE), data))

    def hear(self) -> None:
        if self.unheard:
            cases.on_case_status_changed(self.work, self.unheard.pop(0))

    def lags(self, ahead: timedelta) -> list[ClockLagOver]:
        """What sla, whose clock is ahead of ours by so much, has told by now."""
        told: dict[Any, ClockLagOver] = {}
        for emission in self.work.emissions:
            data: Any = emission.payload
            starts_at = getattr(data, "starts_at", None)
            if starts_at is not None and starts_at <= self.work.now + ahead:
                what = {"kind": ClockKind.LAG, "item_kind": ItemKind.TASK, "item_id": data.task_id, "case_id": CASE}
                told[data.task_id, starts_at] = ClockLagOver(clock_id=uuid4(), **what, started_at=NOW, due_at=starts_at, fired_at=starts_at)
        return list(told.values())

    def lag_over(self, data: ClockLagOver) -> None:
        self.told.add((data.item_id, data.due_at))
        event = Event(uuid4(), data.event_type, "/sla", str(data.clock_id), data.fired_at, 1, 1, "", str(CASE), data)
        progress.on_lag_over(self.work, event)

    def started(self) -> list[str]:
        payloads: list[Any] = [emission.payload for emission in self.work.emissions]
        return [data.definition for data in payloads if isinstance(data, TaskTriggered)]


@pytest.mark.requirement("TASK-2", "EDGE-5")
@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_each_task_starts_once_and_none_in_a_closed_case_or_never(steps: list[tuple[str, int]]) -> None:
    life = Life()
    for what, number in steps:
        before, was_closed = life.started(), life.work.cases[CASE].is_closed
        match what:
            case "time":
                life.work.now += timedelta(hours=number)
            case "end":
                life.end(number)
            case "close or open":
                life.close_or_open()
            case "hear of it":
                life.hear()
            case _ if told := life.lags(AHEAD if what.endswith("ahead") else timedelta()):
                life.lag_over(told[number % len(told)])
        if was_closed and life.work.cases[CASE].is_closed:
            assert life.started() == before
    # In the end all is told, the case is open, and everybody does what there is to do.
    if life.is_closed:
        life.close_or_open()
    while life.unheard:
        life.hear()
    for _ in range(5):
        life.work.now += timedelta(days=1)
        for told in life.lags(timedelta()):
            if (told.item_id, told.due_at) not in life.told:
                life.lag_over(told)
        life.end(1)
        life.end(1)
    assert {str(task.state) for task in life.work.tasks_of(CASE)} <= {"completed", "cancelled"}
    assert sorted(life.started()) == ["call-back", "fix-leak", "inspect-leak", "log-diary"]
