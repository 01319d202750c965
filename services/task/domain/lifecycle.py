"""A task's way from planned to completed or cancelled, and who may move it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from services.task.domain.ownership import Actor, Owner, may_accept, may_reassign, may_work_on
from shared.ids import UserId


class TaskState(StrEnum):
    """Life-cycle states. A planned task waits for its predecessors or a lag, and nobody can work on it yet."""

    PLANNED = "planned"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether the task can still change."""
        return self not in (TaskState.COMPLETED, TaskState.CANCELLED)


_MOVES: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.PLANNED: frozenset({TaskState.CANCELLED}),  # to pending only by its plan: see `trigger`
    TaskState.PENDING: frozenset({TaskState.IN_PROGRESS, TaskState.CANCELLED}),
    TaskState.IN_PROGRESS: frozenset({TaskState.PENDING, TaskState.COMPLETED, TaskState.CANCELLED}),
    TaskState.COMPLETED: frozenset(),
    TaskState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class StatusRule:
    """Who may set status `after` on a task in status `before`; no users and no units: anybody who may work on it."""

    before: str
    after: str
    users: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()

    def permits(self, actor: Actor) -> bool:
        """Whether the rule lets this actor make the change."""
        anybody = not self.users and not self.units
        return anybody or actor.is_system or actor.user in self.users or not self.units.isdisjoint(actor.units)


@dataclass(frozen=True, slots=True)
class Statuses:
    """The organisation's own labels: the state each means, the default of each state, and who may change which."""

    states: Mapping[str, TaskState] = field(default_factory=dict)
    defaults: Mapping[TaskState, str] = field(default_factory=dict)
    rules: tuple[StatusRule, ...] = ()
    """None: whatever the life cycle allows."""

    def default_of(self, state: TaskState) -> str:
        """The status of a task that enters this state and is given none: the default, else the state's own name."""
        return self.defaults.get(state, state.value)

    def state_of(self, status: str) -> TaskState | None:
        """The state that a status means. A state's own name is a status where it is not a label of its own."""
        return self.states.get(status) or next((state for state in TaskState if state == status), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a task stands in its life cycle, and who has it."""

    state: TaskState
    status: str
    owner: Owner
    assignee: UserId | None = None
    cancellation_reason: str | None = None
    in_progress_at: datetime | None = None
    """When it was first in progress."""
    ended_at: datetime | None = None
    """When it was completed or cancelled."""


class Refusal(StrEnum):
    """Why a change is refused."""

    ENDED = "ended"
    NOT_STARTED = "not_started"
    NO_ASSIGNEE = "no_assignee"
    NOT_YOURS = "not_yours"
    NO_SUCH_MOVE = "no_such_move"
    NO_RULE = "no_rule"
    UNKNOWN_STATUS = "unknown_status"
    NO_REASON = "no_reason"
    NOT_APPROVED = "not_approved"
    TOO_EARLY = "too_early"
    AWAY = "away"


class TransitionRefused(Exception):
    """A change of a task is not allowed: `what` was asked for, `why` it is refused; the message is for people."""

    def __init__(self, what: str, why: Refusal, message: str) -> None:
        super().__init__(f"cannot {what}: {message}")
        self.what = what
        self.why = why


def trigger(task: Standing, statuses: Statuses) -> Standing:
    """The planned task as it can be worked on from now: its plan has reached it. A task already triggered stays."""
    _require_open(task, "start the task")
    if task.state is not TaskState.PLANNED:
        return task
    return replace(task, state=TaskState.PENDING, status=statuses.default_of(TaskState.PENDING))


def begin(task: Standing, actor: Actor, now: datetime, statuses: Statuses, status: str | None = None) -> Standing:
    """The task in progress."""
    return _move(task, TaskState.IN_PROGRESS, "begin the task", actor, now, statuses, status)


def put_back(task: Standing, actor: Actor, now: datetime, statuses: Statuses, status: str | None = None) -> Standing:
    """The task pending again: further action is needed before work on it can go on."""
    return _move(task, TaskState.PENDING, "set the task back to pending", actor, now, statuses, status)


def complete(task: Standing, actor: Actor, now: datetime, statuses: Statuses, status: str | None = None) -> Standing:
    """The task completed."""
    return _move(task, TaskState.COMPLETED, "complete the task", actor, now, statuses, status)


def cancel(task: Standing, actor: Actor, now: datetime, statuses: Statuses, reason: str, status: str | None = None) -> Standing:
    """The task cancelled, for a reason (by its code). An unowned or planned task can be cancelled by who may reassign it."""
    if not reason:
        raise TransitionRefused("cancel the task", Refusal.NO_REASON, "a reason is required")
    moved = _move(task, TaskState.CANCELLED, "cancel the task", actor, now, statuses, status)
    return replace(moved, cancellation_reason=reason)


def reopen(task: Standing, actor: Actor, statuses: Statuses) -> Standing:
    """The completed task in progress again: it was not done after all."""
    what = "reopen the task"
    if task.state is not TaskState.COMPLETED:
        raise TransitionRefused(what, Refusal.NO_SUCH_MOVE, f"it is {task.state}, and only what was completed can be reopened")
    if not may_work_on(task.assignee, actor):
        raise TransitionRefused(what, Refusal.NOT_YOURS, _whose(task))
    return replace(task, state=TaskState.IN_PROGRESS, status=statuses.default_of(TaskState.IN_PROGRESS), ended_at=None)


def withdraw(task: Standing, statuses: Statuses) -> Standing:
    """The pending task, on which nobody has set to work, planned again: what it waited for is open again. Whoever has it keeps it."""
    _require_open(task, "withdraw the task")
    return replace(task, state=TaskState.PLANNED, status=statuses.default_of(TaskState.PLANNED))


def take_up_again(task: Standing, state: TaskState, status: str) -> Standing:
    """The cancelled task as it was before: what it was cancelled for was undone."""
    return replace(task, state=state, status=status, cancellation_reason=None, ended_at=None)


def set_status(task: Standing, status: str, actor: Actor, now: datetime, statuses: Statuses, reason: str | None = None) -> Standing:
    """The task with this status, and so in the state that the status means. `reason` is for cancelling."""
    what = f"set status {status}"
    state = statuses.state_of(status)
    if state is None:
        raise TransitionRefused(what, Refusal.UNKNOWN_STATUS, "there is no such status")
    if state is TaskState.CANCELLED:
        return cancel(task, actor, now, statuses, reason or "", status)
    return _move(task, state, what, actor, now, statuses, status)


def accept(task: Standing, actor: Actor) -> Standing:
    """The task in the hands of the actor, a member of the role or unit that it is for. Accepting twice changes nothing."""
    what = "accept the task"
    _require_open(task, what)
    if not may_accept(task.owner, task.assignee, actor):
        taken = f"{task.assignee} has it already" if task.assignee else f"it is for {task.owner}"
        raise TransitionRefused(what, Refusal.NOT_YOURS, taken)
    return replace(task, assignee=actor.user)


def give(task: Standing, owner: Owner, assignee: str | None) -> Standing:
    """The task for this owner, in the hands of this user or of nobody: a rule's or an absence's doing. Others `accept` or `reassign`."""
    _require_open(task, "give the task")
    return replace(task, owner=owner, assignee=None if assignee is None else UserId(assignee))


def reassign(task: Standing, owner: Owner, actor: Actor) -> Standing:
    """The task for another owner. A task in progress that no longer has one user stays so, but waits for acceptance."""
    what = "reassign the task"
    _require_open(task, what)
    if not may_reassign(task.owner, task.assignee, actor):
        raise TransitionRefused(what, Refusal.NOT_YOURS, _whose(task))
    return replace(task, owner=owner, assignee=owner.assignee)


def _move(task: Standing, to: TaskState, what: str, actor: Actor, now: datetime, statuses: Statuses, status: str | None) -> Standing:
    _require_open(task, what)
    status = status if status is not None else statuses.default_of(to)
    if statuses.state_of(status) is not to:
        raise TransitionRefused(what, Refusal.UNKNOWN_STATUS, f"{status} is no status of the state {to}")
    _require_allowed(task, to, what, actor)
    same_state = to is task.state and status != task.status and to is not TaskState.PLANNED
    if to not in _MOVES[task.state] and not same_state:
        if task.state is TaskState.PLANNED:
            raise TransitionRefused(what, Refusal.NOT_STARTED, "it waits for other tasks, or for its time")
        raise TransitionRefused(what, Refusal.NO_SUCH_MOVE, f"it is {task.status}")
    if statuses.rules and task.state is not TaskState.PLANNED:
        rules = [rule for rule in statuses.rules if (rule.before, rule.after) == (task.status, status)]
        if not any(rule.permits(actor) for rule in rules):
            message = "no rule lets you do that" if rules else "no rule allows it"
            raise TransitionRefused(what, Refusal.NO_RULE, f"{message}, from {task.status} to {status}")
    begun = to is TaskState.IN_PROGRESS and task.in_progress_at is None
    return replace(
        task,
        state=to,
        status=status,
        in_progress_at=now if begun else task.in_progress_at,
        ended_at=None if to.is_open else now,
    )


def _require_allowed(task: Standing, to: TaskState, what: str, actor: Actor) -> None:
    """Cancelling needs no user who has the task; everything else does."""
    if to is TaskState.CANCELLED:
        if not may_reassign(task.owner, task.assignee, actor):
            raise TransitionRefused(what, Refusal.NOT_YOURS, _whose(task))
        return
    if task.state is TaskState.PLANNED:
        return  # refused as not started, whoever asks
    if task.assignee is None:
        raise TransitionRefused(what, Refusal.NO_ASSIGNEE, f"it is for {task.owner}, and nobody has accepted it yet")
    if not may_work_on(task.assignee, actor):
        raise TransitionRefused(what, Refusal.NOT_YOURS, _whose(task))


def _require_open(task: Standing, what: str) -> None:
    if not task.state.is_open:
        raise TransitionRefused(what, Refusal.ENDED, f"it is {task.state}")


def _whose(task: Standing) -> str:
    return f"{task.assignee} has it" if task.assignee else f"it is for {task.owner}"
