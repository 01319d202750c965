"""The forecast of a case's end, and what decides it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.critical_path import Forecast, forecast, forecast_workflow
from services.task.domain.plan import on_task_completed, plan_tasks
from services.task.domain.workflow import Dependency, Node, Workflow
from shared.calendars import Calendar, Duration, Unit, parse_duration, weekly
from shared.ids import CaseId

pytestmark = pytest.mark.requirement("TASK-2", "EDGE-5")

CASE = CaseId(UUID(int=1))
CALENDARS = {
    "any": Calendar("any", "UTC", round_the_clock=True),
    "office": Calendar("office", "Europe/London", weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")})),
}
MONDAY = datetime(2024, 1, 8, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_workflow(hours: dict[str, str], *links: tuple[str, str, str | None], calendar: str = "office") -> Workflow:
    return Workflow(
        tuple(Node(code, parse_duration(within)) for code, within in hours.items()),
        tuple(Dependency(task, after, lag and parse_duration(lag)) for after, task, lag in links),
        calendar,
    )


@st.composite
def a_graph(draw: st.DrawFn) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    count = draw(st.integers(1, 12))
    names = [f"t{n:02}" for n in range(count)]
    minutes = {name: draw(st.integers(0, 500)) for name in draw(st.permutations(names))}
    pairs = [(a, b) for n, b in enumerate(names) for a in names[:n] if draw(st.integers(0, 2)) == 0]
    return minutes, {pair: draw(st.integers(0, 100)) for pair in pairs}


def drawn(graph: tuple[dict[str, int], dict[tuple[str, str], int]], *, business: bool) -> Workflow:
    minutes, lags = graph
    return Workflow(
        tuple(Node(code, Duration(length, Unit.MINUTE, business)) for code, length in minutes.items()),
        tuple(Dependency(task, after, Duration(lag, Unit.MINUTE, business)) for (after, task), lag in lags.items()),
        "office" if business else "any",
    )


def longest(minutes: dict[str, int], lags: dict[tuple[str, str], int]) -> nx.DiGraph:
    """Tasks as edges from their beginning to their end, lags as edges between."""
    graph = nx.DiGraph()
    for code, length in minutes.items():
        graph.add_edge("start", (code, "begins"), weight=0)
        graph.add_edge((code, "begins"), (code, "ends"), weight=length)
        graph.add_edge((code, "ends"), "end", weight=0)
    for (after, task), lag in lags.items():
        graph.add_edge((after, "ends"), (task, "begins"), weight=lag)
    return graph


def minutes_off(found: Forecast, code: str) -> float:
    return found.tasks[code].slack / timedelta(minutes=1)


@given(a_graph())
def test_the_end_is_that_of_the_longest_path(graph: tuple[dict[str, int], dict[tuple[str, str], int]]) -> None:
    minutes, lags = graph
    found = forecast_workflow(drawn(graph, business=False), MONDAY, CALENDARS)
    expected = nx.dag_longest_path_length(longest(minutes, lags))
    assert found.finishes_at == MONDAY + timedelta(minutes=expected)
    length = sum(minutes[code] for code in found.chain)
    length += sum(lags[pair] for pair in pairwise(found.chain))
    assert length == expected
    assert {code for code, task in found.tasks.items() if task.is_critical} == set(found.chain)
    assert all(found.tasks[code].slack == timedelta(0) for code in found.chain)


@given(a_graph(), st.data())
def test_slack_is_exactly_how_much_a_task_may_slip(graph: tuple[dict[str, int], dict[tuple[str, str], int]], data: st.DataObject) -> None:
    minutes, lags = graph
    for business in (False, True):
        found = forecast_workflow(drawn(graph, business=business), MONDAY, CALENDARS)
        code = data.draw(st.sampled_from(sorted(minutes)))
        slack = int(minutes_off(found, code))
        same = forecast_workflow(drawn(({**minutes, code: minutes[code] + slack}, lags), business=business), MONDAY, CALENDARS)
        longer = forecast_workflow(drawn(({**minutes, code: minutes[code] + slack + 1}, lags), business=business), MONDAY, CALENDARS)
        assert same.finishes_at == found.finishes_at
        assert longer.finishes_at > found.finishes_at


def test_the_chain_runs_over_nights_and_weekends_of_the_calendar() -> None:
    workflow = a_workflow(
        {"inspect": "1 working day", "order": "12 working hours", "tell": "1 hour", "repair": "2 working days"},
        ("inspect", "order", None),
        ("inspect", "tell", None),
        ("order", "repair", "3 days"),
    )
    found = forecast_workflow(workflow, MONDAY + HOUR, CALENDARS)
    assert found.chain == ("inspect", "order", "repair")
    assert found.tasks["order"].finishes_at == datetime(2024, 1, 10, 14, tzinfo=UTC)
    assert found.tasks["repair"].starts_at == datetime(2024, 1, 13, 14, tzinfo=UTC)  # a Saturday
    assert found.finishes_at == datetime(2024, 1, 16, 17, tzinfo=UTC)
    assert found.tasks["repair"].waits_for == "order"
    assert found.tasks["tell"].slack > timedelta(days=6)


def test_a_live_case_is_forecast_from_what_has_happened() -> None:
    workflow = a_workflow({"a": "2 hours", "b": "4 hours", "c": "1 hour"}, ("a", "c", None), ("b", "c", None))
    plan = plan_tasks(CASE, workflow, MONDAY, CALENDARS)
    assert forecast(plan, MONDAY, CALENDARS).chain == ("b", "c")
    early = on_task_completed(plan, "b", MONDAY + HOUR, CALENDARS).plan
    found = forecast(early, MONDAY + HOUR, CALENDARS)
    assert found.chain == ("a", "c")
    assert found.finishes_at == MONDAY + 3 * HOUR
    assert found.tasks["b"].finishes_at == MONDAY + HOUR
    overdue = forecast(early, MONDAY + 7 * HOUR, CALENDARS)
    assert overdue.tasks["a"].finishes_at == MONDAY + 7 * HOUR
    assert overdue.finishes_at == MONDAY + 8 * HOUR


def test_a_task_whose_lag_is_running_is_forecast_from_its_start() -> None:
    workflow = a_workflow({"a": "1 hour", "b": "1 hour"}, ("a", "b", "3 hours"))
    plan = on_task_completed(plan_tasks(CASE, workflow, MONDAY, CALENDARS), "a", MONDAY, CALENDARS).plan
    found = forecast(plan, MONDAY + HOUR, CALENDARS)
    assert found.tasks["b"].starts_at == MONDAY + 3 * HOUR
    assert found.finishes_at == MONDAY + 4 * HOUR


def test_a_workflow_without_tasks_has_no_end() -> None:
    assert forecast_workflow(Workflow(()), MONDAY, CALENDARS) == Forecast(None, {}, ())
