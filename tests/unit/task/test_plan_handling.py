"""What handlers do with a case's plan, in the unit of work that one transaction is: nothing here is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import pytest

from services.task.domain.critical_path import forecast
from services.task.domain.lifecycle import Refusal, TransitionRefused
from services.task.domain.ownership import SYSTEM, Actor, Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers import commands
from services.task.handlers.beginnings import NOTHING, left_out
from services.task.handlers.cases import on_case_opened
from services.task.handlers.compile import compile_configuration
from services.task.handlers.progress import TooEarly
from services.task.handlers.work import Cause, Work
from shared.ids import CaseId, UserId, derive, task_id
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, CaseOpened, PlanMade
from shared.schemas.parts import CustomerRef
from tests.support.configuration import SUBJECTS, a_configuration

pytestmark = pytest.mark.requirement("TASK-2", "EDGE-5")

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning at nine, in London too."""
CASE = derive("test case", 1)
HOUR = timedelta(hours=1)
TASKS = ["inspect-leak", "fix-leak", "call-back"]


class Desk:
    """A case under a workflow, and people who work on its tasks."""

    def __init__(self, *links: dict[str, str], tasks: list[Any] | None = None, **case: Any) -> None:
        workflow = {"tasks": TASKS if tasks is None else tasks, "dependencies": list(links)}
        configuration = a_configuration(subjects=[SUBJECTS[0] | {"workflow": workflow}, *SUBJECTS[1:]])
        compiled = lru_cache(lambda _version: compile_configuration(configuration))
        self.work = Work(compiled, NOW)
        self.now = NOW
        on_case_opened(self.work, an_opening(**case))

    def task(self, code: str) -> Task:
        return self.work.tasks[task_id(CaseId(CASE), code)]

    def states(self) -> dict[str, str]:
        return {str(task.definition): str(task.state) for task in self.work.tasks_of(CASE)}

    def do(self, code: str, action: str, *more: Any) -> None:
        """`begin`, `complete` or whatever, an hour after what was done before, as the one who has it."""
        self.now += HOUR
        task = self.task(code)
        if task.assignee is None and task.state.is_open:
            commands.assign(self.work, task, Owner(OwnerKind.USER, "paul"), None, SYSTEM, self.cause())
        getattr(commands, action)(self.work, task, SYSTEM, self.cause(), *more)

    def cause(self) -> Cause:
        return Cause(UUID(int=int(self.now.timestamp())), self.now)

    def told(self, kind: str) -> list[str]:
        """Of which definitions it was told that this happened, in order."""
        payloads = [emission.payload for emission in self.work.emissions]
        return [str(data.definition) for data in payloads if data.event_type == f"casestream.task.{kind}.v1"]  # type: ignore[attr-defined]


def an_opening(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "case_id": CASE,
        "number": "C-1",
        "subject": "leak",
        "title": "Water everywhere",
        "communication_id": derive("communication", 1),
        "conversation_id": derive("conversation", 1),
        "method": "email",
        "customer": CustomerRef(contact_id=derive("contact", 1), name="Carla Customer", email="carla@customer.example"),
        "state": CaseLifeCycle.PENDING,
        "status": "new",
        "urgency": "high",
        "impact": "high",
        "priority": "high",
        "unit": "repairs",
        "opened_at": NOW,
    }
    data = CaseOpened(**(fields | changes))
    return Event(derive("opening", 1), data.event_type, "/test/case", str(CASE), NOW, 1, 1, "", str(CASE), data)


def a_link(after: str, kind: str, task: str, **lags: str) -> dict[str, str]:
    return {"task": task, "after": after, "kind": kind, **lags}


def test_a_task_starts_once_another_was_begun_and_again_beginning_changes_nothing() -> None:
    desk = Desk(a_link("inspect-leak", "start_to_start", "fix-leak"))
    assert desk.states() == {"inspect-leak": "pending", "fix-leak": "planned", "call-back": "pending"}
    desk.do("inspect-leak", "begin")
    assert desk.states()["fix-leak"] == "pending"
    assert desk.task("fix-leak").triggered_at == NOW + HOUR
    desk.do("inspect-leak", "put_back")
    desk.do("inspect-leak", "begin")
    assert desk.told("triggered") == ["inspect-leak", "call-back", "fix-leak"]


def test_a_task_completed_at_once_was_begun_then_for_those_that_waited_for_that() -> None:
    desk = Desk(
        a_link("inspect-leak", "start_to_start", "fix-leak", lag="2 hours", max_lag="1 day"),
        a_link("inspect-leak", "finish_to_start", "call-back"),
    )
    desk.do("inspect-leak", "complete")
    assert desk.states() == {"inspect-leak": "completed", "fix-leak": "planned", "call-back": "pending"}
    assert (desk.task("fix-leak").starts_at, desk.task("fix-leak").start_by) == (NOW + 3 * HOUR, NOW + 25 * HOUR)
    assert desk.told("scheduled") == ["fix-leak"]


def test_completing_too_early_is_refused_with_what_it_waits_for_and_cancelling_is_not() -> None:
    desk = Desk(a_link("fix-leak", "finish_to_finish", "call-back", lag="3 hours"))
    desk.do("call-back", "begin")
    with pytest.raises(TooEarly, match="cannot complete the task: 'Fix the leak' has to be completed first") as refused:
        desk.do("call-back", "complete")
    assert refused.value.why is Refusal.TOO_EARLY
    assert refused.value.holds == ((desk.task("fix-leak").id, None),)
    desk.do("fix-leak", "complete")
    with pytest.raises(TooEarly, match="after 'Fix the leak' it has to wait until 2026-03-02 15:00 UTC"):
        desk.do("call-back", "complete")
    desk.now = NOW + 5 * HOUR
    desk.do("call-back", "complete")
    assert desk.states()["call-back"] == "completed"
    other = Desk(a_link("fix-leak", "finish_to_finish", "call-back"))
    other.do("call-back", "cancel", "by-request")
    assert other.states()["call-back"] == "cancelled"


def test_a_task_that_nobody_began_is_not_begun_by_a_completion_that_is_refused() -> None:
    desk = Desk(a_link("fix-leak", "finish_to_finish", "call-back"), a_link("call-back", "start_to_start", "inspect-leak"))
    with pytest.raises(TooEarly):
        desk.do("call-back", "complete")
    assert desk.states() == {"inspect-leak": "planned", "fix-leak": "pending", "call-back": "pending"}


def test_the_due_time_of_a_task_moves_to_when_it_may_be_completed() -> None:
    desk = Desk(a_link("fix-leak", "finish_to_finish", "call-back", lag="5 days"))
    assert desk.task("call-back").due_at == NOW + 24 * HOUR
    desk.do("fix-leak", "complete")
    assert desk.task("call-back").due_at == NOW + HOUR + 5 * 24 * HOUR
    assert desk.told("due-changed") == ["call-back"]


URGENT = {"field": "case.urgency", "equals": "high"}


def test_a_task_whose_condition_does_not_hold_is_left_out_and_what_follows_it_waits_for_what_comes_before_it() -> None:
    tasks = ["inspect-leak", {"task": "fix-leak", "if": URGENT}, "call-back"]
    links = (a_link("inspect-leak", "finish_to_start", "fix-leak"), a_link("fix-leak", "finish_to_start", "call-back", lag="1 hour"))
    assert Desk(*links, tasks=tasks).states() == {"inspect-leak": "pending", "fix-leak": "planned", "call-back": "planned"}
    calm = Desk(*links, tasks=tasks, urgency="low")
    assert calm.states() == {"inspect-leak": "pending", "call-back": "planned"}
    (plan,) = [emission.payload for emission in calm.work.emissions if isinstance(emission.payload, PlanMade)]
    assert plan.task_ids == (calm.task("inspect-leak").id, calm.task("call-back").id)
    calm.do("inspect-leak", "complete")
    assert calm.task("call-back").starts_at == NOW + 2 * HOUR
    assert calm.told("planned") == ["call-back"]


def test_a_task_whose_predecessors_are_all_left_out_starts_with_the_case() -> None:
    tasks = [{"task": "inspect-leak", "if": {"all": [URGENT, {"not": {"field": "customer.email", "exists": True}}]}}, "fix-leak"]
    desk = Desk(a_link("inspect-leak", "finish_to_start", "fix-leak", lag="1 day"), tasks=tasks)
    assert desk.states() == {"fix-leak": "pending"}


def test_a_case_may_begin_with_no_task_at_all() -> None:
    desk = Desk(tasks=[{"task": "inspect-leak", "if": {"not": URGENT}}])
    assert desk.states() == {}
    plan = desk.work.plan_of(desk.work.cases[CASE])
    assert plan is not None
    assert plan.is_finished


def test_without_conditions_nothing_of_a_case_is_looked_at() -> None:
    desk = Desk()
    assert left_out(desk.work.compiled(1), "leak", None) is NOTHING  # type: ignore[arg-type]


def test_a_reopened_task_takes_back_what_nobody_has_begun_since_and_what_is_in_progress_goes_on() -> None:
    desk = Desk(
        a_link("inspect-leak", "finish_to_start", "fix-leak"),
        a_link("inspect-leak", "finish_to_start", "call-back"),
        a_link("inspect-leak", "finish_to_start", "answer", lag="5 hours", max_lag="1 day"),
        tasks=[*TASKS, "answer"],
    )
    desk.do("inspect-leak", "complete")
    desk.do("call-back", "begin")
    desk.do("inspect-leak", "reopen", "the wrong flat")
    assert desk.states() == {"inspect-leak": "in_progress", "fix-leak": "planned", "call-back": "in_progress", "answer": "planned"}
    fix, answer = desk.task("fix-leak"), desk.task("answer")
    assert (fix.triggered_at, fix.due_at, answer.starts_at, answer.start_by) == (None, None, None, None)
    assert desk.task("inspect-leak").standing.ended_at is None
    plan = desk.work.plan_of(desk.work.cases[CASE])
    assert plan is not None
    found = forecast(plan, desk.now, desk.work.compiled(1).calendars)
    assert found.tasks["fix-leak"].starts_at == desk.task("inspect-leak").due_at
    desk.do("inspect-leak", "complete")
    assert (desk.states()["fix-leak"], desk.task("fix-leak").triggered_at) == ("pending", desk.now)
    assert desk.task("answer").starts_at == desk.now + 5 * HOUR
    assert desk.told("triggered") == ["inspect-leak", "fix-leak", "call-back", "fix-leak"]
    # A task that is open again holds completions again.
    other = Desk(a_link("fix-leak", "finish_to_finish", "call-back"))
    other.do("fix-leak", "complete")
    other.do("fix-leak", "reopen", "it leaks still")
    with pytest.raises(TooEarly):
        other.do("call-back", "complete")


def test_only_a_completed_task_of_an_open_case_is_reopened_and_only_by_who_has_or_oversees_it() -> None:
    desk = Desk()
    with pytest.raises(TransitionRefused, match="it is pending, and only what was completed"):
        desk.do("fix-leak", "reopen", "x")
    desk.do("fix-leak", "complete")
    with pytest.raises(TransitionRefused, match="paul has it"):
        commands.reopen(desk.work, desk.task("fix-leak"), Actor(UserId("rita")), desk.cause(), "x")
    desk.work.cases[CASE].state = "completed"
    with pytest.raises(TransitionRefused, match="its case is completed"):
        desk.do("fix-leak", "reopen", "x")
