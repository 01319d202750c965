"""The data of our events, made from our own records.

It is put together without validation: the records were validated when they came in, and this is the busiest path there is.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from services.task.domain import lifecycle
from services.task.domain.case import Case, Customer
from services.task.domain.ownership import Owner
from services.task.domain.task import Task
from services.task.handlers.compile import Compiled
from shared.schemas.events import PlanMade, TaskLifeCycle, TaskState
from shared.schemas.parts import CustomerRef, OwnerRef

WITHOUT_CASE = "none"
"""Stands for the subject of a task that belongs to no case: its `case_id` is then its own id, and its case number empty, or both are those
of its lead."""

P = TypeVar("P", bound=BaseModel)
_STATES = {state: TaskLifeCycle(state.value) for state in lifecycle.TaskState}
_setattr = object.__setattr__


@cache
def _fields_of(model: type[BaseModel]) -> set[str]:
    # Events are frozen: nobody adds to what was set, and all of a type can share it.
    return set(model.model_fields)


def unvalidated(model: type[P], values: dict[str, Any]) -> P:
    """The model with these values, one for each of its fields. As `model_construct`, without its search for defaults."""
    made = model.__new__(model)
    _setattr(made, "__dict__", values)
    _setattr(made, "__pydantic_fields_set__", _fields_of(model))
    _setattr(made, "__pydantic_extra__", None)
    _setattr(made, "__pydantic_private__", None)
    return made


def task_payload(event: type[TaskState], task: Task, case: Case | None, compiled: Compiled, state_before: str | None = None) -> TaskState:
    """The state of a task, as the data of `event`."""
    standing = task.standing
    definition = compiled.definitions.get(task.definition) if task.definition is not None else None
    customer = task.customer if case is None else case.customer
    return unvalidated(
        event,
        {
            "task_id": task.id,
            "case_id": task.case_id or task.id,
            "case_number": case.number if case else "",
            "case_title": case.title if case else "",
            "lead_id": case.id if case and case.is_lead else None,
            "subject": WITHOUT_CASE if case is None or case.is_lead else case.subject,
            "definition": task.definition,
            "subject_line": task.subject_line,
            "description": task.description or (definition.description if definition else ""),
            "message": definition.messages.get(task.stage, "") if definition else "",
            "state": _STATES[standing.state],
            "state_before": None if state_before is None else TaskLifeCycle(state_before),
            "owner": _owner_ref(standing.owner),
            "assignee": standing.assignee,
            "unit": task.unit,
            "priority": task.priority,
            "customer": customer_ref(customer or _NOBODY),
            "planned_at": task.planned_at,
            "starts_at": task.starts_at if standing.state is lifecycle.TaskState.PLANNED else None,
            "triggered_at": task.triggered_at,
            "due_at": task.due_at,
            "completed_at": task.completed_at,
            "reason": standing.cancellation_reason or "",
            "changed_by": task.changed_by,
            "note_id": task.note_id,
            "start_by": task.start_by,
            "in_progress_at": standing.in_progress_at,
        },
    )


def held_by(payload: TaskState, task: Task, why: str) -> TaskState:
    """The payload, with whom the task is for and who has it by now, and why."""
    values = {**vars(payload), "owner": _owner_ref(task.owner), "assignee": task.assignee, "reason": why}
    return unvalidated(type(payload), values)


Shown = dict[str, Any]


def shown_of(case: Case) -> Shown:
    """What events of a case's tasks show of the case, by field."""
    return {
        "case_id": case.id,
        "case_number": case.number,
        "case_title": case.title,
        "subject": case.subject,
        "customer": customer_ref(case.customer),
    }


_OF_CASE = {"task_id", "case_id", "case_number", "case_title", "subject", "customer"}


def alike(pattern: TaskState) -> Shown:
    """The fields that `of_case` leaves as they are."""
    return {name: value for name, value in vars(pattern).items() if name not in _OF_CASE}


def of_case(pattern: TaskState, task_id: UUID, shown: Shown) -> TaskState:
    """What `pattern` says of a task, said of the same task of another case, which is `shown_of` that."""
    return unvalidated(type(pattern), {**vars(pattern), "task_id": task_id, **shown})


def plan_payload(case_id: UUID, subject: str, task_ids: tuple[UUID, ...]) -> PlanMade:
    """The data of the event that a case is planned."""
    return unvalidated(PlanMade, {"case_id": case_id, "subject": subject, "task_ids": task_ids})


_NOBODY = Customer()


@lru_cache(maxsize=4096)
def _owner_ref(owner: Owner) -> OwnerRef:
    return OwnerRef(kind=owner.kind.value, code=owner.code)


def customer_ref(customer: Customer) -> CustomerRef:
    """The customer as events show one."""
    return unvalidated(CustomerRef, {**customer._asdict(), "phone": ""})
