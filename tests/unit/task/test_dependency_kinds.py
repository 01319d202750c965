"""Tasks that wait for another's beginning, or may only be completed after another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.task.domain.critical_path import forecast, forecast_workflow
from services.task.domain.lifecycle import TaskState
from services.task.domain.plan import (
    Hold,
    Plan,
    holds_completion,
    next_start,
    on_task_begun,
    on_task_cancelled,
    on_task_completed,
    on_time_passed,
    plan_tasks,
)
from services.task.domain.workflow import Dependency, DependencyKind, Node, ProblemKind, Workflow, check_workflow, require_sound
from shared.calendars import Calendar, parse_duration, weekly
from shared.ids import CaseId

pytestmark = pytest.mark.requirement("TASK-2", "EDGE-5")

CASE = CaseId(UUID(int=1))
OFFICE = Calendar("office", "Europe/London", weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}))
CALENDARS = {"office": OFFICE, "any": Calendar("any", "Europe/London", round_the_clock=True)}
FRIDAY = datetime(2024, 1, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FS, SS, FF = DependencyKind.FINISH_TO_START, DependencyKind.START_TO_START, DependencyKind.FINISH_TO_FINISH


def a_link(after: str, kind: DependencyKind, task: str, lag: str | None = None, max_lag: str | None = None) -> Dependency:
    return Dependency(task, after, lag and parse_duration(lag), max_lag and parse_duration(max_lag), kind)


def a_workflow(within: dict[str, str], *links: Dependency) -> Workflow:
    workflow = Workflow(tuple(Node(code, parse_duration(length)) for code, length in within.items()), links, "office")
    require_sound(workflow, calendars=CALENDARS)
    return workflow


def a_plan(codes: str, *links: Dependency) -> Plan:
    return plan_tasks(CASE, a_workflow(dict.fromkeys(codes, "1 working day"), *links), FRIDAY, CALENDARS)


def codes(tasks: object) -> list[str]:
    return [task.code for task in tasks]


def test_a_start_waits_for_the_others_beginning_and_not_for_its_end() -> None:
    plan = a_plan("ab", a_link("a", SS, "b"))
    assert plan.tasks["b"].is_waiting
    begun = on_task_begun(plan, "a", FRIDAY + HOUR, CALENDARS)
    assert codes(begun.started) == ["b"]
    assert begun.plan.tasks["a"].began_at == FRIDAY + HOUR
    again = on_task_begun(begun.plan, "a", FRIDAY + DAY, CALENDARS)
    assert again.plan == begun.plan


@pytest.mark.parametrize(("lag", "starts_at"), [("6 hours", FRIDAY + 7 * HOUR), ("8 working hours", FRIDAY + 3 * DAY + HOUR)])
def test_a_lag_after_the_beginning_runs_in_calendar_or_working_time(lag: str, starts_at: datetime) -> None:
    plan = a_plan("ab", a_link("a", SS, "b", lag, "2 working days"))
    begun = on_task_begun(plan, "a", FRIDAY + HOUR, CALENDARS)
    assert codes(begun.scheduled) == ["b"]
    assert next_start(begun.plan) == starts_at
    assert begun.scheduled[0].start_by == FRIDAY + 4 * DAY + HOUR
    ended = on_task_completed(begun.plan, "a", FRIDAY + 2 * HOUR, CALENDARS)
    assert (ended.started, ended.scheduled) == ((), ())
    assert codes(on_time_passed(ended.plan, starts_at, CALENDARS).started) == ["b"]


def test_a_task_that_ends_without_having_been_begun_lets_go_at_its_end() -> None:
    cancelled = on_task_cancelled(a_plan("ab", a_link("a", SS, "b", "1 hour")), "a", FRIDAY + HOUR, CALENDARS)
    assert codes(cancelled.scheduled) == ["b"]
    assert cancelled.scheduled[0].starts_at == FRIDAY + 2 * HOUR


def test_a_task_that_waits_cannot_be_begun_for_others() -> None:
    plan = a_plan("abc", a_link("a", FS, "b"), a_link("b", SS, "c"))
    assert on_task_begun(plan, "b", FRIDAY, CALENDARS).plan == plan


def test_a_completion_waits_for_the_others_while_the_start_does_not() -> None:
    plan = a_plan("ab", a_link("a", FF, "b", "1 working day"))
    assert plan.tasks["b"].state is TaskState.PENDING
    assert holds_completion(plan, "b", FRIDAY, CALENDARS) == (Hold("a", None),)
    assert holds_completion(plan, "a", FRIDAY, CALENDARS) == ()
    plan = on_task_completed(plan, "a", FRIDAY + HOUR, CALENDARS).plan
    until = FRIDAY + 3 * DAY + HOUR
    assert holds_completion(plan, "b", until - timedelta(seconds=1), CALENDARS) == (Hold("a", until),)
    assert holds_completion(plan, "b", until, CALENDARS) == ()


def test_what_only_the_completion_waits_for_may_be_cancelled_and_lets_go_then() -> None:
    plan = on_task_cancelled(a_plan("ab", a_link("a", FF, "b")), "a", FRIDAY, CALENDARS).plan
    assert holds_completion(plan, "b", FRIDAY, CALENDARS) == ()
    plan = on_task_cancelled(a_plan("abc", a_link("a", FF, "b"), a_link("b", FS, "c")), "b", FRIDAY, CALENDARS).plan
    assert plan.tasks["c"].state is TaskState.PENDING


def test_the_due_time_moves_to_when_it_may_be_completed_and_never_to_before() -> None:
    plan = a_plan("abc", a_link("a", FF, "c", "3 days"), a_link("b", FF, "c"))
    due_at = FRIDAY + 3 * DAY
    assert plan.tasks["c"].due_at == due_at
    later = on_task_completed(plan, "a", FRIDAY + HOUR, CALENDARS)
    assert [(task.code, task.due_at) for task in later.moved] == [("c", due_at + HOUR)]
    assert on_task_completed(later.plan, "b", FRIDAY + 2 * HOUR, CALENDARS).moved == ()


def test_a_maximum_lag_between_completions_is_when_it_is_due() -> None:
    plan = a_plan("ab", a_link("a", FF, "b", "1 hour", "2 hours"))
    moved = on_task_completed(plan, "a", FRIDAY + HOUR, CALENDARS).moved
    assert [(task.code, task.due_at) for task in moved] == [("b", FRIDAY + 3 * HOUR)]


def test_a_task_that_starts_after_what_its_completion_waits_for_is_due_by_that() -> None:
    plan = a_plan("abc", a_link("a", FF, "c", "5 days"), a_link("b", FS, "c"))
    plan = on_task_completed(plan, "a", FRIDAY, CALENDARS).plan
    advance = on_task_completed(plan, "b", FRIDAY + HOUR, CALENDARS)
    assert [(task.code, task.due_at) for task in advance.started] == [("c", FRIDAY + 5 * DAY)]
    assert advance.moved == ()


def test_two_tasks_may_be_tied_at_both_ends_but_not_twice_by_one_kind() -> None:
    nodes = (Node("a", parse_duration("1 day")), Node("b", parse_duration("1 day")))
    assert check_workflow(Workflow(nodes, (a_link("a", SS, "b"), a_link("a", FF, "b")))) == ()
    (twice,) = check_workflow(Workflow(nodes, (a_link("a", SS, "b"), a_link("a", SS, "b", "1 hour"))))
    assert (twice.kind, twice.dependency) == (ProblemKind.DUPLICATE_DEPENDENCY, 1)
    (cycle,) = check_workflow(Workflow(nodes, (a_link("a", SS, "b"), a_link("b", FF, "a"))))
    assert cycle.kind is ProblemKind.CYCLE
    assert set(cycle.codes) == {"a", "b"}
    (itself,) = check_workflow(Workflow(nodes, (a_link("a", FF, "a"),)))
    assert itself.kind is ProblemKind.SELF_LINK


def test_the_critical_path_runs_through_a_beginning_where_only_that_decides() -> None:
    workflow = a_workflow(
        {"dig": "9 days", "lay": "10 days", "tell": "1 day"}, a_link("dig", SS, "lay", "4 days"), a_link("dig", FS, "tell", "1 hour")
    )
    found = forecast_workflow(workflow, FRIDAY, CALENDARS)
    assert found.chain == ("dig", "lay")
    assert found.finishes_at == FRIDAY + 14 * DAY
    assert found.tasks["lay"].starts_at == FRIDAY + 4 * DAY
    assert found.tasks["dig"].slack == timedelta(0)  # nobody has begun it: later begun, all would be later
    plan = on_task_begun(plan_tasks(CASE, workflow, FRIDAY, CALENDARS), "dig", FRIDAY, CALENDARS).plan
    begun = forecast(plan, FRIDAY, CALENDARS)
    assert begun.chain == ("dig", "lay")
    assert begun.tasks["dig"].slack == 4 * DAY - HOUR  # now only what waits for its end


def test_the_critical_path_tells_what_decides_a_finish_from_what_decides_a_start() -> None:
    workflow = a_workflow(
        {"a": "1 day", "long": "10 days", "b": "2 days"}, a_link("a", FS, "b"), a_link("long", FF, "b", "1 day"), a_link("a", SS, "long")
    )
    found = forecast_workflow(workflow, FRIDAY, CALENDARS)
    assert found.finishes_at == FRIDAY + 11 * DAY
    assert found.chain == ("a", "long", "b")
    assert (found.tasks["b"].waits_for, found.tasks["b"].finishes_after) == ("a", "long")
    assert found.tasks["long"].waits_for == "a"
    assert found.tasks["long"].slack == timedelta(0)


def test_a_started_task_is_forecast_to_finish_no_earlier_than_it_may() -> None:
    plan = a_plan("ab", a_link("a", FF, "b", "10 days"))
    found = forecast(plan, FRIDAY, CALENDARS)
    assert found.tasks["b"].finishes_at == plan.tasks["a"].due_at + 10 * DAY  # type: ignore[operator]
    assert found.chain == ("a", "b")
    plan = on_task_completed(plan, "a", FRIDAY + HOUR, CALENDARS).plan
    assert forecast(plan, FRIDAY + HOUR, CALENDARS).finishes_at == FRIDAY + HOUR + 10 * DAY
