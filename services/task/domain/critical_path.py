"""The critical path of a case: what is forecast to finish when, and what delays the end.

Each task is taken to need all of its time (to be completed within), on its calendar. So the length of a task depends on
when it starts, but a later start never makes for an earlier finish, and one pass over the tasks in order is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.task.domain.plan import Plan, plan_tasks
from services.task.domain.workflow import Dependency, Workflow, in_order
from shared.calendars import Calendar, before, between, due
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
    """How much later it may finish without moving the end of the case: in working time where the task's own time is
    working time, else as time passes. Zero for tasks that have ended."""
    waits_for: str | None
    """The task whose end decides its start; None for one that has started or waits for nothing."""
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
    starts: dict[str, datetime] = {}
    finishes: dict[str, datetime] = {}
    drivers: dict[str, str] = {}
    for code in order:
        task = plan.tasks[code]
        if task.ended_at is not None or not task.state.is_open:
            finishes[code] = task.ended_at or now
            starts[code] = task.starts_at or finishes[code]
        elif task.due_at is not None:
            starts[code] = task.starts_at or now
            finishes[code] = max(task.due_at, now)
        else:
            starts[code], driver = _start(plan, code, finishes, now, calendars)
            if driver is not None:
                drivers[code] = driver
            calendar = calendars[workflow.calendar_of(code)]
            finishes[code] = due(workflow.by_code[code].within, starts[code], calendar)
    if not order:
        return Forecast(None, {}, ())
    last = max(order, key=finishes.__getitem__)
    chain = _chain(last, drivers)
    latest = _latest_finishes(plan, order, finishes[last], calendars)
    critical = frozenset(chain)
    tasks = {
        code: TaskForecast(
            code,
            starts[code],
            finishes[code],
            _slack(plan, code, finishes[code], latest[code], calendars),
            drivers.get(code),
            code in critical,
        )
        for code in workflow.by_code
    }
    return Forecast(finishes[last], tasks, chain)


def _start(
    plan: Plan, code: str, finishes: Mapping[str, datetime], now: datetime, calendars: Mapping[str, Calendar]
) -> tuple[datetime, str | None]:
    """When a task that has not started will, and whose end decides that."""
    calendar = calendars[plan.workflow.calendar_of(code)]
    start: datetime | None = None
    driver: str | None = None
    for link in plan.workflow.incoming.get(code, ()):
        possible = due(link.lag, finishes[link.after], calendar) if link.lag else finishes[link.after]
        if start is None or possible > start:
            start, driver = possible, link.after
    return max(start or now, now), driver


def _chain(last: str, drivers: Mapping[str, str]) -> tuple[str, ...]:
    chain = [last]
    while (driver := drivers.get(chain[-1])) is not None:
        chain.append(driver)
    return tuple(reversed(chain))


def _latest_finishes(plan: Plan, order: list[str], end: datetime, calendars: Mapping[str, Calendar]) -> dict[str, datetime]:
    """How late each task may finish for all to be done by `end`."""
    workflow = plan.workflow
    latest: dict[str, datetime] = {}
    for code in reversed(order):
        # A successor that has started, or has ended, no longer depends on anything.
        limits = [
            _latest_for(link, latest[link.task], workflow, calendars)
            for link in workflow.outgoing.get(code, ())
            if plan.tasks[link.task].due_at is None and plan.tasks[link.task].state.is_open
        ]
        latest[code] = min([end, *limits])
    return latest


def _latest_for(link: Dependency, successor_finish: datetime, workflow: Workflow, calendars: Mapping[str, Calendar]) -> datetime:
    calendar = calendars[workflow.calendar_of(link.task)]
    start = before(workflow.by_code[link.task].within, successor_finish, calendar)
    return before(link.lag, start, calendar) if link.lag else start


def _slack(plan: Plan, code: str, finish: datetime, latest: datetime, calendars: Mapping[str, Calendar]) -> timedelta:
    if latest <= finish or not plan.tasks[code].state.is_open:
        return timedelta(0)
    if plan.workflow.by_code[code].within.business:
        return between(calendars[plan.workflow.calendar_of(code)], finish, latest)
    return latest - finish
