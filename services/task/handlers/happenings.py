"""What automation rules see of an event: its name, its facts, and the item that it is about."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final
from uuid import UUID

from services.task.domain.automation.rules import Facts
from services.task.domain.case import Case
from services.task.handlers.payloads import customer_ref
from shared.conditions import LookedUp
from shared.schemas.configuration.automation import facts_on
from shared.schemas.envelope import Payload
from shared.schemas.events import (
    CaseAcceptanceAsked,
    CaseAmended,
    CaseAssigned,
    CaseOpened,
    CasePriorityChanged,
    CaseState,
    CaseStatusChanged,
    ClockDueSoon,
    ClockEscalated,
    ClockOverdue,
    ClockStartLate,
    ClockState,
    LeadLifeCycle,
    LeadOpened,
    LeadState,
    LeadStatusChanged,
    RuleItem,
    TaskAssigned,
    TaskDueChanged,
    TaskLifeCycle,
    TaskState,
    TaskStatusChanged,
    TaskTriggered,
)
from shared.schemas.parts import OwnerRef

Names = tuple[str, ...]


def _is(*names: str) -> Callable[[Any], Names]:
    return lambda _data: names


def _task_moved(data: TaskStatusChanged) -> Names:
    is_done = data.state is TaskLifeCycle.COMPLETED
    return ("task.status-changed", "task.completed") if is_done else ("task.status-changed",)


def _lead_moved(data: LeadStatusChanged) -> Names:
    if data.state is LeadLifeCycle.WON:
        return ("lead.won",)
    return ("lead.lost",) if data.state is LeadLifeCycle.LOST else ()


def _alert(name: str) -> Callable[[ClockState], Names]:
    """That of an item that this release knows; of another a rule could do nothing."""
    return lambda data: (name,) if data.item_kind.is_known else ()


def _overdue(data: ClockOverdue) -> Names:
    return _alert("clock.escalated" if data.repetition else "clock.overdue")(data)


HAPPENINGS: Final[dict[type[Payload], Callable[[Any], Names]]] = {
    CaseOpened: _is("case.opened"),
    CaseStatusChanged: _is("case.status-changed"),
    CaseAcceptanceAsked: _is("case.acceptance-asked"),
    CaseAssigned: _is("case.assigned"),
    CasePriorityChanged: _is("case.priority-changed"),
    CaseAmended: _is("case.amended"),
    TaskTriggered: _is("task.triggered"),
    TaskStatusChanged: _task_moved,
    TaskAssigned: _is("task.assigned"),
    TaskDueChanged: _is("task.due-changed"),
    ClockDueSoon: _alert("clock.due-soon"),
    ClockOverdue: _overdue,
    ClockEscalated: _alert("clock.escalated"),
    ClockStartLate: _alert("clock.start-late"),
    LeadOpened: _is("lead.opened"),
    LeadStatusChanged: _lead_moved,
}
"""What each type of event is to rules, by its data; types that are not listed are nothing to them."""

Told = CaseState | TaskState | ClockState | LeadState


@cache
def _paths_on(happening: str) -> dict[str, list[str]]:
    return {name: fact.path.split(".") for name, fact in facts_on(happening).items()}


def facts_of(on: str, data: Payload) -> Facts:
    """What conditions on this event can ask for."""
    return LookedUp(data, _paths_on(on))


def item_id(data: Told) -> UUID:
    """The case or lead, whichever it is; a task or communication without one stands for itself."""
    match data:
        case LeadState():
            return data.lead_id
        case ClockState():
            return data.case_id or data.item_id
        case _:
            return data.case_id


def task_of(data: Told) -> UUID | None:
    """The task that it is about."""
    match data:
        case TaskState():
            return data.task_id
        case ClockState() if data.item_kind == "task":
            return data.item_id
        case _:
            return None


def item_of(data: Told, case: Case | None) -> RuleItem:
    """The item that a rule fires for. `case`: as far as it is known here."""
    match data:
        case CaseState():
            return RuleItem(
                kind="case",
                id=data.case_id,
                number=data.number,
                title=data.title,
                subject=data.subject,
                status=data.status,
                priority=data.priority,
                unit=data.unit,
                method=data.method,
                owner=_owner(data.owner, data.unit),
                assignee=data.owner,
                customer=data.customer,
                conversation_id=data.conversation_id,
                due_at=data.expected_completion_at,
            )
        case LeadState():
            return RuleItem(
                kind="lead",
                id=data.lead_id,
                number=data.number,
                title=data.title,
                subject=data.lead_type,
                status=data.status,
                priority=str(data.priority),
                unit=data.unit,
                owner=_owner(data.owner, data.unit),
                assignee=data.owner,
                customer=data.customer,
                due_at=data.expected_completion_at,
            )
        case TaskState():
            return RuleItem(
                kind="task",
                id=data.task_id,
                number=data.case_number,
                title=data.case_title,
                subject=data.subject,
                task=data.subject_line,
                status=data.state.value.replace("_", " "),
                priority=data.priority,
                unit=data.unit,
                owner=data.owner,
                assignee=data.assignee,
                customer=data.customer,
                due_at=data.due_at,
            )
        case ClockState():
            return RuleItem(
                kind=data.item_kind.value,
                id=data.item_id,
                number=data.number,
                title=data.title,
                subject=data.subject,
                task=data.title if data.item_kind == "task" else "",
                priority=data.priority,
                unit=data.unit,
                method=data.method,
                owner=data.owner,
                assignee=data.assignee,
                customer=customer_ref(case.customer) if case else None,
                due_at=data.due_at,
            )


def _owner(user: str | None, unit: str) -> OwnerRef:
    return OwnerRef(kind="user", code=user) if user else OwnerRef(kind="unit", code=unit)
