"""Tasks as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from services.task.domain.caller import Caller
from services.task.domain.case import Case, Customer
from services.task.domain.critical_path import Forecast
from services.task.domain.plan import Plan
from services.task.domain.task import Task
from services.task.domain.workflow import Dependency
from services.task.handlers.compile import Compiled
from shared.schemas.events import TaskLifeCycle
from shared.schemas.parts import CustomerRef, OwnerRef
from shared.web import Principal


class TaskView(BaseModel):
    """A task. `overdue`: open, and its due time is past. `message` is what its definition tells the user at this stage."""

    id: UUID
    revision: int
    case_id: UUID | None
    lead_id: UUID | None
    """The lead that it was scheduled for: number and title are then the lead's, and it has no case."""
    case_number: str
    case_title: str
    subject: str | None
    definition: str | None
    subject_line: str
    description: str
    state: TaskLifeCycle
    status: str
    owner: OwnerRef
    assignee: str | None
    unit: str
    priority: str
    customer: CustomerRef
    planned_at: datetime
    starts_at: datetime | None
    start_by: datetime | None
    triggered_at: datetime | None
    in_progress_at: datetime | None
    due_at: datetime | None
    completed_at: datetime | None
    overdue: bool
    reason: str
    changed_by: str
    config_version: int
    note_id: UUID | None
    message: str


class ReassignedItem(BaseModel):
    """What became of one task. `why`: of one that was refused or not found, or that whoever stands in has meanwhile."""

    id: UUID
    outcome: Literal["reassigned", "unchanged", "refused", "not_found"]
    why: str


class Reassigned(BaseModel):
    """What became of each task; `next`, if the filter finds more than one command takes, goes into `after`."""

    items: list[ReassignedItem]
    next: UUID | None


class TaskDetail(TaskView):
    """A task as it is opened, with the definition's instructions and its messages by stage."""

    instructions: str
    messages: dict[Literal["contact", "pending", "complete"], str]


class TaskPage(BaseModel):
    """One page of tasks; `next` goes into `cursor`."""

    items: list[TaskView]
    next: str | None


class TaskCounts(BaseModel):
    """Open tasks. `due_today`: not overdue, and due before midnight. `available`: those that nobody has yet."""

    open: int
    overdue: int
    due_today: int
    available: int
    by_priority: dict[str, int]


def caller_of(principal: Principal) -> Caller:
    """The caller as tasks know one."""
    may_assign = principal.may("task:assign")
    return Caller(principal.user, frozenset(principal.roles), principal.unit, principal.scope, may_assign)


def task_view(task: Task, case: Case | None, compiled: Compiled, now: datetime) -> dict[str, Any]:
    """The members of a `TaskView`."""
    standing = task.standing
    definition = compiled.definitions.get(task.definition) if task.definition is not None else None
    return {
        "id": task.id,
        "revision": task.revision,
        "case_id": None if case and case.is_lead else task.case_id,
        "lead_id": case.id if case and case.is_lead else None,
        "case_number": case.number if case else "",
        "case_title": case.title if case else "",
        "subject": None if case is None or case.is_lead else case.subject,
        "definition": task.definition,
        "subject_line": task.subject_line,
        "description": task.description or (definition.description if definition else ""),
        "state": standing.state.value,
        "status": standing.status,
        "owner": {"kind": standing.owner.kind.value, "code": standing.owner.code},
        "assignee": standing.assignee,
        "unit": task.unit,
        "priority": task.priority,
        "customer": _customer(case.customer if case else task.customer or Customer()),
        "planned_at": task.planned_at,
        "starts_at": task.starts_at,
        "start_by": task.start_by,
        "triggered_at": task.triggered_at,
        "in_progress_at": standing.in_progress_at,
        "due_at": task.due_at,
        "completed_at": task.completed_at,
        "overdue": standing.state.is_open and task.due_at is not None and task.due_at < now,
        "reason": standing.cancellation_reason or "",
        "changed_by": task.changed_by,
        "config_version": task.config_version,
        "note_id": task.note_id,
        "message": definition.messages.get(task.stage, "") if definition else "",
    }


def task_detail(task: Task, case: Case | None, compiled: Compiled, now: datetime) -> dict[str, Any]:
    """The members of a `TaskDetail`."""
    definition = compiled.definitions.get(task.definition) if task.definition is not None else None
    return task_view(task, case, compiled, now) | {
        "instructions": definition.instructions if definition else "",
        "messages": dict(definition.messages) if definition else {},
    }


def plan_view(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """A case's plan, with what finishes when and the chain of tasks that decides the end."""
    return {
        "case_id": plan.case_id,
        "finishes_at": forecast.finishes_at,
        "critical_path": list(forecast.chain),
        "tasks": [
            {
                "task_id": plan.task_id(code),
                "definition": code,
                "state": planned.state.value,
                "waits_for": _afters(plan.workflow.holding_start.get(code, ())),
                "finishes_after": _afters(plan.workflow.holding_finish.get(code, ())),
                "start_by": planned.start_by,
                "starts_at": forecast.tasks[code].starts_at,
                "finishes_at": forecast.tasks[code].finishes_at,
                "slack_seconds": int(forecast.tasks[code].slack.total_seconds()),
                "critical": forecast.tasks[code].is_critical,
            }
            for code, planned in plan.tasks.items()
        ],
    }


def _afters(links: Iterable[Dependency]) -> list[str]:
    return list(dict.fromkeys(link.after for link in links))


def _customer(customer: Customer) -> dict[str, Any]:
    return {
        "contact_id": customer.contact_id,
        "account_id": customer.account_id,
        "name": customer.name,
        "email": customer.email,
    }
