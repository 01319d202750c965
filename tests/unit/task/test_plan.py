"""What starts when in a case's plan."""

from __future__ import annotations

from dataclasses import replace
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
    on_task_begun,
    on_task_cancelled,
    on_task_completed,
    on_task_reopened,
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


class CountedCalendars(dict[str, Calendar]):
    """Counts how often a calendar is asked for: every reckoning of a time begins with that."""

    asked = 0

    def __getitem__(self, code: str) -> Calendar:
        self.asked += 1
        return super().__getitem__(code)


@pytest.mark.requirement("TASK-2")
def test_planning_a_thousand_tasks_and_forecasting_them_reckons_with_each_dependency_a_few_times_only() -> None:
    names = [f"t{n}" for n in range(1000)]
    links = tuple(a_link(names[n - step], names[n], "1 working hour") for n in range(7, 1000) for step in (1, 3, 7))
    workflow = Workflow(tuple(a_node(name) for name in names), links, "any")
    require_sound(workflow)
    calendars = CountedCalendars(CALENDARS)
    plan = plan_tasks(CASE, workflow, FRIDAY, calendars)
    assert calendars.asked == 7  # those that start with the case
    plan = on_task_completed(plan, "t0", FRIDAY, calendars).plan
    assert calendars.asked <= 7 + 3
    calendars.asked = 0
    forecast(plan, FRIDAY, calendars)
    assert calendars.asked <= 3 * (len(names) + len(links))


@pytest.mark.requirement("TASK-2")
def test_what_nobody_has_begun_waits_again_for_a_task_that_is_open_again_and_what_is_in_progress_stays() -> None:
    plan = a_plan("abcde", a_link("a", "b"), a_link("a", "c"), a_link("a", "d", "2 days", "5 days"), a_link("c", "e"))
    plan = on_task_completed(plan, "a", FRIDAY, CALENDARS).plan
    plan = on_task_begun(plan, "b", FRIDAY + HOUR, CALENDARS).plan
    before = forecast(plan, FRIDAY + HOUR, CALENDARS)
    advance = on_task_reopened(plan, "a", FRIDAY + 4 * HOUR, CALENDARS)
    assert codes(advance.withdrawn) == ["c", "d"]
    assert all(task.is_waiting and task.due_at is None and task.start_by is None for task in advance.withdrawn)
    assert advance.plan.tasks["b"] == plan.tasks["b"]
    assert next_start(advance.plan) is None
    found = forecast(advance.plan, FRIDAY + 4 * HOUR, CALENDARS)
    assert found.tasks["c"].starts_at == advance.plan.tasks["a"].due_at  # waits for all of it, as it did at first
    assert found.finishes_at is not None
    assert before.finishes_at is not None
    assert found.finishes_at > before.finishes_at
    again = on_task_completed(advance.plan, "a", FRIDAY + 5 * HOUR, CALENDARS)
    assert (codes(again.started), codes(again.scheduled)) == (["c"], ["d"])
    assert on_task_reopened(advance.plan, "a", FRIDAY + 5 * HOUR, CALENDARS).plan == advance.plan


@pytest.mark.requirement("TASK-2")
def test_another_due_time_of_a_task_moves_the_forecast_of_what_waits_for_it_but_nothing_that_has_started() -> None:
    plan = a_plan("abc", a_link("a", "b", "1 working day"), a_link("b", "c"))
    found = forecast(plan, FRIDAY, CALENDARS)
    later = replace(plan, tasks={**plan.tasks, "a": replace(plan.tasks["a"], due_at=FRIDAY + 5 * DAY)})
    moved = forecast(later, FRIDAY, CALENDARS)
    assert found.tasks["b"].starts_at == FRIDAY + 4 * DAY
    assert moved.tasks["b"].starts_at == FRIDAY + 6 * DAY
    assert moved.finishes_at == found.finishes_at + 4 * DAY  # type: ignore[operator] # over a weekend
    ended = on_task_completed(later, "a", FRIDAY, CALENDARS).plan
    assert forecast(ended, FRIDAY, CALENDARS).finishes_at == found.finishes_at - DAY  # type: ignore[operator]
