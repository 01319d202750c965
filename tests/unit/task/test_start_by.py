"""By when work on a task is to begin is told as it becomes known or moves, and when work on it began."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.task.test_plan_handling import HOUR, NOW, TASKS, Desk

pytestmark = pytest.mark.requirement("EDGE-5", "TASK-2")

DAY = timedelta(days=1)
INSPECTED = {"task": "call-back", "after": "inspect-leak", "max_lag": "2 days"}
FIXED = {"task": "call-back", "after": "fix-leak", "max_lag": "3 days"}


def told(desk: Desk, code: str) -> list[tuple[str, datetime | None]]:
    """What was told of this task, each with by when it was to begin then."""
    payloads: list[Any] = [emission.payload for emission in desk.work.emissions]
    tasks = [data for data in payloads if getattr(data, "definition", None) == code]
    return [(data.event_type.removeprefix("casestream.task.").removesuffix(".v1"), data.start_by) for data in tasks]


def test_a_start_by_is_told_while_other_predecessors_are_open_and_only_when_it_changes() -> None:
    desk = Desk(INSPECTED, FIXED | {"max_lag": "1 hour"}, {"task": "call-back", "after": "log-diary"}, tasks=[*TASKS, "log-diary"])
    desk.do("inspect-leak", "complete")
    desk.do("fix-leak", "complete")
    first, second = NOW + HOUR + 2 * DAY, NOW + 2 * HOUR + HOUR
    assert told(desk, "call-back") == [("planned", None), ("start-by-changed", first), ("start-by-changed", second)]
    (entry,) = [change for change in desk.work._history if change.changes.get("start_by") == (first, second)]
    assert entry.task_id == desk.task("call-back").id
    # Without a lag of its own the third says nothing of it: the task starts, and keeps what it has.
    desk.do("log-diary", "complete")
    assert told(desk, "call-back")[3:] == [("triggered", second)]


def test_one_that_does_not_move_is_not_told_again() -> None:
    desk = Desk(INSPECTED, FIXED, {"task": "call-back", "after": "log-diary"}, tasks=[*TASKS, "log-diary"])
    desk.do("inspect-leak", "complete")
    desk.do("fix-leak", "complete")
    assert [kind for kind, _ in told(desk, "call-back")] == ["planned", "start-by-changed"]


def test_when_work_began_is_told_from_then_on() -> None:
    desk = Desk()
    for action in ("begin", "put_back", "begin", "complete"):
        desk.do("inspect-leak", action)
    payloads: list[Any] = [emission.payload for emission in desk.work.emissions]
    began = [data.in_progress_at for data in payloads if getattr(data, "definition", "") == "inspect-leak"]
    assert began == [None, None, *[NOW + HOUR] * 4]
