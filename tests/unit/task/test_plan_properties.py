"""Plans of drawn workflows, of all kinds of dependencies and lags, under whatever may happen to a case's tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.task.domain.critical_path import Forecast, forecast, forecast_workflow
from services.task.domain.lifecycle import TaskState
from services.task.domain.plan import (
    Advance,
    Plan,
    PlannedTask,
    holds_completion,
    next_start,
    on_task_begun,
    on_task_cancelled,
    on_task_completed,
    on_task_reopened,
    on_time_passed,
    plan_tasks,
    restore,
)
from services.task.domain.workflow import Dependency, DependencyKind, Node, Workflow, require_sound
from shared.calendars import Calendar, Duration, Unit, between, due, parse_duration, weekly
from shared.ids import CaseId

pytestmark = pytest.mark.requirement("TASK-2", "EDGE-5")

CASE = CaseId(UUID(int=1))
CALENDARS = {
    "office": Calendar("office", "Europe/London", weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")})),
    "any": Calendar("any", "Europe/London", round_the_clock=True),
}
MONDAY = datetime(2024, 1, 8, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FS, SS, FF = DependencyKind.FINISH_TO_START, DependencyKind.START_TO_START, DependencyKind.FINISH_TO_FINISH
LENGTHS = [parse_duration(text) for text in ("0 minutes", "50 minutes", "3 hours", "5 working hours", "1 day", "2 working days", "1 week")]


@st.composite
def workflows(draw: st.DrawFn, lengths: list[Duration] = LENGTHS, calendars: tuple[str, ...] = ("office", "any")) -> Workflow:
    """Up to seven tasks, listed in any order, with up to two dependencies between any two of them."""
    names = [f"t{n}" for n in range(draw(st.integers(1, 7)))]
    lags = st.none() | st.sampled_from(lengths)
    links = []
    for n, task in enumerate(names):
        for after in names[:n]:
            kinds = draw(st.sampled_from([(), (), (FS,), (SS,), (FF,), (SS, FF)]))
            links.extend(Dependency(task, after, draw(lags), None, kind) for kind in kinds)
    nodes = [Node(name, draw(st.sampled_from(lengths)), draw(st.sampled_from(calendars))) for name in draw(st.permutations(names))]
    workflow = Workflow(tuple(nodes), tuple(draw(st.permutations(links))), calendars[0])
    require_sound(workflow, calendars=CALENDARS)
    return workflow


class Life:
    """A case as it is lived: what people do to its tasks, and what starts by itself. Whatever happens is checked."""

    def __init__(self, workflow: Workflow) -> None:
        self.now = MONDAY
        self.plan = plan_tasks(CASE, workflow, MONDAY, CALENDARS)
        self.reopened = 0
        for task in self.plan.tasks.values():
            if task.starts_at is not None:
                self.check_start(task)

    def those(self, is_one: Callable[[PlannedTask], bool]) -> list[str]:
        return [code for code, task in self.plan.tasks.items() if is_one(task)]

    def choices(self) -> dict[str, list[str]]:
        """What may be done now, to which tasks."""
        running = self.those(lambda task: task.is_running)
        return {
            "begin": [code for code in running if self.plan.tasks[code].began_at is None],
            "complete": [code for code in running if not holds_completion(self.plan, code, self.now, CALENDARS)],
            "cancel": self.those(lambda task: task.state.is_open),
            "reopen": self.those(lambda task: task.state is TaskState.COMPLETED) if self.reopened < 3 else [],
        }

    def do(self, action: str, code: str) -> None:
        act = {"begin": on_task_begun, "complete": on_task_completed, "cancel": on_task_cancelled, "reopen": on_task_reopened}[action]
        self.reopened += action == "reopen"
        self.follow(act(self.plan, code, self.now, CALENDARS))

    def pass_time(self, until: datetime) -> None:
        """Time passes, and what is to start meanwhile starts when it should."""
        while (soonest := next_start(self.plan)) is not None and soonest <= until:
            self.now = max(self.now, soonest)
            self.follow(on_time_passed(self.plan, self.now, CALENDARS))
        self.now = max(self.now, until)

    def follow(self, advance: Advance) -> None:
        before, self.plan = self.plan, advance.plan
        for task in advance.started:
            assert before.tasks[task.code].state is TaskState.PLANNED
            self.check_start(task)
        for task in advance.withdrawn:
            assert before.tasks[task.code].began_at is None
            assert self.plan.tasks[task.code].is_waiting
        told = {task.code for task in (*advance.started, *advance.scheduled, *advance.deadlines, *advance.moved, *advance.withdrawn)}
        changed = {code for code, task in self.plan.tasks.items() if task != before.tasks[code]}
        assert len(changed - told) <= 1  # the task that it happened to
        assert restore(CASE, self.plan.workflow, reversed(self.plan.tasks.values()), MONDAY) == self.plan

    def check_start(self, task: PlannedTask) -> None:
        """It starts when the last of its predecessors and their lags let it: no earlier, and no later than that is noticed."""
        assert task.starts_at is not None
        assert task.due_at is not None
        allowed = [MONDAY]
        for link in self.plan.workflow.dependencies:
            if link.task == task.code and link.kind is not FF:
                after = self.plan.tasks[link.after]
                since = after.ended_at if link.kind is FS else after.began_at or after.ended_at
                assert since is not None, f"{task.code} started before {link}"
                allowed.append(due(link.lag, since, CALENDARS[self.plan.workflow.calendar_of(task.code)]) if link.lag else since)
        assert max(allowed) <= task.starts_at <= self.now

    def next_possible(self) -> datetime | None:
        """When, without anybody's doing, something will start or may be completed; None: never."""
        times = [
            hold.until
            for code in self.those(lambda task: task.is_running)
            for hold in holds_completion(self.plan, code, self.now, CALENDARS)
        ]
        return min([until for until in (*times, next_start(self.plan)) if until is not None], default=None)


@settings(max_examples=30, deadline=None)
@given(workflows(), st.data())
def test_a_plan_never_deadlocks_and_starts_nothing_before_predecessors_and_lags_allow(workflow: Workflow, data: st.DataObject) -> None:
    life = Life(workflow)
    for _ in range(data.draw(st.integers(0, 12))):
        if data.draw(st.booleans()):
            life.pass_time(life.now + data.draw(st.sampled_from([MINUTE, 90 * MINUTE, 1300 * MINUTE, 9000 * MINUTE])))
            continue
        possible = [(action, code) for action, codes in life.choices().items() for code in codes]
        if possible:
            life.do(*data.draw(st.sampled_from(possible)))
    # From wherever that led, it comes to its end without anything being cancelled.
    for _ in range(4 * len(workflow.nodes)):
        if life.plan.is_finished:
            break
        if ready := life.choices()["complete"]:
            life.do("complete", ready[0])
        elif unbegun := life.choices()["begin"]:
            life.do("begin", unbegun[0])
        else:
            soonest = life.next_possible()
            assert soonest is not None, f"nothing can be done and nothing will start: {life.plan}"
            life.pass_time(soonest)
    assert life.plan.is_finished
    for link in workflow.dependencies:
        after, task = life.plan.tasks[link.after], life.plan.tasks[link.task]
        if link.kind is FF and task.state is TaskState.COMPLETED and not life.reopened:
            assert after.ended_at is not None
            assert task.ended_at is not None
            earliest = due(link.lag, after.ended_at, CALENDARS[workflow.calendar_of(link.task)]) if link.lag else after.ended_at
            assert task.ended_at >= earliest


@settings(max_examples=25, deadline=None)
@given(workflows(), st.data())
def test_a_live_case_is_forecast_from_what_has_happened(workflow: Workflow, data: st.DataObject) -> None:
    life = Life(workflow)
    for _ in range(data.draw(st.integers(0, 6))):
        life.pass_time(life.now + data.draw(st.sampled_from([MINUTE, 1300 * MINUTE])))
        possible = [(action, code) for action, codes in life.choices().items() for code in codes]
        if possible:
            life.do(*data.draw(st.sampled_from(possible)))
    found = forecast(life.plan, life.now, CALENDARS)
    at = times(life.plan, life.now)
    assert found.finishes_at == max(time for (_, side), time in at.items() if side == "ends")
    assert {code: task.finishes_at for code, task in found.tasks.items()} == {code: at[code, "ends"] for code in found.tasks}
    # Nothing on the critical path could be where it is any earlier.
    path = path_of(found, workflow)[1:-1]
    assert at[path[-1]] == found.finishes_at
    for since, until in pairwise(path):
        assert at[until] in steps(workflow, since, until, at[since]) or (
            since[0] == until[0] and life.plan.tasks[until[0]].state is not TaskState.PLANNED
        )
    for code in life.those(lambda task: task.state.is_open):
        assert found.tasks[code].finishes_at >= life.now


Event = tuple[str, str]
"""The beginning or the end of a task."""


def steps(workflow: Workflow, since: Event, until: Event, at: datetime) -> list[datetime]:
    """When `until` could be at the earliest if only `since`, which was then, counted: by each way from the one to the other."""
    calendar = CALENDARS[workflow.calendar_of(until[0])]
    if since[0] == until[0]:
        return [due(workflow.by_code[until[0]].within, at, calendar)]
    ways = [link for link in workflow.dependencies if (link.after, link.task) == (since[0], until[0])]
    ways = [link for link in ways if ((link.kind is SS) == (since[1] == "begins")) and ((link.kind is FF) == (until[1] == "ends"))]
    return [due(link.lag, at, calendar) if link.lag else at for link in ways]


def times(plan: Plan, now: datetime) -> dict[Event, datetime]:
    """When all begins and ends, by what each beginning and end waits for, in networkx's order."""
    workflow = plan.workflow
    graph = nx.DiGraph()
    for node in workflow.nodes:
        graph.add_edge((node.code, "begins"), (node.code, "ends"))
    for link in workflow.dependencies:
        graph.add_edge((link.after, "begins" if link.kind is SS else "ends"), (link.task, "ends" if link.kind is FF else "begins"))
    at: dict[Event, datetime] = {}
    for code, side in nx.topological_sort(graph):
        task, calendar = plan.tasks[code], CALENDARS[workflow.calendar_of(code)]
        waits = [link for link in workflow.dependencies if link.task == code and (link.kind is FF) == (side == "ends")]
        reached = [at[link.after, "begins" if link.kind is SS else "ends"] for link in waits]
        free = [due(link.lag, since, calendar) if link.lag else since for link, since in zip(waits, reached, strict=True)]
        if task.ended_at is not None:
            at[code, side] = task.ended_at if side == "ends" else task.began_at or task.ended_at
        elif side == "begins":
            at[code, side] = task.began_at or (max(free, default=now) if task.state is TaskState.PLANNED else now)
            at[code, side] = at[code, side] if task.began_at else max(at[code, side], now)
        elif task.due_at is not None:
            at[code, side] = max([task.due_at, now, *free])
        else:
            at[code, side] = max([due(workflow.by_code[code].within, at[code, "begins"], calendar), *free])
    return at


MINUTES = {business: [Duration(n, Unit.MINUTE, business) for n in (0, 7, 60, 431, 500)] for business in (False, True)}


@pytest.mark.parametrize(("business", "calendar"), [(False, "any"), (True, "office")])
def test_the_critical_path_and_its_length_are_those_of_the_longest_path(business: bool, calendar: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(workflows(MINUTES[business], (calendar,)))
    def holds(workflow: Workflow) -> None:
        found = forecast_workflow(workflow, MONDAY, CALENDARS)
        graph = longest(workflow)
        assert found.finishes_at is not None
        length = between(CALENDARS[calendar], MONDAY, found.finishes_at) / MINUTE
        assert length == nx.dag_longest_path_length(graph)
        assert length == nx.path_weight(graph, path_of(found, workflow), "weight")
        # A task may slip by its slack without moving the end, and by no more, where its own time decides its end.
        late = max_delays(graph)
        for code, task in found.tasks.items():
            assert task.slack / MINUTE == late[code]

    holds()


def longest(workflow: Workflow) -> nx.DiGraph:
    """Beginnings and ends of tasks, and of all, with the minutes between them. Lags between the same two: the longest."""
    graph = nx.DiGraph()

    def tie(since: object, until: object, minutes: int) -> None:
        if not graph.has_edge(since, until) or graph.edges[since, until]["weight"] < minutes:
            graph.add_edge(since, until, weight=minutes)

    for node in workflow.nodes:
        tie("start", (node.code, "begins"), 0)
        tie((node.code, "begins"), (node.code, "ends"), node.within.amount)
        tie((node.code, "ends"), "end", 0)
    for link in workflow.dependencies:
        since = (link.after, "begins" if link.kind is SS else "ends")
        tie(since, (link.task, "ends" if link.kind is FF else "begins"), link.lag.amount if link.lag else 0)
    return graph


def path_of(found: Forecast, workflow: Workflow) -> list[Any]:
    """The chain as a path of the graph: through a task from its beginning to its end, where both are on it."""
    path: list[Any] = ["end"]
    tail = list(reversed(found.chain))
    side = "ends"
    for code, before in pairwise([*tail, ""]):
        path.append((code, side))
        task = found.tasks[code]
        if side == "ends" and task.finishes_after is None:
            path.append((code, "begins"))
        if path[-1] == (code, "ends"):
            assert task.finishes_after == before
            side = "ends"
        elif before:
            assert task.waits_for == before
            kinds = {link.kind for link in workflow.dependencies if (link.after, link.task) == (before, code)}
            side = "begins" if SS in kinds else "ends"
    return list(reversed([*path, "start"]))


def max_delays(graph: nx.DiGraph) -> Mapping[str, float]:
    """How many minutes later each task may begin and finish: by the longest ways from its beginning and from its end to that of all."""
    early: dict[object, float] = {}
    left: dict[object, float] = {"end": 0}
    order = list(nx.topological_sort(graph))
    for node in order:
        early[node] = max((early[before] + graph.edges[before, node]["weight"] for before in graph.predecessors(node)), default=0)
    for node in reversed([node for node in order if node != "end"]):
        left[node] = max(left[after] + graph.edges[node, after]["weight"] for after in graph.successors(node))
    delays: dict[str, float] = {}
    for node in order:
        if isinstance(node, tuple) and node[1] == "ends":
            code = node[0]
            others = [after for after in graph.successors((code, "begins")) if after != node]
            by_others = [early["end"] - left[after] - graph.edges[(code, "begins"), after]["weight"] for after in others]
            latest_finish = early["end"] - left[node]
            delays[code] = min([latest_finish - early[node], *[each - early[code, "begins"] for each in by_others]])
    return delays
