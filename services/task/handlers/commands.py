"""What people do with a task: accept, begin, set back, complete, cancel, hand on, move its due time (TASK-6, TASK-7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from services.task.domain import lifecycle
from services.task.domain.approvals import Before
from services.task.domain.assignment.absences import Meanwhile
from services.task.domain.lifecycle import Refusal, Standing, TaskState, TransitionRefused
from services.task.domain.ownership import Actor, Owner, OwnerKind, may_accept, may_reassign
from services.task.domain.task import Task
from services.task.handlers import giving
from services.task.handlers.approvals import pass_gate
from services.task.handlers.progress import after_begin, after_end, after_reopening, require_completable
from services.task.handlers.work import Cause, Work
from services.task.storage import approvals, repository
from shared.schemas.events import TaskAssigned, TaskDueChanged, TaskStatusChanged
from shared.storage import Transaction

_NOTHING: Mapping[str, tuple[object, object]] = MappingProxyType({})


def load_task(tx: Transaction, work: Work, task_id: UUID) -> Task | None:
    """The task, locked, with its case and all that case's tasks; None when there is none."""
    exists, case_id = repository.case_of_task(tx, task_id)
    if not exists:
        return None
    if case_id is None:
        task = repository.lock_task(tx, task_id)
        work.add_tasks([task] if task else [])
    else:
        work.lock_cases(tx, (case_id,))
    work.approvals = approvals.lock_of_task(tx, task_id)
    return work.tasks.get(task_id)


def accept(work: Work, task: Task, actor: Actor, cause: Cause) -> None:
    """Take the task, as a member of the role or unit that it is for."""
    _set_assignee(work, task, lifecycle.accept(task.standing, actor), cause)


def begin(work: Work, task: Task, actor: Actor, cause: Cause, override: str = "") -> None:
    """Set to work on it. Whoever begins a task that nobody has takes it, if they may. Raises `NotApproved`, unless there is an `override`.

    The task stays as it is where an approval that it needs was not asked yet: that is asked.
    """
    _take(work, task, actor, cause)
    after = lifecycle.begin(task.standing, actor, cause.at, _statuses(work, task))
    passage = pass_gate(work, task, Before.START, cause, override)
    if passage.is_open:
        is_first = task.standing.in_progress_at is None
        _move(work, task, after, cause, passage.overridden)
        if is_first:
            after_begin(work, task, cause)


def put_back(work: Work, task: Task, actor: Actor, cause: Cause) -> None:
    """Set it back to pending: further action is needed first."""
    _move(work, task, lifecycle.put_back(task.standing, actor, cause.at, _statuses(work, task)), cause)


def complete(work: Work, task: Task, actor: Actor, cause: Cause, override: str = "") -> None:
    """Complete it, through in progress if it was not begun, and start what waited for it. Of approvals as `begin`.

    Raises `TransitionRefused` as too early while its completion waits for other tasks.
    """
    require_completable(work, task, cause)
    if task.state is TaskState.PENDING:
        begin(work, task, actor, cause, override)
        if task.state is TaskState.PENDING:
            return
    after = lifecycle.complete(task.standing, actor, cause.at, _statuses(work, task))
    passage = pass_gate(work, task, Before.COMPLETION, cause, override)
    if passage.is_open:
        _move(work, task, after, cause, passage.overridden)
        after_end(work, task, cause)


def reopen(work: Work, task: Task, actor: Actor, cause: Cause, reason: str) -> None:
    """Take up a completed task again, for a reason. What has started since its end, and nobody has set to work on, waits for it again."""
    case = None if task.case_id is None else work.cases[task.case_id]
    if case is not None and case.is_closed:
        raise TransitionRefused("reopen the task", Refusal.ENDED, f"its {case.kind} is {case.state}")
    before, task.standing = task.standing, lifecycle.reopen(task.standing, actor, _statuses(work, task))
    changes: dict[str, tuple[object, object]] = {"state": (before.state.value, task.state.value), "reason": (None, reason)}
    work.record(TaskStatusChanged, task, cause, changes, before.state.value)
    after_reopening(work, task, before.ended_at, cause)


def cancel(work: Work, task: Task, actor: Actor, cause: Cause, reason: str) -> None:
    """Cancel it for a reason; what waited for it goes on."""
    _move(work, task, lifecycle.cancel(task.standing, actor, cause.at, _statuses(work, task), reason), cause)
    task.starts_at = None
    after_end(work, task, cause)


def assign(work: Work, task: Task, owner: Owner, unit: str | None, actor: Actor, cause: Cause, meanwhile: Meanwhile | None = None) -> None:
    """Give it to another owner; `unit`: whose work it is from now on, where that changes.

    `meanwhile`: the new owner is away, and whoever stands in gets it until their return; it is refused where nobody does.
    """
    before = task.standing
    unit_before = task.unit
    after = lifecycle.reassign(before, owner, actor)
    if after == before and unit in (None, unit_before):
        return
    why = ""
    if meanwhile is not None and task.state is not TaskState.PLANNED and meanwhile.takes(task.due_at):
        after = giving.lend(work, task, after, meanwhile)
        if after == before and unit in (None, unit_before):
            return
        why = f"absence of {meanwhile.user}"
    elif actor.is_system:
        work.given_by_rule(task, cause)
    task.standing = after
    task.unit = unit or unit_before
    changes: dict[str, tuple[object, object]] = {
        "owner": (str(before.owner), str(after.owner)),
        "assignee": (before.assignee, after.assignee),
        "unit": (unit_before, task.unit),
    }
    work.record(TaskAssigned, task, cause, {name: pair for name, pair in changes.items() if pair[0] != pair[1]}, why=why)


def set_due(work: Work, task: Task, due_at: datetime, actor: Actor, cause: Cause) -> None:
    """Move its due time."""
    what = "change the due time"
    if not task.state.is_open:
        raise TransitionRefused(what, Refusal.ENDED, f"it is {task.state}")
    if task.state is TaskState.PLANNED:
        raise TransitionRefused(what, Refusal.NOT_STARTED, "it has none until it starts")
    if not may_reassign(task.owner, task.standing.assignee, actor):
        raise TransitionRefused(what, Refusal.NOT_YOURS, f"it is for {task.owner}")
    if task.due_at == due_at:
        return
    changes: dict[str, tuple[object, object]] = {"due_at": (task.due_at, due_at)}
    task.due_at = due_at
    work.record(TaskDueChanged, task, cause, changes)


def _take(work: Work, task: Task, actor: Actor, cause: Cause) -> None:
    """Give a pending task that nobody has to whoever works on it: as a member, or as one who may hand it to themselves."""
    standing = task.standing
    if standing.assignee is not None or standing.state is not TaskState.PENDING or actor.is_system:
        return
    if may_accept(standing.owner, None, actor):
        _set_assignee(work, task, lifecycle.accept(standing, actor), cause)
    elif actor.oversees:
        assign(work, task, Owner(OwnerKind.USER, actor.user), None, actor, cause)


def _set_assignee(work: Work, task: Task, after: Standing, cause: Cause) -> None:
    before, task.standing = task.standing, after
    if after.assignee != before.assignee:
        work.record(TaskAssigned, task, cause, {"assignee": (before.assignee, after.assignee)})


def _move(work: Work, task: Task, after: Standing, cause: Cause, besides: Mapping[str, tuple[object, object]] = _NOTHING) -> None:
    before, task.standing = task.standing, after
    if after.state is before.state and after.status == before.status:
        return
    changes: dict[str, tuple[object, object]] = {"state": (before.state.value, after.state.value), **besides}
    if after.cancellation_reason:
        changes["reason"] = (None, after.cancellation_reason)
    work.record(TaskStatusChanged, task, cause, changes, before.state.value)


def _statuses(work: Work, task: Task) -> lifecycle.Statuses:
    return work.configuration_of(task).statuses
