"""What an event means to notify: the occasion it is, with the facts that tags are made from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from services.notify.domain.occasions import Occasion
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    CaseAssigned,
    CaseOpened,
    CaseState,
    CaseStatusChanged,
    ClockDueSoon,
    ClockOverdue,
    ClockState,
    TaskAssigned,
    TaskDueChanged,
    TaskLifeCycle,
    TaskState,
    TaskStatusChanged,
    TaskTriggered,
)

LONGEST_FACT = 4000
"""A longer text is for the desk, not for a message."""


def case_occasion(on: str, event: Event) -> Occasion:
    """Something happened to a case."""
    case: CaseState = event.data
    customer = case.customer
    return Occasion(
        on=on,
        cause=event.id,
        item_kind="case",
        item_id=case.case_id,
        case_id=case.case_id,
        conversation_id=case.conversation_id,
        facts={
            "item": "case",
            "number": case.number,
            "title": case.title,
            "subject": case.subject,
            "status": case.status,
            "priority": case.priority,
            "unit": case.unit,
            "method": case.method,
            "assignee": case.owner or "",
            "owner_kind": "user" if case.owner else "unit",
            "owner": case.owner or case.unit,
            "customer": customer.name,
            "customer_email": customer.email,
            "due_at": _iso(case.expected_completion_at),
            "opened_at": _iso(case.opened_at),
            "changed_by": case.changed_by,
        },
        assignee=case.owner or "",
        owner_kind="user" if case.owner else "unit",
        owner_code=case.owner or case.unit,
        unit=case.unit,
        customer_email=customer.email,
        customer_name=customer.name,
        config_version=event.config_version,
        traceparent=event.traceparent,
    )


def task_occasion(on: str, event: Event) -> Occasion:
    """Something happened to a task."""
    task: TaskState = event.data
    customer = task.customer
    return Occasion(
        on=on,
        cause=event.id,
        item_kind="task",
        item_id=task.task_id,
        case_id=task.case_id,
        facts={
            "item": "task",
            "number": task.case_number,
            "title": task.case_title,
            "subject": task.subject,
            "task": task.subject_line,
            "description": task.description[:LONGEST_FACT],
            "message": task.message[:LONGEST_FACT],
            "status": task.state.replace("_", " "),
            "priority": task.priority,
            "unit": task.unit,
            "assignee": task.assignee or "",
            "owner_kind": task.owner.kind,
            "owner": task.owner.code,
            "customer": customer.name,
            "customer_email": customer.email,
            "due_at": _iso(task.due_at),
            "changed_by": task.changed_by,
            "reason": task.reason,
        },
        assignee=task.assignee or "",
        owner_kind=task.owner.kind,
        owner_code=task.owner.code,
        unit=task.unit,
        customer_email=customer.email,
        customer_name=customer.name,
        config_version=event.config_version,
        traceparent=event.traceparent,
    )


def clock_occasion(on: str, event: Event) -> Occasion:
    """A clock alerts. The customer is not in it: alerts are for staff."""
    clock: ClockState = event.data
    owner_kind, owner = (clock.owner.kind, clock.owner.code) if clock.owner else ("unit", clock.unit)
    return Occasion(
        on=on,
        cause=event.id,
        item_kind=clock.item_kind.value,
        item_id=clock.item_id,
        case_id=clock.case_id,
        facts={
            "item": clock.item_kind.value,
            "number": clock.number,
            "title": clock.title,
            "task": clock.title if clock.item_kind == "task" else "",
            "subject": clock.subject,
            "clock": clock.kind.value,
            "priority": clock.priority,
            "unit": clock.unit,
            "assignee": clock.assignee or "",
            "owner_kind": owner_kind,
            "owner": owner,
            "due_at": _iso(clock.due_at),
        },
        assignee=clock.assignee or "",
        owner_kind=owner_kind,
        owner_code=owner,
        unit=clock.unit,
        config_version=event.config_version,
        traceparent=event.traceparent,
    )


def completed_task(event: Event) -> Occasion | None:
    """Of a task's changes of state, its completion is one to tell."""
    return task_occasion("task.completed", event) if event.data.state is TaskLifeCycle.COMPLETED else None


def overdue(event: Event) -> Occasion:
    """Overdue; told again, it is escalated (SLA-2)."""
    return clock_occasion("clock.escalated" if event.data.repetition else "clock.overdue", event)


Reading = Callable[[Event], Occasion | None]

CASES: dict[type[Payload], Reading] = {
    CaseOpened: partial(case_occasion, "case.opened"),
    CaseAssigned: partial(case_occasion, "case.assigned"),
    CaseStatusChanged: partial(case_occasion, "case.status-changed"),
}
TASKS: dict[type[Payload], Reading] = {
    TaskTriggered: partial(task_occasion, "task.triggered"),
    TaskAssigned: partial(task_occasion, "task.assigned"),
    TaskDueChanged: partial(task_occasion, "task.due-changed"),
    TaskStatusChanged: completed_task,
}
CLOCKS: dict[type[Payload], Reading] = {
    ClockDueSoon: partial(clock_occasion, "clock.due-soon"),
    ClockOverdue: overdue,
}
"""For each topic: which events are occasions, and how they are read."""


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""
