"""On plans, tasks and approvals: keep what completion of a case waits for (CASE-8, EDGE-6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.case.handlers import automation
from services.case.handlers.automation import Firings, OnFirings
from services.case.storage import plans
from services.case.storage.plans import CaseApproval, CasePlan, CaseTask
from shared.messaging import Handler
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    ApprovalAsked,
    ApprovalChanged,
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalLifeCycle,
    ApprovalWithdrawn,
    PlanMade,
    RuleCut,
    RuleFired,
    TaskLifeCycle,
    TaskStatusChanged,
)
from shared.storage import Transaction

_DONE = frozenset({TaskLifeCycle.COMPLETED, TaskLifeCycle.CANCELLED})
_BLOCKING = frozenset({ApprovalLifeCycle.ASKED, ApprovalLifeCycle.DECLINED})
_APPROVALS = (ApprovalAsked, ApprovalDecided, ApprovalDelegated, ApprovalWithdrawn)


@dataclass(slots=True)
class TaskBatch:
    """What a batch says of plans and tasks."""

    plans: dict[UUID, CasePlan] = field(default_factory=dict)
    tasks: dict[UUID, CaseTask] = field(default_factory=dict)
    firings: Firings | None = None
    """What automation rules ask for; None: nothing."""
    approvals: dict[UUID, CaseApproval] = field(default_factory=dict)


def handler(on_firings: OnFirings) -> Handler[TaskBatch]:
    """The three steps of `casestream.tasks`, for the consumer loop."""

    def load(tx: Transaction, events: Sequence[Event]) -> TaskBatch:
        # Of tasks nothing: the newest word on one decides, whatever was known before.
        return TaskBatch(firings=on_firings.load(tx, events))

    def fired(batch: TaskBatch, event: Event) -> None:
        if batch.firings is not None:
            on_firings.fired(batch.firings, event)

    def cut(batch: TaskBatch, event: Event) -> None:
        if batch.firings is not None:
            on_firings.cut(batch.firings, event)

    apply: dict[type[Payload], Callable[[TaskBatch, Event], None]] = {
        PlanMade: plan_made,
        TaskStatusChanged: status_changed,
        RuleFired: fired,
        RuleCut: cut,
        **dict.fromkeys(_APPROVALS, approval_changed),
    }
    return Handler(load=load, apply=apply, save=save)


def plan_made(batch: TaskBatch, event: Event) -> None:
    """A case's plan names its tasks; a later one may add some."""
    data: PlanMade = event.data
    earlier = batch.plans.get(data.case_id)
    known = earlier.task_ids if earlier else ()
    batch.plans[data.case_id] = CasePlan(data.case_id, tuple(dict.fromkeys((*known, *data.task_ids))))


def status_changed(batch: TaskBatch, event: Event) -> None:
    """A task is open or done; of several words on one the highest revision counts."""
    data: TaskStatusChanged = event.data
    earlier = batch.tasks.get(data.task_id)
    if earlier is None or earlier.revision < event.revision:
        batch.tasks[data.task_id] = CaseTask(data.task_id, data.case_id, event.revision, data.state not in _DONE)


def approval_changed(batch: TaskBatch, event: Event) -> None:
    """A case waits for an approval, or no longer; one of a task keeps that task open, and is not counted here."""
    data: ApprovalChanged = event.data
    earlier = batch.approvals.get(data.approval_id)
    if data.task_id is not None or (earlier is not None and earlier.revision >= event.revision):
        return
    is_declined = data.state is ApprovalLifeCycle.DECLINED
    since = (data.decided_at if is_declined else None) or data.held_since
    who = (data.decided_by if is_declined else None) or data.approver
    batch.approvals[data.approval_id] = CaseApproval(
        data.approval_id, data.case_id, event.revision, data.state in _BLOCKING, is_declined, who, since
    )


def save(tx: Transaction, batch: TaskBatch) -> None:
    """Write what is new."""
    plans.keep_plans(tx, list(batch.plans.values()))
    plans.keep_tasks(tx, list(batch.tasks.values()))
    if batch.firings is not None:
        automation.save(tx, batch.firings)
    plans.keep_approvals(tx, list(batch.approvals.values()))
