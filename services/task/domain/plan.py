"""The plan of a case: which of its workflow's tasks run, which wait, and what each end of a task sets going.

A plan is a value; each function gives the plan that follows. It says when tasks start and are due. What happens to a
task otherwise (who has it, whether it is in progress) is its life cycle's matter, and does not change the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from services.task.domain.lifecycle import TaskState
from services.task.domain.workflow import Workflow
from shared.calendars import Calendar, due
from shared.ids import CaseId, TaskId, task_id


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task within its plan.

    `state` is `planned` until the task is triggered, then `pending`, and in the end `completed` or `cancelled`; a plan
    takes `in_progress` as it takes `pending`.
    """

    code: str
    state: TaskState = TaskState.PLANNED
    starts_at: datetime | None = None
    """When it starts, or started; None while something that it waits for is open."""
    start_by: datetime | None = None
    """Deadline for its start, from a maximum lag; known as soon as the first predecessor with one has ended."""
    due_at: datetime | None = None
    """None until it has started."""
    ended_at: datetime | None = None

    @property
    def is_scheduled(self) -> bool:
        """Whether nothing but time keeps it from starting: all it waits for has ended, and a lag is running."""
        return self.state is TaskState.PLANNED and self.starts_at is not None

    @property
    def is_waiting(self) -> bool:
        """Whether something that it waits for is still open."""
        return self.state is TaskState.PLANNED and self.starts_at is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a case, by the code of their definition, in the workflow's order."""

    case_id: CaseId
    workflow: Workflow
    tasks: Mapping[str, PlannedTask]

    @property
    def is_finished(self) -> bool:
        """Whether all planned tasks have been completed or cancelled, so that they no longer keep the case open."""
        return not any(task.state.is_open for task in self.tasks.values())

    def task_id(self, code: str) -> TaskId:
        """The id of the task of this definition: the same each time the case is planned."""
        return task_id(self.case_id, code)


@dataclass(frozen=True, slots=True)
class Advance:
    """The plan that follows, and the tasks that changed on the way to it, in the workflow's order."""

    plan: Plan
    ended: PlannedTask | None = None
    """The task whose end it was; None when that changed nothing."""
    started: tuple[PlannedTask, ...] = ()
    """They can be worked on from now."""
    scheduled: tuple[PlannedTask, ...] = ()
    """They start at their `starts_at`, unless cancelled before."""
    deadlines: tuple[PlannedTask, ...] = ()
    """They still wait for other tasks, but got a `start_by`, or an earlier one."""


def plan_tasks(case_id: CaseId, workflow: Workflow, now: datetime, calendars: Mapping[str, Calendar]) -> Plan:
    """The plan of a case opened at `now`: tasks that wait for nothing start at once, the others wait.

    The workflow must have passed `check_workflow`, and `calendars` hold every calendar that it names.
    """
    return Plan(case_id, workflow, first_tasks(workflow, now, calendars))


def first_tasks(workflow: Workflow, now: datetime, calendars: Mapping[str, Calendar]) -> dict[str, PlannedTask]:
    """The tasks of `plan_tasks`, which are the same for every case."""
    return {
        node.code: PlannedTask(node.code) if node.code in workflow.incoming else _started(PlannedTask(node.code), workflow, now, calendars)
        for node in workflow.nodes
    }


def on_task_completed(plan: Plan, code: str, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """What follows from the completion, at `now`, of the task of this definition."""
    return _on_task_ended(plan, code, TaskState.COMPLETED, now, calendars)


def on_task_cancelled(plan: Plan, code: str, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """What follows from the cancellation, at `now`, of the task of this definition.

    What waited for it goes on as if it were completed: cancelling a task means that it is not needed, and a case must
    not stand still for it. Whoever wants the dependants gone cancels them too.
    """
    return _on_task_ended(plan, code, TaskState.CANCELLED, now, calendars)


def on_time_passed(plan: Plan, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """What starts because its lag is over by `now`.

    A task starts, and its time begins to run, at its `starts_at`, however much later that is noticed.
    """
    tasks = dict(plan.tasks)
    ready = [task for task in plan.tasks.values() if task.is_scheduled and task.starts_at is not None and task.starts_at <= now]
    started = tuple(_started(task, plan.workflow, task.starts_at or now, calendars) for task in ready)
    tasks.update((task.code, task) for task in started)
    return Advance(replace(plan, tasks=tasks), started=started)


def next_start(plan: Plan) -> datetime | None:
    """When a lag is over next, for whoever has to call `on_time_passed` then; None while no lag is running."""
    return min((t.starts_at for t in plan.tasks.values() if t.is_scheduled and t.starts_at is not None), default=None)


def _on_task_ended(plan: Plan, code: str, state: TaskState, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """Nothing follows from the end of a task that the plan does not know (one added by hand) or knows as ended."""
    task = plan.tasks.get(code)
    if task is None or not task.state.is_open:
        return Advance(plan)
    ended = replace(task, state=state, ended_at=now)
    tasks = {**plan.tasks, code: ended}
    started: list[PlannedTask] = []
    scheduled: list[PlannedTask] = []
    deadlines: list[PlannedTask] = []
    for link in plan.workflow.outgoing.get(code, ()):
        before = tasks[link.task]
        if not before.is_waiting:
            continue
        after = _looked_at(before, plan.workflow, tasks, now, calendars)
        tasks[link.task] = after
        if not after.is_waiting:
            (scheduled if after.is_scheduled else started).append(after)
        elif after.start_by != before.start_by:
            deadlines.append(after)
    return Advance(replace(plan, tasks=tasks), ended, tuple(started), tuple(scheduled), tuple(deadlines))


def _looked_at(
    task: PlannedTask,
    workflow: Workflow,
    tasks: Mapping[str, PlannedTask],
    now: datetime,
    calendars: Mapping[str, Calendar],
) -> PlannedTask:
    """The waiting task after one of its predecessors has ended."""
    calendar = calendars[workflow.calendar_of(task.code)]
    starts: list[datetime] = []
    deadlines: list[datetime] = []
    is_ready = True
    for link in workflow.incoming[task.code]:
        ended_at = tasks[link.after].ended_at
        if ended_at is None:
            is_ready = False
            continue
        starts.append(due(link.lag, ended_at, calendar) if link.lag else ended_at)
        if link.max_lag:
            deadlines.append(due(link.max_lag, ended_at, calendar))
    task = replace(task, start_by=min(deadlines, default=None))
    if not is_ready:
        return task
    starts_at = max(starts)
    return _started(task, workflow, now, calendars) if starts_at <= now else replace(task, starts_at=starts_at)


def _started(task: PlannedTask, workflow: Workflow, at: datetime, calendars: Mapping[str, Calendar]) -> PlannedTask:
    within = workflow.by_code[task.code].within
    due_at = due(within, at, calendars[workflow.calendar_of(task.code)])
    return replace(task, state=TaskState.PENDING, starts_at=at, due_at=due_at)


def restore(case_id: CaseId, workflow: Workflow, tasks: Iterable[PlannedTask], planned_at: datetime) -> Plan:
    """The plan of a case, made at `planned_at`, from its tasks as stored, in any order.

    A task of the workflow that is not among them was deleted, and counts as cancelled from the beginning, so that
    nothing waits for it. Tasks that the workflow does not have (added by hand) are left out.
    """
    stored = {task.code: task for task in tasks}
    return Plan(
        case_id,
        workflow,
        {code: stored.get(code) or PlannedTask(code, TaskState.CANCELLED, ended_at=planned_at) for code in workflow.by_code},
    )
