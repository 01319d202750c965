"""The critical path of a case: what is forecast to finish when, and what delays the end.

Each task is taken to need all of its time (to be completed within), on its calendar, and to be begun as soon as it can. So the length
of a task depends on when it starts, but a later start never makes for an earlier finish, and one pass over the tasks in order is enough.

What decides a task's start and what decides its finish are kept apart: the chain that decides the end runs through whole tasks, and through
the beginnings alone of those whose successors wait for no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.task.domain.plan import Plan, plan_tasks
from services.task.domain.workflow import Dependency, DependencyKind, Workflow, in_order
from shared.calendars import Calendar, Duration, before, between, due
from shared.ids import CaseId

_NO_CASE: Final = CaseId(UUID(int=0))
"""A workflow is forecast as the plan of a case that does not exist."""


@dataclass(frozen=True, slots=True)
class TaskForecast:
    """When a task starts and finishes, as far as one can tell now; for what has happened, when it did."""

    code: str
    starts_at: datetime
    finishes_at: datetime
    slack: timedelta
    """How much later it may finish (and begin, if nobody has begun it) without moving the end of the case: in working time where the
    task's own time is working time, else as time passes. Zero for tasks that have ended."""
    waits_for: str | None
    """The task whose end or beginning decides its start; None for one that has started, or whose start waits for nothing."""
    finishes_after: str | None
    """The task whose end decides its finish; None where its own time does."""
    is_critical: bool
    """Whether it is on the chain that decides the end."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the case's tasks will be done, and the chain of tasks that decides it, first to last."""

    finishes_at: datetime | None
    """None for a workflow without tasks."""
    tasks: Mapping[str, TaskForecast]
    chain: tuple[str, ...]


def forecast_workflow(workflow: Workflow, start: datetime, calendars: Mapping[str, Calendar]) -> Forecast:
    """The forecast for a case that would be opened at `start`; see `forecast`."""
    return forecast(plan_tasks(_NO_CASE, workflow, start, calendars), start, calendars)


def forecast(plan: Plan, now: datetime, calendars: Mapping[str, Calendar]) -> Forecast:
    """What finishes when, seen at `now`. Linear in tasks and dependencies.

    A started task finishes when it is due, or now if that is past; one that waits starts no earlier than now.
    """
    workflow = plan.workflow
    order = in_order(workflow)
    if not order:
        return Forecast(None, {}, ())
    times = _Times(plan, now, calendars)
    for code in order:
        times.reckon(code)
    last = max(order, key=times.finishes.__getitem__)
    chain = _chain(last, times)
    latest = _latest(times, order, times.finishes[last])
    critical = frozenset(chain)
    tasks = {
        code: TaskForecast(
            code,
            times.starts[code],
            times.finishes[code],
            _slack(times, code, latest[code].finish, latest[code].begin),
            times.start_drivers[code].after if code in times.start_drivers else None,
            times.finish_drivers.get(code),
            code in critical,
        )
        for code in workflow.by_code
    }
    return Forecast(times.finishes[last], tasks, chain)


class _Times:
    """When tasks start, are begun and finish, and what decides that; of those that were reckoned, each after all that it waits for."""

    def __init__(self, plan: Plan, now: datetime, calendars: Mapping[str, Calendar]) -> None:
        self.plan = plan
        self.workflow = plan.workflow
        self.now = now
        self.starts: dict[str, datetime] = {}
        self.begins: dict[str, datetime] = {}
        self.finishes: dict[str, datetime] = {}
        self.start_drivers: dict[str, Dependency] = {}
        self.finish_drivers: dict[str, str] = {}
        self._calendars = calendars
        # Many links of a large workflow have the same lag from the same moment.
        self._later: dict[tuple[Duration, datetime, str], datetime] = {}
        self._sooner: dict[tuple[Duration, datetime, str], datetime] = {}

    def calendar(self, code: str) -> Calendar:
        """The calendar that the task's time and lags run on."""
        return self._calendars[self.workflow.calendar_of(code)]

    def reckon(self, code: str) -> None:
        """Note the times of the task of this definition."""
        task = self.plan.tasks[code]
        if task.ended_at is not None or not task.state.is_open:
            self.finishes[code] = task.ended_at or self.now
            self.starts[code] = task.starts_at or self.finishes[code]
            self.begins[code] = task.began_at or self.finishes[code]
            return
        if task.due_at is not None:
            self.starts[code] = task.starts_at or self.now
            self.begins[code] = task.began_at or max(self.starts[code], self.now)
            self.finishes[code] = max(task.due_at, self.now)
        else:
            self.starts[code] = self.begins[code] = self._start(code)
            self.finishes[code] = due(self.workflow.by_code[code].within, self.starts[code], self.calendar(code))
        for link in self.workflow.holding_finish.get(code, ()):
            if (possible := self._possible(link)) > self.finishes[code]:
                self.finishes[code], self.finish_drivers[code] = possible, link.after

    def _start(self, code: str) -> datetime:
        start: datetime | None = None
        for link in self.workflow.holding_start.get(code, ()):
            possible = self._possible(link)
            if start is None or possible > start:
                start, self.start_drivers[code] = possible, link
        return max(start or self.now, self.now)

    def _possible(self, link: Dependency) -> datetime:
        """From when on the link is going to hold its task no more."""
        reached_at = self.begins[link.after] if link.kind is DependencyKind.START_TO_START else self.finishes[link.after]
        if link.lag is None:
            return reached_at
        place = (link.lag, reached_at, self.workflow.calendar_of(link.task))
        found = self._later.get(place)
        if found is None:
            found = self._later[place] = due(link.lag, reached_at, self._calendars[place[2]])
        return found

    def before_lag(self, link: Dependency, at: datetime) -> datetime:
        """How late the predecessor may get as far as the link waits for, for its successor to be held until `at` at most."""
        if link.lag is None:
            return at
        place = (link.lag, at, self.workflow.calendar_of(link.task))
        found = self._sooner.get(place)
        if found is None:
            found = self._sooner[place] = before(link.lag, at, self._calendars[place[2]])
        return found


def _chain(last: str, times: _Times) -> tuple[str, ...]:
    chain = [last]
    at, whole = last, True  # not whole: only its beginning decides what comes after it
    while True:
        if whole and at in times.finish_drivers:
            at = times.finish_drivers[at]
        elif (link := times.start_drivers.get(at)) is not None:
            at, whole = link.after, link.kind is not DependencyKind.START_TO_START
        else:
            break
        chain.append(at)
    return tuple(reversed(chain))


class _Latest(NamedTuple):
    """How late a task may finish, be begun where others wait for that (else None), and start if it has not, for all to be done in time."""

    finish: datetime
    begin: datetime | None
    start: datetime


def _latest(times: _Times, order: list[str], end: datetime) -> dict[str, _Latest]:
    """How late each task may finish and be begun for all to be done by `end`."""
    workflow = times.workflow
    latest: dict[str, _Latest] = {}
    for code in reversed(order):
        finish = end
        begin: datetime | None = None
        for link in workflow.outgoing.get(code, ()):
            successor = times.plan.tasks[link.task]
            if not successor.state.is_open or (link.kind.holds_start and successor.due_at is not None):
                continue  # it depends on nothing any more
            limit = times.before_lag(link, latest[link.task].start if link.kind.holds_start else latest[link.task].finish)
            if link.kind is DependencyKind.START_TO_START:
                begin = limit if begin is None else min(begin, limit)
            else:
                finish = min(finish, limit)
        start = finish
        if code in workflow.holding_start and times.plan.tasks[code].due_at is None:
            start = before(workflow.by_code[code].within, finish, times.calendar(code))
            start = start if begin is None else min(start, begin)
        latest[code] = _Latest(finish, begin, start)
    return latest


def _slack(times: _Times, code: str, finish: datetime, begin: datetime | None) -> timedelta:
    task = times.plan.tasks[code]
    if not task.state.is_open:
        return timedelta(0)
    slack = _until(times, code, times.finishes[code], finish)
    if begin is None or task.began_at is not None:
        return slack
    return min(slack, _until(times, code, times.begins[code], begin))


def _until(times: _Times, code: str, since: datetime, until: datetime) -> timedelta:
    if until <= since:
        return timedelta(0)
    if times.workflow.by_code[code].within.business:
        return between(times.calendar(code), since, until)
    return until - since
