"""What follows when a task ends or its lag is over: its dependants start, or wait for their lags (TASK-2, EDGE-5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from services.task.domain.lifecycle import TaskState, trigger
from services.task.domain.plan import Plan, PlannedTask, on_task_cancelled, on_task_completed, on_time_passed
from services.task.domain.task import Task
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import repository
from shared.clock import Clock
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import ClockKind, ItemKind, TaskScheduled, TaskTriggered
from shared.storage import Transaction


def load_lags(compiled: CompiledOf, clock: Clock) -> Callable[[Transaction, Sequence[Event]], Work]:
    """Loads the cases of lags that are over, with all their tasks."""

    def load(tx: Transaction, events: Sequence[Event]) -> Work:
        work = Work(compiled, clock())
        wanted = {event.data.case_id for event in events if event.data.case_id is not None}
        work.cases = repository.lock_cases(tx, wanted)
        work.add_tasks(repository.tasks_of_cases(tx, work.cases.keys()).values())
        return work

    return load


def on_lag_over(work: Work, event: Event) -> None:
    """Start the task whose lag is over. A repeat changes nothing, nor does the end of a lag that has been put off since."""
    data = event.data
    if data.kind is not ClockKind.LAG or data.item_kind is not ItemKind.TASK:
        return
    task = work.tasks.get(data.item_id)
    if task is None or task.case_id is None:
        raise Refused(f"there is no task {data.item_id} that waits for a lag")
    if task.state is not TaskState.PLANNED or task.starts_at is None or task.starts_at > data.due_at:
        return
    case = work.cases[task.case_id]
    plan = work.plan_of(case)
    if plan is None:
        return
    calendars = work.configuration_of(task).calendars
    cause = Cause(event.id, min(event.time, work.now), "system", event.traceparent)
    for planned in on_time_passed(plan, task.starts_at, calendars).started:
        _start(work, work.tasks[plan.task_id(planned.code)], planned, cause)


def after_end(work: Work, task: Task, cause: Cause) -> None:
    """Start or schedule what waited for `task`, which has just ended; all tasks of its case are loaded."""
    if task.case_id is None or task.definition is None:
        return
    case = work.cases[task.case_id]
    plan = work.plan_of(case)
    if plan is None or task.definition not in plan.tasks:
        return
    plan = _with_open(plan, task.definition)
    on_end = on_task_completed if task.state is TaskState.COMPLETED else on_task_cancelled
    advance = on_end(plan, task.definition, cause.at, work.configuration_of(task).calendars)
    for planned in advance.started:
        _start(work, work.tasks[plan.task_id(planned.code)], planned, cause)
    for planned in advance.scheduled:
        waiting = work.tasks[plan.task_id(planned.code)]
        waiting.starts_at, waiting.start_by = planned.starts_at, planned.start_by
        work.record(TaskScheduled, waiting, cause, {"starts_at": (None, planned.starts_at)})
    for planned in advance.deadlines:
        waiting = work.tasks[plan.task_id(planned.code)]
        waiting.start_by = planned.start_by
        work.touch_task(waiting)


def _with_open(plan: Plan, code: str) -> Plan:
    """The plan as it was before this task ended: the standing cycle has moved it already."""
    before = replace(plan.tasks[code], state=TaskState.IN_PROGRESS, ended_at=None)
    return replace(plan, tasks={**plan.tasks, code: before})


def _start(work: Work, task: Task, planned: PlannedTask, cause: Cause) -> None:
    before = task.state
    task.standing = trigger(task.standing, work.configuration_of(task).statuses)
    task.triggered_at, task.due_at, task.start_by = planned.starts_at, planned.due_at, planned.start_by
    task.starts_at = None
    work.record(TaskTriggered, task, cause, {"state": (before.value, task.state.value)}, before.value)
