"""Events of cases: a case that opens gets its workflow's tasks; what becomes of the case, its tasks follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from services.task.domain import lifecycle
from services.task.domain.case import Case, Customer
from services.task.domain.ownership import SYSTEM, Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers import payloads
from services.task.handlers.beginnings import beginnings
from services.task.handlers.compile import Compiled
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import repository
from shared.clock import Clock
from shared.ids import CaseId, task_id
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseAssigned,
    CaseLifeCycle,
    CaseState,
    TaskAssigned,
    TaskStatusChanged,
)
from shared.storage import Transaction

CASE_CANCELLED = "case-cancelled"
"""The reason of tasks that were cancelled with their case."""


def load_cases(compiled: CompiledOf, clock: Clock) -> Callable[[Transaction, Sequence[Event]], Work]:
    """Loads the cases of a batch of events, and the tasks of those whose tasks may follow."""

    def load(tx: Transaction, events: Sequence[Event]) -> Work:
        work = Work(compiled, clock())
        work.cases = repository.lock_cases(tx, {event.data.case_id for event in events})
        followed = {event.data.case_id for event in events if _tasks_may_follow(event.data)} & work.cases.keys()
        if followed:
            work.add_tasks(repository.tasks_of_cases(tx, followed).values())
        return work

    return load


def _tasks_may_follow(data: CaseState) -> bool:
    return isinstance(data, CaseAssigned) or data.state is CaseLifeCycle.CANCELLED


def save(tx: Transaction, work: Work) -> None:
    """Write and emit."""
    work.save(tx)


def on_case_opened(work: Work, event: Event) -> None:
    """Plan the subject's workflow: what waits for nothing starts at once (TASK-2).

    Also for a case that is told of again (`CaseRepublished`) and was never planned here.
    """
    known = work.cases.get(event.data.case_id)
    if known is not None and known.planned_at is not None:
        _refreshed(work, event)
        return
    _require_plannable(work.compiled(event.config_version), event.data.subject)
    # An opening that comes after newer events of its case (it was a dead letter, and is replayed) plans the case as it is now.
    case = _refreshed(work, event)
    case.subject, case.config_version = event.data.subject, event.config_version
    if not case.is_closed:
        _plan(work, case, _cause(work, event))


def on_case_status_changed(work: Work, event: Event) -> None:
    """A cancelled case takes its open tasks with it."""
    if _is_old(work, event):
        return
    case = _refreshed(work, event)
    if case.state != CaseLifeCycle.CANCELLED.value:
        return
    cause = _cause(work, event)
    statuses = work.compiled(case.config_version).statuses
    for task in sorted(work.tasks_of(case.id), key=lambda task: task.id):
        if not task.state.is_open:
            continue
        before = task.state
        task.standing = lifecycle.cancel(task.standing, SYSTEM, cause.at, statuses, CASE_CANCELLED)
        task.starts_at = None
        changes: dict[str, tuple[object, object]] = {"state": (before.value, task.state.value)}
        work.record(TaskStatusChanged, task, cause, changes, before.value)


def on_case_assigned(work: Work, event: Event) -> None:
    """Tasks that are for the case's unit, and that nobody has yet, move with the case to its new unit."""
    if _is_old(work, event):
        return
    before = work.cases.get(event.data.case_id)
    unit_before = before.unit if before else None
    case = _refreshed(work, event)
    if unit_before is None or unit_before == case.unit:
        return
    compiled = work.compiled(case.config_version)
    cause = _cause(work, event)
    for task in sorted(work.tasks_of(case.id), key=lambda task: task.id):
        definition = compiled.definitions.get(task.definition or "")
        follows = definition is not None and definition.unit is None and task.unit == unit_before
        if not follows or not task.state.is_open:
            continue
        changes: dict[str, tuple[object, object]] = {"unit": (unit_before, case.unit)}
        task.unit = case.unit
        if task.owner == Owner(OwnerKind.UNIT, unit_before) and task.assignee is None:
            owner = Owner(OwnerKind.UNIT, case.unit)
            changes["owner"] = (str(task.owner), str(owner))
            task.standing = replace(task.standing, owner=owner)
        work.record(TaskAssigned, task, cause, changes)


def on_case_changed(work: Work, event: Event) -> None:
    """Nothing of this concerns its tasks; later events show the case as it is now."""
    if not _is_old(work, event):
        _refreshed(work, event)


def _is_old(work: Work, event: Event) -> bool:
    case = work.cases.get(event.data.case_id)
    return case is not None and event.revision <= case.revision


def _cause(work: Work, event: Event) -> Cause:
    # An event from a host whose clock is ahead must not make our times lie in the future.
    return Cause(event.id, min(event.time, work.now), "system", event.traceparent)


def _require_plannable(compiled: Compiled, subject: str) -> None:
    if subject in compiled.workflows:
        return
    if subject in compiled.unsound:
        raise Refused(f"the workflow of subject {subject} cannot be planned: {compiled.unsound[subject]}")
    raise Refused(f"the configuration has no subject {subject}")


def _refreshed(work: Work, event: Event) -> Case:
    """The case with what this event tells, if it is news."""
    data: CaseState = event.data
    case = work.cases.get(data.case_id)
    if case is not None and event.revision <= case.revision:
        return case
    customer = Customer(data.customer.contact_id, data.customer.account_id, data.customer.name, data.customer.email)
    if case is None:
        case = Case(
            data.case_id,
            event.revision,
            data.number,
            data.title,
            data.subject,
            data.unit,
            data.owner,
            data.state.value,
            customer,
            event.config_version,
        )
    else:
        case.revision, case.title, case.unit, case.owner = event.revision, data.title, data.unit, data.owner
        case.state, case.customer = data.state.value, customer
    work.touch_case(case)
    return case


def _plan(work: Work, case: Case, cause: Cause) -> None:
    case.planned_at = cause.at
    customer = payloads.customer_ref(case.customer)
    tasks: list[Task] = []
    for begins in beginnings(work.compiled(case.config_version), case.config_version, case.subject, case.unit, cause.at):
        task = begins.task.of_case(task_id(CaseId(case.id), begins.code), case.id)
        tasks.append(task)
        work.record_as(payloads.of_case(begins.told, task.id, case, customer), task, cause)
    work.add_tasks(tasks)
    work.record_plan(case, tuple([task.id for task in tasks]), cause)
