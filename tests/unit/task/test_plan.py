"""What starts when in a case's plan."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.critical_path import forecast
from services.task.domain.lifecycle import TaskState
from services.task.domain.plan import (
    Plan,
    next_start,
    on_task_cancelled,
    on_task_completed,
    on_time_passed,
    plan_tasks,
    restore,
)
from services.task.domain.workflow import Dependency, Node, Workflow, require_sound
from shared.calendars import Calendar, parse_duration, weekly
from shared.ids import CaseId

CASE = CaseId(UUID("00000000-0000-0000-0000-00000000ca5e"))
OFFICE = Calendar("office", "Europe/London", weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}))
CALENDARS = {"office": OFFICE, "any": Calendar("any", "Europe/London", round_the_clock=True)}
FRIDAY = datetime(2024, 1, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_node(code: str, within: str = "1 working day", calendar: str | None = None) -> Node:
    return Node(code, parse_duration(within), calendar)


def a_link(after: str, task: str, lag: str | None = None, max_lag: str | None = None) -> Dependency:
    return Dependency(task, after, lag and parse_duration(lag), max_lag and parse_duration(max_lag))


def a_workflow(nodes: str, *links: Dependency) -> Workflow:
    workflow = Workflow(tuple(a_node(code) for code in nodes), links, "office")
    require_sound(workflow, calendars=CALENDARS)
    return workflow


def a_plan(nodes: str, *links: Dependency) -> Plan:
    return plan_tasks(CASE, a_workflow(nodes, *links), FRIDAY, CALENDARS)


def codes(tasks: object) -> list[str]:
    return [task.code for task in tasks]


@pytest.mark.requirement("TASK-2")
def test_tasks_that_wait_for_nothing_start_with_the_case_in_parallel_and_the_others_wait() -> None:
    plan = a_plan("abc", a_link("a", "c"))
    assert {code: task.state for code, task in plan.tasks.items()} == {
        "a": TaskState.PENDING,
        "b": TaskState.PENDING,
        "c": TaskState.PLANNED,
    }
    assert plan.tasks["a"].starts_at == FRIDAY
    assert plan.tasks["c"].is_waiting
    assert plan.tasks["c"].due_at is None


@pytest.mark.requirement("TASK-2", "SLA-1")
def test_a_started_task_is_due_on_the_calendar_of_its_definition() -> None:
    workflow = Workflow((a_node("a"), a_node("b", "4 hours"), a_node("c", "10 working hours", "any")), (), "office")
    plan = plan_tasks(CASE, workflow, FRIDAY, CALENDARS)
    assert plan.tasks["a"].due_at == FRIDAY + 3 * DAY
    assert plan.tasks["b"].due_at == FRIDAY + 4 * HOUR
    assert plan.tasks["c"].due_at == FRIDAY + 10 * HOUR


@pytest.mark.requirement("TASK-2")
def test_completing_the_last_predecessor_starts_the_dependant() -> None:
    plan = a_plan("abc", a_link("a", "c"), a_link("b", "c"))
    one = on_task_completed(plan, "a", FRIDAY + HOUR, CALENDARS)
    assert (one.started, one.scheduled) == ((), ())
    two = on_task_completed(one.plan, "b", FRIDAY + 2 * HOUR, CALENDARS)
    assert codes(two.started) == ["c"]
    assert two.started[0].starts_at == FRIDAY + 2 * HOUR
    assert two.started[0].due_at == FRIDAY + 3 * DAY + 2 * HOUR
    assert two.plan.tasks["c"] == two.started[0]


@pytest.mark.requirement("TASK-2", "EDGE-5")
@pytest.mark.parametrize(("lag", "starts_at"), [("6 hours", FRIDAY + 6 * HOUR), ("8 working hours", FRIDAY + 3 * DAY + HOUR)])
def test_a_lag_in_calendar_or_working_time_schedules_the_start(lag: str, starts_at: datetime) -> None:
    plan = a_plan("ab", a_link("a", "b", lag))
    advance = on_task_completed(plan, "a", FRIDAY + HOUR, CALENDARS)
    expected = FRIDAY + HOUR + 6 * HOUR if lag == "6 hours" else starts_at
    assert advance.started == ()
    assert codes(advance.scheduled) == ["b"]
    assert advance.scheduled[0].starts_at == expected == next_start(advance.plan)
    early = on_time_passed(advance.plan, expected - timedelta(seconds=1), CALENDARS)
    assert early.started == ()
    on_time = on_time_passed(advance.plan, expected, CALENDARS)
    assert codes(on_time.started) == ["b"]
    assert next_start(on_time.plan) is None


@pytest.mark.requirement("EDGE-5")
def test_a_start_that_is_noticed_late_counts_from_when_it_should_have_been() -> None:
    plan = on_task_completed(a_plan("ab", a_link("a", "b", "1 hour")), "a", FRIDAY, CALENDARS).plan
    on_time = on_time_passed(plan, FRIDAY + HOUR, CALENDARS)
    late = on_time_passed(plan, FRIDAY + 9 * DAY, CALENDARS)
    assert late.started == on_time.started
    assert late.started[0].starts_at == FRIDAY + HOUR


@pytest.mark.requirement("EDGE-5")
def test_the_longest_lag_decides_when_several_predecessors_have_ended() -> None:
    plan = a_plan("abc", a_link("a", "c", "2 days"), a_link("b", "c", "1 hour"))
    plan = on_task_completed(plan, "a", FRIDAY, CALENDARS).plan
    advance = on_task_completed(plan, "b", FRIDAY + 5 * HOUR, CALENDARS)
    assert advance.scheduled[0].starts_at == FRIDAY + 2 * DAY
    late = on_task_completed(plan, "b", FRIDAY + 4 * DAY, CALENDARS)
    assert late.scheduled[0].starts_at == FRIDAY + 4 * DAY + HOUR


@pytest.mark.requirement("TASK-2", "EDGE-5")
def test_a_maximum_lag_is_a_deadline_for_the_start_even_while_others_are_awaited() -> None:
    plan = a_plan("abc", a_link("a", "c", max_lag="1 working day"), a_link("b", "c", max_lag="1 hour"))
    one = on_task_completed(plan, "a", FRIDAY, CALENDARS)
    assert codes(one.deadlines) == ["c"]
    assert one.deadlines[0].start_by == FRIDAY + 3 * DAY
    assert one.plan.tasks["c"].is_waiting
    two = on_task_completed(one.plan, "b", FRIDAY + HOUR, CALENDARS)
    assert two.started[0].start_by == FRIDAY + 2 * HOUR
    assert two.deadlines == ()


@pytest.mark.requirement("TASK-2")
def test_what_waits_for_a_cancelled_task_goes_on() -> None:
    advance = on_task_cancelled(a_plan("ab", a_link("a", "b")), "a", FRIDAY + HOUR, CALENDARS)
    assert advance.ended is not None
    assert advance.ended.state is TaskState.CANCELLED
    assert codes(advance.started) == ["b"]


def test_a_waiting_task_that_is_cancelled_starts_no_more_and_lets_its_dependants_pass() -> None:
    plan = a_plan("abc", a_link("a", "b"), a_link("b", "c"))
    advance = on_task_cancelled(plan, "b", FRIDAY + HOUR, CALENDARS)
    assert codes(advance.started) == ["c"]
    after = on_task_completed(advance.plan, "a", FRIDAY + 2 * HOUR, CALENDARS)
    assert after.started == ()


def test_an_end_told_twice_changes_nothing_the_second_time() -> None:
    first = on_task_completed(a_plan("ab", a_link("a", "b")), "a", FRIDAY, CALENDARS)
    second = on_task_completed(first.plan, "a", FRIDAY + DAY, CALENDARS)
    assert (second.plan, second.ended, second.started) == (first.plan, None, ())


def test_the_end_of_a_task_added_by_hand_does_not_touch_the_plan() -> None:
    plan = a_plan("a")
    assert on_task_completed(plan, "by-hand", FRIDAY, CALENDARS).plan == plan


def test_a_plan_is_finished_once_every_task_is_completed_or_cancelled() -> None:
    plan = a_plan("ab", a_link("a", "b"))
    plan = on_task_completed(plan, "a", FRIDAY, CALENDARS).plan
    assert not plan.is_finished
    assert on_task_cancelled(plan, "b", FRIDAY, CALENDARS).plan.is_finished


def test_a_plan_is_restored_from_its_stored_tasks_in_any_order_and_a_deleted_one_holds_nothing_up() -> None:
    plan = a_plan("abc", a_link("a", "c"), a_link("b", "c"))
    assert restore(CASE, plan.workflow, reversed(plan.tasks.values()), FRIDAY) == plan
    without = restore(CASE, plan.workflow, [plan.tasks["c"], plan.tasks["b"]], FRIDAY)
    assert codes(on_task_completed(without, "b", FRIDAY + HOUR, CALENDARS).started) == ["c"]


@st.composite
def a_drawn_workflow(draw: st.DrawFn) -> Workflow:
    count = draw(st.integers(1, 8))
    names = [f"t{n}" for n in range(count)]
    lags = st.sampled_from([None, None, "1 hour", "3 working hours", "1 working day", "2 days"])
    links = [
        a_link(names[a], names[b], draw(lags), draw(st.sampled_from([None, "5 days"])))
        for b in range(count)
        for a in range(b)
        if draw(st.booleans())
    ]
    order = draw(st.permutations(names))
    workflow = Workflow(tuple(a_node(name) for name in order), tuple(links), "office")
    require_sound(workflow)
    return workflow


@pytest.mark.requirement("TASK-2", "EDGE-5")
@given(a_drawn_workflow(), st.data())
def test_worked_through_in_any_order_every_task_starts_once_and_only_after_what_it_waits_for(
    workflow: Workflow, data: st.DataObject
) -> None:
    now = FRIDAY
    plan = plan_tasks(CASE, workflow, now, CALENDARS)
    started = [task.code for task in plan.tasks.values() if not task.is_waiting]
    while not plan.is_finished:
        running = [code for code, task in plan.tasks.items() if task.state is TaskState.PENDING]
        if running and data.draw(st.booleans()):
            now += timedelta(minutes=data.draw(st.integers(0, 3000)))
            end = data.draw(st.sampled_from([on_task_completed, on_task_cancelled]))
            advance = end(plan, data.draw(st.sampled_from(running)), now, CALENDARS)
        elif (soonest := next_start(plan)) is not None:
            now = max(now, soonest)
            advance = on_time_passed(plan, now, CALENDARS)
        elif running:
            advance = on_task_completed(plan, running[0], now, CALENDARS)
        else:
            pytest.fail(f"nothing runs and nothing will: {plan}")
        started += codes(advance.started)
        plan = advance.plan
    assert sorted(started) == sorted(workflow.by_code)
    for link in workflow.dependencies:
        assert plan.tasks[link.task].starts_at >= plan.tasks[link.after].ended_at


@pytest.mark.requirement("TASK-2")
def test_a_plan_of_a_thousand_tasks_takes_milliseconds() -> None:
    names = [f"t{n}" for n in range(1000)]
    links = tuple(a_link(names[n - step], names[n], "1 working hour") for n in range(7, 1000) for step in (1, 3, 7))
    workflow = Workflow(tuple(a_node(name) for name in names), links, "any")
    plan_tasks(CASE, workflow, FRIDAY, CALENDARS)
    began = time.perf_counter()
    require_sound(workflow)
    plan = plan_tasks(CASE, workflow, FRIDAY, CALENDARS)
    on_task_completed(plan, "t0", FRIDAY, CALENDARS)
    planned = time.perf_counter()
    forecast(plan, FRIDAY, CALENDARS)
    # Generous, for busy machines; about 5 ms and 30 ms on a quiet one.
    assert planned - began < 0.5
    assert time.perf_counter() - planned < 2
