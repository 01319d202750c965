"""What happened to an item so that messages about it, which wait for a digest or the end of quiet hours, need not be sent any more."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from services.notify.domain.occasions import Delivery
from services.notify.storage.notifications import Lapse
from shared.schemas.envelope import Payload
from shared.schemas.events import (
    ApprovalChanged,
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalWithdrawn,
    CaseAssigned,
    CaseLifeCycle,
    CaseState,
    CaseStatusChanged,
    TaskAssigned,
    TaskLifeCycle,
    TaskState,
    TaskStatusChanged,
)

_ENDED_TASKS = (TaskLifeCycle.COMPLETED, TaskLifeCycle.CANCELLED)
_ENDED_CASES = (CaseLifeCycle.COMPLETED, CaseLifeCycle.CANCELLED)


def lapse_of(data: Payload, planned: int) -> tuple[Lapse, int] | None:
    """What this event settles, with the number of messages that were planned before it; None: nothing."""
    if isinstance(data, TaskStatusChanged | TaskAssigned):
        task: TaskState = data
        has_ended = task.state in _ENDED_TASKS
        if has_ended or isinstance(data, TaskAssigned):
            return Lapse(task.task_id, task.assignee or "", has_ended), planned
    if isinstance(data, CaseStatusChanged | CaseAssigned):
        case: CaseState = data
        has_ended = case.state in _ENDED_CASES
        if has_ended or isinstance(data, CaseAssigned):
            return Lapse(case.case_id, case.owner or "", has_ended), planned
    if isinstance(data, ApprovalDecided | ApprovalWithdrawn | ApprovalDelegated):
        approval: ApprovalChanged = data
        has_ended = not isinstance(data, ApprovalDelegated)
        return Lapse(approval.task_id or approval.case_id, approval.approver, has_ended, str(approval.approval_id)), planned
    return None


def lapses(found: Iterable[tuple[Lapse, int]], planned: list[Delivery]) -> list[Lapse]:
    """The last lapse of each item and approval, which keeps what was planned about the item after it."""
    last: dict[tuple[UUID, str], tuple[Lapse, int]] = {(one[0].item_id, one[0].approval): one for one in found}
    return [
        lapse._replace(keep=tuple(each.id for each in planned[since:] if each.occasion.item_id == lapse.item_id))
        for lapse, since in last.values()
    ]
