"""A product that is replaced under warranty: the task for it, planned once (CASE-14)."""

from __future__ import annotations

from services.task.domain.lifecycle import Standing, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers.cases import cause_of
from services.task.handlers.work import Work
from shared.calendars import due
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, ReplacementApproved, TaskTriggered


def on_replacement_approved(work: Work, event: Event) -> None:
    """Plan the task of the definition that the event names, unless it is there already."""
    data: ReplacementApproved = event.data
    case = work.cases.get(data.case_id)
    if case is None:
        raise Refused(f"case {data.case_id} is not known here")
    if data.task_id in work.tasks:
        return
    if case.state == CaseLifeCycle.CANCELLED.value:
        raise Refused(f"case {case.number} is cancelled")
    compiled = work.compiled(event.config_version)
    definition = compiled.definitions.get(data.definition)
    if definition is None:
        raise Refused(f"the configuration has no task definition {data.definition}")
    cause = cause_of(work, event)._replace(by=data.approved_by)
    owner = definition.owner or Owner(OwnerKind.UNIT, case.unit)
    serial = f", serial number {data.serial_number}" if data.serial_number else ""
    about = f"{data.product_name}{serial}: under warranty until {data.warranty_until}."
    # A definition occurs once in a plan; a task beside it must not be taken for the planned one.
    workflow = work.compiled(case.config_version).workflows.get(case.subject)
    is_planned = workflow is not None and data.definition in workflow.by_code
    task = Task(
        id=data.task_id,
        case_id=case.id,
        definition=None if is_planned else data.definition,
        config_version=event.config_version or case.config_version,
        revision=0,
        subject_line=definition.subject_line,
        description=f"{about}\n\n{definition.description}".strip(),
        standing=Standing(TaskState.PENDING, compiled.statuses.default_of(TaskState.PENDING), owner, owner.assignee),
        unit=definition.unit or case.unit,
        priority=definition.priority,
        customer=None,
        planned_at=cause.at,
        triggered_at=cause.at,
        due_at=due(definition.within, cause.at, compiled.calendars[definition.calendar]),
    )
    work.add_tasks((task,))
    work.record(TaskTriggered, task, cause, {})
