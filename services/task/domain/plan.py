"""The plan of a case: which of its workflow's tasks run, which wait, and what each end of a task sets going.

A plan is a value; each function gives the plan that follows. It says when tasks start, are due and may be completed. What happens to a
task otherwise (who has it, whether it was set back to pending) is its life cycle's matter, and does not change the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from services.task.domain.lifecycle import TaskState
from services.task.domain.workflow import Dependency, DependencyKind, Workflow
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
    """When it starts, or started; None while something that its start waits for has not happened."""
    start_by: datetime | None = None
    """Deadline for its start, from a maximum lag; known as soon as the first predecessor with one has got so far."""
    due_at: datetime | None = None
    """None until it has started."""
    ended_at: datetime | None = None
    began_at: datetime | None = None
    """When somebody first set to work on it."""

    @property
    def is_scheduled(self) -> bool:
        """Whether nothing but time keeps it from starting: all that its start waits for has happened, and a lag is running."""
        return self.state is TaskState.PLANNED and self.starts_at is not None

    @property
    def is_waiting(self) -> bool:
        """Whether something that its start waits for has not happened yet."""
        return self.state is TaskState.PLANNED and self.starts_at is None

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self.state.is_open and self.state is not TaskState.PLANNED


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
    moved: tuple[PlannedTask, ...] = ()
    """They are due at another time."""
    withdrawn: tuple[PlannedTask, ...] = ()
    """They had started, or were to start, and wait again."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a task cannot be completed yet: `after` is open (`until` None), or ended so lately that the lag is over only `until`."""

    after: str
    until: datetime | None


def plan_tasks(case_id: CaseId, workflow: Workflow, now: datetime, calendars: Mapping[str, Calendar]) -> Plan:
    """The plan of a case opened at `now`: tasks whose start waits for nothing start at once, the others wait.

    The workflow must have passed `check_workflow`, and `calendars` hold every calendar that it names.
    """
    return Plan(case_id, workflow, first_tasks(workflow, now, calendars))


def first_tasks(workflow: Workflow, now: datetime, calendars: Mapping[str, Calendar]) -> dict[str, PlannedTask]:
    """The tasks of `plan_tasks`, which are the same for every case."""
    planned = {node.code: PlannedTask(node.code) for node in workflow.nodes}
    return {
        code: task if code in workflow.holding_start else _started(task, workflow, planned, now, calendars)
        for code, task in planned.items()
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


def on_task_begun(plan: Plan, code: str, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """What follows when somebody sets to work, at `now`, on the task of this definition; nothing when that is not the first time."""
    task = plan.tasks.get(code)
    if task is None or not task.is_running or task.began_at is not None:
        return Advance(plan)
    tasks = {**plan.tasks, code: replace(task, state=TaskState.IN_PROGRESS, began_at=now)}
    return _followed(plan, tasks, [link for link in plan.workflow.outgoing.get(code, ()) if _waits_for_begin(link)], now, calendars)


def on_task_reopened(plan: Plan, code: str, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """What follows when the task of this definition, which had ended, is open and worked on again.

    What started after its end waits again, unless somebody has set to work on it: that goes on. What started after its beginning goes on
    too. What may be completed only after its end is held again; it stays due when it is, until the end comes anew.
    """
    task = plan.tasks.get(code)
    if task is None or task.state.is_open:
        return Advance(plan)
    open_again = replace(task, state=TaskState.IN_PROGRESS, ended_at=None, began_at=task.began_at or task.ended_at)
    tasks = {**plan.tasks, code: open_again}
    deadlines: list[PlannedTask] = []
    withdrawn: list[PlannedTask] = []
    for link in plan.workflow.outgoing.get(code, ()):
        before = tasks[link.task]
        if link.kind is not DependencyKind.FINISH_TO_START or before.began_at is not None or not before.state.is_open:
            continue
        waiting = PlannedTask(before.code)
        after = tasks[link.task] = _looked_at(waiting, plan.workflow, tasks, now, calendars)
        if not before.is_waiting:
            withdrawn.append(after)
        elif after.start_by != before.start_by:
            deadlines.append(after)
    return Advance(replace(plan, tasks=tasks), deadlines=tuple(deadlines), withdrawn=tuple(withdrawn))


def holds_completion(plan: Plan, code: str, now: datetime, calendars: Mapping[str, Calendar]) -> tuple[Hold, ...]:
    """What keeps the task of this definition from being completed at `now`; nothing when it may be. Cancelled it may always be."""
    found: list[Hold] = []
    for link in plan.workflow.holding_finish.get(code, ()):
        until = _earliest(link, plan.workflow, plan.tasks, calendars)
        if until is None or until > now:
            found.append(Hold(link.after, until))
    return tuple(found)


def on_time_passed(plan: Plan, now: datetime, calendars: Mapping[str, Calendar]) -> Advance:
    """What starts because its lag is over by `now`.

    A task starts, and its time begins to run, at its `starts_at`, however much later that is noticed.
    """
    tasks = dict(plan.tasks)
    ready = [task for task in plan.tasks.values() if task.is_scheduled and task.starts_at is not None and task.starts_at <= now]
    started = tuple(_started(task, plan.workflow, tasks, task.starts_at or now, calendars) for task in ready)
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
    return replace(_followed(plan, tasks, plan.workflow.outgoing.get(code, ()), now, calendars), ended=ended)


def _followed(
    plan: Plan, tasks: dict[str, PlannedTask], links: Iterable[Dependency], now: datetime, calendars: Mapping[str, Calendar]
) -> Advance:
    """The plan with these tasks, of which one has just got so far that these links, which wait for it, may let go."""
    started: list[PlannedTask] = []
    scheduled: list[PlannedTask] = []
    deadlines: list[PlannedTask] = []
    moved: list[PlannedTask] = []
    for link in links:
        before = tasks[link.task]
        if not link.kind.holds_start:
            if before.is_running and before.due_at is not None:
                due_at = _due_within(before.due_at, link.task, (link,), plan.workflow, tasks, calendars)
                if due_at != before.due_at:
                    tasks[link.task] = replace(before, due_at=due_at)
                    moved.append(tasks[link.task])
            continue
        if not before.is_waiting:
            continue
        after = _looked_at(before, plan.workflow, tasks, now, calendars)
        tasks[link.task] = after
        if not after.is_waiting:
            (scheduled if after.is_scheduled else started).append(after)
        elif after.start_by != before.start_by:
            deadlines.append(after)
    return Advance(
        replace(plan, tasks=tasks), started=tuple(started), scheduled=tuple(scheduled), deadlines=tuple(deadlines), moved=tuple(moved)
    )


def _waits_for_begin(link: Dependency) -> bool:
    return link.kind is DependencyKind.START_TO_START


def _reached_at(link: Dependency, tasks: Mapping[str, PlannedTask]) -> datetime | None:
    """When the predecessor got as far as this link waits for; None: it has not."""
    task = tasks[link.after]
    if _waits_for_begin(link) and task.began_at is not None:
        return task.began_at
    return task.ended_at


def _earliest(link: Dependency, workflow: Workflow, tasks: Mapping[str, PlannedTask], calendars: Mapping[str, Calendar]) -> datetime | None:
    """From when on this link holds its task no more; None while that cannot be known."""
    reached_at = _reached_at(link, tasks)
    if reached_at is None or link.lag is None:
        return reached_at
    return due(link.lag, reached_at, calendars[workflow.calendar_of(link.task)])


def _looked_at(
    task: PlannedTask,
    workflow: Workflow,
    tasks: Mapping[str, PlannedTask],
    now: datetime,
    calendars: Mapping[str, Calendar],
) -> PlannedTask:
    """The task that has not started as its predecessors let it: waiting, scheduled or started."""
    calendar = calendars[workflow.calendar_of(task.code)]
    starts: list[datetime] = []
    deadlines: list[datetime] = []
    is_ready = True
    for link in workflow.holding_start[task.code]:
        reached_at = _reached_at(link, tasks)
        if reached_at is None:
            is_ready = False
            continue
        starts.append(due(link.lag, reached_at, calendar) if link.lag else reached_at)
        if link.max_lag:
            deadlines.append(due(link.max_lag, reached_at, calendar))
    task = replace(task, start_by=min(deadlines, default=None))
    if not is_ready:
        return task
    starts_at = max(starts)
    return _started(task, workflow, tasks, now, calendars) if starts_at <= now else replace(task, starts_at=starts_at)


def _started(
    task: PlannedTask, workflow: Workflow, tasks: Mapping[str, PlannedTask], at: datetime, calendars: Mapping[str, Calendar]
) -> PlannedTask:
    due_at = due(workflow.by_code[task.code].within, at, calendars[workflow.calendar_of(task.code)])
    if links := workflow.holding_finish.get(task.code):
        due_at = _due_within(due_at, task.code, links, workflow, tasks, calendars)
    return replace(task, state=TaskState.PENDING, starts_at=at, due_at=due_at)


def _due_within(
    due_at: datetime,
    code: str,
    links: Iterable[Dependency],
    workflow: Workflow,
    tasks: Mapping[str, PlannedTask],
    calendars: Mapping[str, Calendar],
) -> datetime:
    """When the task is due that was to be at `due_at`: by the deadlines of `links`, but not before its completion is held no more."""
    for link in links:
        ended_at = tasks[link.after].ended_at
        if link.max_lag and ended_at is not None:
            due_at = min(due_at, due(link.max_lag, ended_at, calendars[workflow.calendar_of(code)]))
    for link in workflow.holding_finish[code]:
        due_at = max(due_at, _earliest(link, workflow, tasks, calendars) or due_at)
    return due_at


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
