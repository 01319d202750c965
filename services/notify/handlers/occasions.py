"""What an event means to notify: the occasion it is, with the facts that tags are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from services.notify.domain.occasions import Occasion
from shared.ids import derive
from shared.schemas.configuration.tags import WROTE
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    ApprovalAsked,
    ApprovalChanged,
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalReminded,
    CaseAcceptanceAsked,
    CaseAssigned,
    CaseBroadcast,
    CaseChased,
    CaseOpened,
    CaseState,
    CaseStatusChanged,
    ClockDueSoon,
    ClockEscalated,
    ClockOverdue,
    ClockStartLate,
    ClockState,
    ClockWithdrawn,
    CommunicationRecorded,
    Concerned,
    TaskAssigned,
    TaskDueChanged,
    TaskLifeCycle,
    TaskState,
    TaskStatusChanged,
    TaskTriggered,
)

LONGEST_FACT = 4000
"""A longer text is for the desk, not for a message."""


def case_occasion(on: str, event: Event, config_version: int) -> Occasion:
    """Something happened to a case."""
    case: CaseState = event.data
    customer, unit = case.customer, case.unit
    assignee = case.owner or ""
    owner_kind, owner = ("user", assignee) if assignee else ("unit", unit)
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
            "unit": unit,
            "method": case.method,
            "assignee": assignee,
            "owner_kind": owner_kind,
            "owner": owner,
            "customer": customer.name,
            "customer_email": customer.email,
            "due_at": case.expected_completion_at or "",
            "opened_at": case.opened_at,
            "changed_by": case.changed_by,
            "at": event.time,
        },
        assignee=assignee,
        owner_kind=owner_kind,
        owner_code=owner,
        unit=unit,
        customer_email=customer.email,
        customer_name=customer.name,
        config_version=config_version,
        traceparent=event.traceparent,
        at=event.time,
    )


def broadcast_occasion(on: str, event: Event, config_version: int) -> Occasion:
    """The customer of a case is to be told something (EDGE-15)."""
    about = case_occasion(on, event, config_version)
    return about._replace(facts={**about.facts, "message": event.data.text})


def wrote_occasion(event: Event, concerned: Concerned, config_version: int) -> Occasion:
    """A customer wrote about a case or lead of somebody's. For staff: the customer knows."""
    data: CommunicationRecorded = event.data
    customer, unit, kind = data.customer, concerned.unit, concerned.item_kind.value
    assignee = concerned.owner or ""
    owner_kind, owner = ("user", assignee) if assignee else ("unit", unit)
    return Occasion(
        on=wrote(concerned),
        cause=derive(f"wrote about {concerned.item_id}", event.id),
        item_kind=kind,
        item_id=concerned.item_id,
        case_id=concerned.item_id if kind == "case" else None,
        facts={
            "item": kind,
            "number": concerned.number,
            "title": concerned.title,
            "subject": concerned.subject,
            "status": concerned.status,
            "priority": concerned.priority,
            "unit": unit,
            "assignee": assignee,
            "owner_kind": owner_kind,
            "owner": owner,
            "customer": customer.name,
            "customer_email": customer.email,
        },
        assignee=assignee,
        owner_kind=owner_kind,
        owner_code=owner,
        unit=unit,
        config_version=config_version,
        traceparent=event.traceparent,
        at=event.time,
    )


def wrote(concerned: Concerned) -> str:
    """What definitions call it that a customer wrote about this."""
    return f"{concerned.item_kind.value}.{WROTE}"


def task_occasion(on: str, event: Event, config_version: int) -> Occasion:
    """Something happened to a task."""
    task: TaskState = event.data
    customer, owner, unit = task.customer, task.owner, task.unit
    assignee = task.assignee or ""
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
            "unit": unit,
            "assignee": assignee,
            "owner_kind": owner.kind,
            "owner": owner.code,
            "customer": customer.name,
            "customer_email": customer.email,
            "due_at": task.due_at or "",
            "changed_by": task.changed_by,
            "reason": task.reason,
        },
        assignee=assignee,
        owner_kind=owner.kind,
        owner_code=owner.code,
        unit=unit,
        customer_email=customer.email,
        customer_name=customer.name,
        config_version=config_version,
        traceparent=event.traceparent,
        at=event.time,
    )


_ALERTS = {"due-soon": "due soon", "start-late": "not begun"}


def clock_occasion(on: str, event: Event, config_version: int) -> Occasion:
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
            "alert": _ALERTS.get(clock.rung, clock.rung),
            "priority": clock.priority,
            "unit": clock.unit,
            "assignee": clock.assignee or "",
            "owner_kind": owner_kind,
            "owner": owner,
            "due_at": clock.due_at,
        },
        assignee=clock.assignee or "",
        owner_kind=owner_kind,
        owner_code=owner,
        unit=clock.unit,
        config_version=config_version,
        traceparent=event.traceparent,
        at=event.time,
    )


def escalated_occasion(on: str, event: Event, config_version: int) -> Occasion:
    """A step of the escalation chain, which says itself whom it tells (EDGE-9)."""
    data: ClockEscalated = event.data
    return clock_occasion(on, event, config_version)._replace(tell=data.tell)


def approval_occasion(on: str, event: Event, config_version: int) -> Occasion:
    """Somebody is asked to approve something, or has decided. For staff: the customer is not in it."""
    approval: ApprovalChanged = event.data
    item = "task" if approval.task_id else "case"
    return Occasion(
        on=on,
        cause=event.id,
        item_kind=item,
        item_id=approval.task_id or approval.case_id,
        case_id=approval.case_id,
        facts={
            "item": item,
            "at": event.time,
            "approval_id": str(approval.approval_id),
            "number": approval.case_number,
            "title": approval.case_title,
            "task": approval.subject_line,
            "approval": approval.what,
            "approver": approval.approver,
            "asked_by": approval.asked_by,
            "asked_since": approval.held_since,
            "status": approval.state.value,
            "reason": (approval.comment or approval.note)[:LONGEST_FACT],
            "unit": approval.unit or "",
            "changed_by": approval.changed_by,
        },
        unit=approval.unit or "",
        config_version=config_version,
        traceparent=event.traceparent,
        at=event.time,
    )


Names = tuple[str, ...]


class Reading(NamedTuple):
    """How an event is read, in two steps, because most occasions are none that anybody is told of.

    `names`: its data -> the names of the occasions that it is. `read`: one of those, the event and the version of the configuration to
    tell it by -> the occasion.
    """

    names: Callable[[Any], Names]
    read: Callable[[str, Event, int], Occasion]


def _always(name: str) -> Callable[[Any], Names]:
    return lambda _data: (name,)


def _of_case(name: str) -> Callable[[CaseState], Names]:
    """The change itself; and that it moved the date by which the case is to be completed, where it did (SLA-2)."""
    return lambda case: (name,) if case.completion_was_expected_at is None else (name, "case.due-changed")


def _completion(task: TaskState) -> Names:
    """Of a task's changes of state, its completion is one to tell."""
    return ("task.completed",) if task.state is TaskLifeCycle.COMPLETED else ()


OVERDUE_AGAIN = "clock.overdue-again"
"""An overdue that is repeated. No definition is for it by this name: `definitions.policy_of` says which are."""


def _alert(name: str) -> Callable[[ClockState], Names]:
    """That of an item that this release knows; of another it could not say what it is."""
    return lambda clock: (name,) if clock.item_kind.is_known else ()


def _overdue(clock: ClockState) -> Names:
    return _alert(OVERDUE_AGAIN if clock.repetition else "clock.overdue")(clock)


Readings = Mapping[type[Payload], Reading]

CASES: Readings = {
    CaseOpened: Reading(_always("case.opened"), case_occasion),
    CaseAssigned: Reading(_always("case.assigned"), case_occasion),
    CaseStatusChanged: Reading(_of_case("case.status-changed"), case_occasion),
    CaseAcceptanceAsked: Reading(_of_case("case.acceptance-asked"), case_occasion),
    CaseChased: Reading(_always("case.chased"), case_occasion),
    CaseBroadcast: Reading(_always("case.broadcast"), broadcast_occasion),
}
TASKS: Readings = {
    TaskTriggered: Reading(_always("task.triggered"), task_occasion),
    TaskAssigned: Reading(_always("task.assigned"), task_occasion),
    TaskDueChanged: Reading(_always("task.due-changed"), task_occasion),
    TaskStatusChanged: Reading(_completion, task_occasion),
    ApprovalAsked: Reading(_always("approval.asked"), approval_occasion),
    ApprovalDelegated: Reading(_always("approval.asked"), approval_occasion),
    ApprovalReminded: Reading(_always("approval.reminded"), approval_occasion),
    ApprovalDecided: Reading(_always("approval.decided"), approval_occasion),
}
CLOCKS: Readings = {
    ClockDueSoon: Reading(_alert("clock.due-soon"), clock_occasion),
    ClockOverdue: Reading(_overdue, clock_occasion),
    ClockEscalated: Reading(_alert("clock.escalated"), escalated_occasion),
    ClockWithdrawn: Reading(_alert("clock.withdrawn"), clock_occasion),
    ClockStartLate: Reading(_alert("clock.start-late"), clock_occasion),
}
"""For each topic: which events are occasions, and how they are read."""
