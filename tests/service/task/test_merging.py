"""A case is merged into another: its open tasks end, and come back as they were when that is undone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.task.domain.approvals import Decider
from services.task.handlers import approvals as handling
from services.task.handlers.compile import compile_configuration
from services.task.handlers.work import Cause, Work
from services.task.storage import repository
from shared.ids import derive
from shared.messaging import VersionCache
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, CaseMerged, CaseMergeUndone, CaseOpened
from tests.service.task.conftest import NOW, TaskService, a_case_event, a_lag_over, assert_gapless

CASE = derive("test case", 1)
CHANGED = ("revision", "changed_by")


def merged(revision: int) -> Event:
    into: dict[str, Any] = {"merged_into": uuid4(), "merged_into_number": "C-2"}
    return a_case_event(1, CaseMerged, revision=revision, state=CaseLifeCycle.CANCELLED, status="cancelled", reason="merged", **into)


def undone(revision: int) -> Event:
    return a_case_event(1, CaseMergeUndone, revision=revision, was_merged_into=uuid4())


def tasks(service: TaskService) -> list[dict[str, Any]]:
    rows = service.rows("select * from tasks order by id")
    return [{name: value for name, value in row.items() if name not in CHANGED} for row in rows]


def ask_for_approvals(service: TaskService) -> None:
    """Of the case, of a task, and of another task, which is declined."""
    work = Work(VersionCache.numbered(service.reference, compile_configuration).get, NOW)
    with service.publisher.transaction() as tx:
        work.cases = repository.lock_cases(tx, (CASE,))
        work.add_tasks(repository.tasks_of_cases(tx, (CASE,)).values())
        of = {task.definition: task for task in work.tasks_of(CASE)}
        cause = Cause(derive("asking"), NOW, "rita")
        for what, task in (("The case", None), ("A task", of["inspect-leak"]), ("Too dear", of["fix-leak"])):
            id = handling.ask(work, case_id=CASE, task=task, approver="lena", what=what, cause=cause, asked_by="rita")
        handling.decide(work, work.approvals[id], Decider("lena"), "Too dear", cause, approves=False)
        work.save(tx)


def approvals(service: TaskService) -> list[dict[str, Any]]:
    rows = service.rows("select * from approvals order by what")
    return [{name: value for name, value in row.items() if name not in ("revision", "remind_at")} for row in rows]


@pytest.mark.requirement("EDGE-11", "TASK-6", "TASK-4")
@pytest.mark.parametrize("in_one_batch", [False, True])
def test_an_undone_merge_brings_the_tasks_back_as_they_were(service: TaskService, in_one_batch: bool) -> None:
    service.feed(a_case_event())
    with service.database.transaction() as tx:
        # One has a lag before it, and one was cancelled by hand before: that one stays so.
        at = NOW + timedelta(days=1)
        tx.execute("update tasks set starts_at = %s where definition = 'fix-leak'", (at,))
        tx.execute("update tasks set state = 'cancelled', cancellation_reason = 'done otherwise' where definition = 'call-back'")
    ask_for_approvals(service)
    with service.database.transaction() as tx:
        tx.execute(
            """insert into bookings
                select gen_random_uuid(), 0, 'van', 'The van', null, 'repairs', 0, tstzrange(%s, %s), 'booked',
                    id, case_id, '', 'rita', %s, 'rita', %s, null, '' from tasks where definition = 'inspect-leak'""",
            (at, at + timedelta(hours=1), NOW, NOW),
        )
    before, asked = tasks(service), approvals(service)
    assert [(row["state"], row["comment"]) for row in asked] == [("asked", ""), ("asked", ""), ("declined", "Too dear")]
    events = [merged(2), undone(3)]
    if in_one_batch:
        service.feed(*events)
    else:
        service.feed(events[0])
        assert {(row["definition"], row["state"], row["cancellation_reason"]) for row in tasks(service)} == {
            ("inspect-leak", "cancelled", "case-merged"),
            ("fix-leak", "cancelled", "case-merged"),
            ("call-back", "cancelled", "done otherwise"),
        }
        assert {row["state"] for row in approvals(service)} == {"withdrawn"}
        service.feed(events[1])
        told = [event.data for event in service.events if event.type.startswith("casestream.approval.")][-3:]
        assert sorted((data.what, data.state, data.comment) for data in told) == [
            ("A task", "asked", ""),
            ("The case", "asked", ""),
            ("Too dear", "declined", "Too dear"),
        ]
        reminding = service.rows("select remind_at is not null as yes from approvals order by what")
        assert [row["yes"] for row in reminding] == [True, True, False]
    assert tasks(service) == before
    assert approvals(service) == asked
    # What was released meanwhile may be somebody else's by now.
    assert [row["state"] for row in service.rows("select state from bookings")] == ["booked" if in_one_batch else "cancelled"]
    back = [event.data for event in service.events if event.type == "casestream.task.status-changed.v1"][-2:]
    assert {(data.definition, data.state, data.state_before) for data in back} == {
        ("inspect-leak", "pending", "cancelled"),
        ("fix-leak", "planned", "cancelled"),
    }
    assert_gapless(service.events)
    service.feed(*events)  # again: nothing more
    assert tasks(service) == before
    service.feed(a_lag_over(service.task(CASE, "fix-leak"), at))
    assert service.task(CASE, "fix-leak")["state"] == "pending"


@pytest.mark.requirement("EDGE-11", "TASK-2")
def test_a_case_never_planned_is_planned_once_its_merge_is_undone(service: TaskService) -> None:
    service.feed(merged(2), a_case_event(1, CaseOpened))
    assert tasks(service) == []
    service.feed(undone(3))
    assert [row["state"] for row in tasks(service)].count("pending") == 1
