"""Events of leads: they are kept as cases are, so that tasks can be scheduled for them; none is planned (LEAD-2)."""

from __future__ import annotations

from services.task.domain import lifecycle
from services.task.domain.case import LEAD, Case, Customer
from services.task.domain.ownership import SYSTEM
from services.task.handlers.work import Cause, Work
from shared.schemas.envelope import Event
from shared.schemas.events import LeadLifeCycle, LeadState, TaskStatusChanged

REASONS = {LeadLifeCycle.LOST: "lead-lost", LeadLifeCycle.CANCELLED: "lead-cancelled"}
"""Why tasks are cancelled with their lead."""


def takes_tasks_along(data: LeadState) -> bool:
    """Whether the open tasks of a lead as it is now are cancelled."""
    return data.state in REASONS


def on_lead(work: Work, event: Event) -> None:
    """Keep the lead as it is now. One that is lost or cancelled takes its open tasks with it."""
    data: LeadState = event.data
    case = work.cases.get(data.lead_id)
    if case is not None and event.revision <= case.revision:
        return
    customer = Customer(data.customer.contact_id, data.customer.account_id, data.customer.name, data.customer.email)
    if case is None:
        case = Case(
            data.lead_id,
            event.revision,
            data.number,
            data.title,
            data.lead_type,
            data.unit,
            data.owner,
            data.state.value,
            customer,
            event.config_version,
            kind=LEAD,
        )
    else:
        case.revision, case.title, case.unit, case.owner = event.revision, data.title, data.unit, data.owner
        case.state, case.customer = data.state.value, customer
    work.touch_case(case)
    if takes_tasks_along(data):
        _cancel_tasks(work, case, REASONS[data.state], event)


def _cancel_tasks(work: Work, case: Case, reason: str, event: Event) -> None:
    cause = Cause(event.id, min(event.time, work.now), "system", event.traceparent)
    statuses = work.compiled(case.config_version).statuses
    for task in sorted(work.tasks_of(case.id), key=lambda task: task.id):
        if not task.state.is_open:
            continue
        before = task.state
        task.standing = lifecycle.cancel(task.standing, SYSTEM, cause.at, statuses, reason)
        changes: dict[str, tuple[object, object]] = {"state": (before.value, task.state.value)}
        work.record(TaskStatusChanged, task, cause, changes, before.value)
