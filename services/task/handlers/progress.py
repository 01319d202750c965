"""What follows when a task ends or its lag is over: its dependants start, or wait for their lags (TASK-2, EDGE-5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.task.domain.case import Case
from services.task.domain.lifecycle import Refusal, TaskState, TransitionRefused, trigger, withdraw
from services.task.domain.plan import (
    Advance,
    Plan,
    PlannedTask,
    holds_completion,
    on_task_begun,
    on_task_cancelled,
    on_task_completed,
    on_task_reopened,
    on_time_passed,
)
from services.task.domain.task import Task
from services.task.domain.workflow import Dependency, DependencyKind, Workflow
from services.task.handlers.making import start
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import repository
from shared.clock import Clock
from shared.ids import derive
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import (
    ClockKind,
    ClockLagOver,
    ItemKind,
    TaskDueChanged,
    TaskPlanned,
    TaskScheduled,
    TaskStartByChanged,
    TaskStatusChanged,
    TaskTriggered,
)
from shared.storage import Transaction


def load_lags(compiled: CompiledOf, clock: Clock) -> Callable[[Transaction, Sequence[Event]], Work]:
    """Loads the cases of lags that are over, with all their tasks."""

    def load(tx: Transaction, events: Sequence[Event]) -> Work:
        work = Work(compiled, clock())
        is_heard = compiled(0).rules.concern("clock")
        told = [event.data for event in events if is_heard or isinstance(event.data, ClockLagOver)]
        wanted = {data.case_id for data in told if data.case_id is not None}
        wanted |= {data.item_id for data in told if data.item_kind is ItemKind.LEAD}
        work.lock_cases(tx, wanted)
        # A task without a case stands for its case.
        alone = {data.item_id for data in told if data.item_id == data.case_id}
        if alone:
            work.add_tasks(repository.lock_tasks_without_case(tx, alone))
        return work

    return load


def on_lag_over(work: Work, event: Event) -> None:
    """Start the task whose lag is over. A repeat changes nothing, nor does the end of a lag that has been put off since.

    A task of a closed case starts when the case is re-opened (`resume`).
    """
    data = event.data
    if data.kind is not ClockKind.LAG or data.item_kind is not ItemKind.TASK:
        return
    task = work.tasks.get(data.item_id)
    if task is None:
        raise Refused(f"there is no task {data.item_id} that waits for a lag")
    if task.state is not TaskState.PLANNED or task.starts_at is None or task.starts_at > data.due_at:
        return
    case = None if task.case_id is None else work.cases[task.case_id]
    if case is not None and case.is_closed:
        if task.starts_at > work.now:  # by sla's clock it is over: so it is by ours when the case is re-opened
            task.starts_at = work.now
            work.touch_task(task)
        return
    cause = Cause(event.id, min(event.time, work.now), "system", event.traceparent)
    if task.is_planned_with_case:
        _start_due(work, task, task.starts_at, cause)
    else:
        _start_single(work, task, cause)


def resume(work: Work, case: Case, cause: Cause) -> None:
    """Start what was to start while the case was closed; its time runs from now. All tasks of the case are loaded."""
    due = [task for task in work.tasks_of(case.id) if task.state is TaskState.PLANNED and task.starts_at and task.starts_at <= work.now]
    for task in due:
        task.starts_at = max(task.starts_at or cause.at, cause.at)
    for task in due:
        if not task.is_planned_with_case:
            _start_single(work, task, cause._replace(id=derive("resumed", cause.id, task.id)))
        elif task.state is TaskState.PLANNED:
            _start_due(work, task, work.now, cause)


def _start_single(work: Work, task: Task, cause: Cause) -> None:
    if task.firing_id is not None:
        work.origins[cause.id] = task.firing_id
    start(work, task, cause._replace(by=task.changed_by))


def _start_due(work: Work, task: Task, moment: datetime, cause: Cause) -> None:
    """Start what the plan that `task` is part of has to start by this moment."""
    plan = _plan_with(work, task)
    if plan is None:
        return
    for planned in on_time_passed(plan, moment, work.configuration_of(task).calendars).started:
        _start(work, work.tasks[plan.task_id(planned.code)], planned, cause)


def after_end(work: Work, task: Task, cause: Cause) -> None:
    """Start or schedule what waited for `task`, which has just ended; all tasks of its case are loaded."""
    plan = _plan_with(work, task)
    if plan is None or task.definition is None:
        return
    plan = _with_open(plan, task.definition)
    on_end = on_task_completed if task.state is TaskState.COMPLETED else on_task_cancelled
    _follow(work, plan, on_end(plan, task.definition, cause.at, work.configuration_of(task).calendars), cause)


def after_begin(work: Work, task: Task, cause: Cause) -> None:
    """Start or schedule what waited for work on `task` to begin, which it has just done; all tasks of its case are loaded."""
    links = _links(work, task, lambda workflow: workflow.outgoing)
    plan = _plan_with(work, task) if any(link.kind is DependencyKind.START_TO_START for link in links) else None
    if plan is None or task.definition is None:
        return
    before = replace(plan.tasks[task.definition], state=TaskState.PENDING, began_at=None)
    plan = replace(plan, tasks={**plan.tasks, task.definition: before})
    _follow(work, plan, on_task_begun(plan, task.definition, cause.at, work.configuration_of(task).calendars), cause)


def after_reopening(work: Work, task: Task, ended_at: datetime | None, cause: Cause) -> None:
    """Let what has started since the end of `task`, at `ended_at`, wait for it again; all tasks of its case are loaded."""
    plan = _plan_with(work, task)
    if plan is None or task.definition is None:
        return
    before = replace(plan.tasks[task.definition], state=TaskState.COMPLETED, ended_at=ended_at)
    plan = replace(plan, tasks={**plan.tasks, task.definition: before})
    advance = on_task_reopened(plan, task.definition, cause.at, work.configuration_of(task).calendars)
    _follow(work, plan, advance, cause)
    for planned in advance.withdrawn:
        _withdraw(work, work.tasks[plan.task_id(planned.code)], planned, cause)


def _withdraw(work: Work, task: Task, planned: PlannedTask, cause: Cause) -> None:
    was, starts_at = task.state, task.starts_at
    task.starts_at, task.start_by = None, planned.start_by
    if was is TaskState.PLANNED:
        work.record(TaskPlanned, task, cause, {"starts_at": (starts_at, None)})
        return
    due_at, task.triggered_at, task.due_at = task.due_at, None, None
    task.standing = withdraw(task.standing, work.configuration_of(task).statuses)
    work.record(TaskStatusChanged, task, cause, {"state": (was.value, task.state.value), "due_at": (due_at, None)}, was.value)


class TooEarly(TransitionRefused):
    """The completion of a task waits for other tasks of its plan: `holds` are the task, by its id, and until when, where that is known."""

    def __init__(self, holds: Sequence[tuple[UUID, datetime | None]], message: str) -> None:
        super().__init__("complete the task", Refusal.TOO_EARLY, message)
        self.holds = tuple(holds)


def require_completable(work: Work, task: Task, cause: Cause) -> None:
    """Raise `TooEarly` while the plan of its case keeps the task from being completed; all tasks of its case are loaded."""
    plan = _plan_with(work, task) if task.is_running and _links(work, task, lambda workflow: workflow.holding_finish) else None
    if plan is None or task.definition is None:
        return
    found = holds_completion(plan, task.definition, cause.at, work.configuration_of(task).calendars)
    if found:
        holds = [(plan.task_id(hold.after), hold.until) for hold in found]
        raise TooEarly(holds, "; ".join(_told(work.tasks[id].subject_line, until) for id, until in holds))


def _told(name: str, until: datetime | None) -> str:
    if until is None:
        return f"{name!r} has to be completed first"
    return f"after {name!r} it has to wait until {until:%Y-%m-%d %H:%M} UTC"


def _links(work: Work, task: Task, of: Callable[[Workflow], Mapping[str, tuple[Dependency, ...]]]) -> tuple[Dependency, ...]:
    """The dependencies of the task in its case's workflow."""
    case = None if task.case_id is None else work.cases[task.case_id]
    workflow = None if case is None else work.configuration_of(task).workflows.get(case.subject)
    return () if workflow is None or task.definition is None else of(workflow).get(task.definition, ())


def _plan_with(work: Work, task: Task) -> Plan | None:
    """The plan that the task is part of."""
    if task.case_id is None or task.definition is None or not task.is_planned_with_case:
        return None
    plan = work.plan_of(work.cases[task.case_id])
    return plan if plan is not None and task.definition in plan.tasks else None


def _follow(work: Work, plan: Plan, advance: Advance, cause: Cause) -> None:
    for planned in advance.started:
        _start(work, work.tasks[plan.task_id(planned.code)], planned, cause)
    for planned in advance.scheduled:
        waiting = work.tasks[plan.task_id(planned.code)]
        waiting.starts_at, waiting.start_by = planned.starts_at, planned.start_by
        work.record(TaskScheduled, waiting, cause, {"starts_at": (None, planned.starts_at)})
    for planned in advance.deadlines:
        waiting = work.tasks[plan.task_id(planned.code)]
        before, waiting.start_by = waiting.start_by, planned.start_by
        work.record(TaskStartByChanged, waiting, cause, {"start_by": (before, planned.start_by)})
    for planned in advance.moved:
        running = work.tasks[plan.task_id(planned.code)]
        due_at, running.due_at = running.due_at, planned.due_at
        work.record(TaskDueChanged, running, cause, {"due_at": (due_at, running.due_at)})


def _with_open(plan: Plan, code: str) -> Plan:
    """The plan as it was before this task ended: the standing cycle has moved it already."""
    before = replace(plan.tasks[code], state=TaskState.IN_PROGRESS, ended_at=None)
    return replace(plan, tasks={**plan.tasks, code: before})


def _start(work: Work, task: Task, planned: PlannedTask, cause: Cause) -> None:
    if task.case_id is not None and work.cases[task.case_id].is_closed:  # a task that was left open has ended
        task.starts_at, task.start_by = planned.starts_at, planned.start_by
        work.record(TaskScheduled, task, cause, {"starts_at": (None, planned.starts_at)})
        return
    before = task.state
    task.standing = trigger(task.standing, work.configuration_of(task).statuses)
    task.triggered_at, task.due_at, task.start_by = planned.starts_at, planned.due_at, planned.start_by
    task.starts_at = None
    work.record(TaskTriggered, task, cause, {"state": (before.value, task.state.value)}, before.value)
