"""Events of cases: a case that opens gets its workflow's tasks; what becomes of the case, its tasks follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

from services.task.domain import lifecycle
from services.task.domain.case import CLOSED, Case, Customer
from services.task.domain.lifecycle import TaskState
from services.task.domain.ownership import SYSTEM, Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers import approvals
from services.task.handlers.beginnings import beginnings, left_out
from services.task.handlers.compile import Compiled
from services.task.handlers.leads import takes_tasks_along
from services.task.handlers.progress import resume
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import approvals as kept_approvals
from services.task.storage import repository
from shared.clock import Clock
from shared.messaging import Refused
from shared.schemas.envelope import Event
from shared.schemas.events import (
    CaseAssigned,
    CaseLifeCycle,
    CaseMergeUndone,
    CaseState,
    ContactErased,
    LeadState,
    ReplacementApproved,
    TaskAssigned,
    TaskStatusChanged,
)
from shared.storage import Transaction

CASE_CANCELLED = "case-cancelled"
"""The reason of tasks that were cancelled with their case."""
CASE_MERGED = "case-merged"
"""The reason of tasks that were cancelled because their case was merged into another; undoing that brings them back."""


def load_cases(compiled: CompiledOf, clock: Clock) -> Callable[[Transaction, Sequence[Event]], Work]:
    """Loads the cases and leads of a batch of events, and the tasks of those whose tasks may follow."""

    def load(tx: Transaction, events: Sequence[Event]) -> Work:
        work = Work(compiled, clock())
        erased = [event.data for event in events if isinstance(event.data, ContactErased)]
        told = [event.data for event in events if not isinstance(event.data, ContactErased)]
        concerned = {case for data in erased for case in data.case_ids}
        work.cases = repository.lock_cases(tx, {_id_of(data) for data in told} | concerned)
        follow = {_id_of(data) for data in told if _tasks_may_follow(data)} | _reopening(told, work.cases)
        followed = (follow | concerned) & work.cases.keys()
        if followed:
            work.add_tasks(repository.tasks_of_cases(tx, followed).values())
        if erased:
            work.add_tasks(repository.follow_ups_of_contacts(tx, {data.contact_id for data in erased}))
        undone = {event.data.case_id for event in events if isinstance(event.data, CaseMergeUndone)}
        gone = [task for case_id in undone for task in work.tasks_of(case_id) if _is_set_aside(task)]
        if gone:
            work.set_aside = repository.last_changes(tx, gone)
        if undone:
            work.withdrawn_approvals = kept_approvals.lock_withdrawn(tx, undone, approvals.CASE_MERGED)
        return work

    return load


def _id_of(data: CaseState | LeadState | ReplacementApproved) -> UUID:
    return data.lead_id if isinstance(data, LeadState) else data.case_id


def _tasks_may_follow(data: CaseState | LeadState | ReplacementApproved) -> bool:
    if isinstance(data, LeadState):
        return takes_tasks_along(data)
    return isinstance(data, CaseAssigned | CaseMergeUndone | ReplacementApproved) or data.state is CaseLifeCycle.CANCELLED


def _reopening(told: Iterable[CaseState | LeadState | ReplacementApproved], cases: Mapping[UUID, Case]) -> set[UUID]:
    """Cases that may be open again after these events: closed ones that are told of as open, also where the same events close them."""
    of_cases = [data for data in told if isinstance(data, CaseState)]
    closed = {data.case_id for data in of_cases if data.state.value in CLOSED} | {case.id for case in cases.values() if case.is_closed}
    return {data.case_id for data in of_cases if data.case_id in closed and data.state.value not in CLOSED} if closed else set()


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
    case = _as_told(work, event)
    case.subject, case.config_version = event.data.subject, event.config_version
    if not case.is_closed:
        _plan(work, case, event.data, cause_of(work, event))
        if known is not None:
            resume(work, case, cause_of(work, event))


def on_case_status_changed(work: Work, event: Event) -> None:
    """A cancelled case takes its open tasks with it; so does a deleted one, whose last state is told as cancelled."""
    _follow_cancellation(work, event, CASE_CANCELLED)


def on_case_merged(work: Work, event: Event) -> None:
    """A case that was merged into another takes its open tasks with it; each keeps what it was, for the merge may be undone."""
    _follow_cancellation(work, event, CASE_MERGED)


def on_case_merge_undone(work: Work, event: Event) -> None:
    """The tasks that the merge cancelled are again what they were."""
    known = work.cases.get(event.data.case_id)
    if known is None or known.planned_at is None:
        on_case_opened(work, event)
        return
    if _is_old(work, event):
        return
    case = _as_told(work, event)
    cause = cause_of(work, event)
    for task in sorted(work.tasks_of(case.id), key=lambda task: task.id):
        before = work.set_aside.get(task.id)
        if before is None or not _is_set_aside(task):
            continue
        state, status, starts_at = (before[field][0] for field in ("state", "status", "starts_at"))
        was = task.state
        task.standing = lifecycle.take_up_again(task.standing, TaskState(str(state)), str(status))
        task.starts_at = datetime.fromisoformat(starts_at) if isinstance(starts_at, str) else cast("datetime | None", starts_at)
        changes: dict[str, tuple[object, object]] = {"state": (was.value, task.state.value)}
        work.record(TaskStatusChanged, task, cause, changes, was.value)
    approvals.bring_back(work, case, cause)
    resume(work, case, cause)


def _is_set_aside(task: Task) -> bool:
    return task.state is TaskState.CANCELLED and task.standing.cancellation_reason == CASE_MERGED


def _follow_cancellation(work: Work, event: Event, reason: str) -> None:
    if _is_old(work, event):
        return
    case = _refreshed(work, event)
    if case.state != CaseLifeCycle.CANCELLED.value:
        return
    if reason == CASE_MERGED:
        work.merged.add(case.id)
    cause = cause_of(work, event)
    statuses = work.compiled(case.config_version).statuses
    for task in sorted(work.tasks_of(case.id), key=lambda task: task.id):
        if not task.state.is_open:
            continue
        before, starts_at = task.standing, task.starts_at
        task.standing = lifecycle.cancel(task.standing, SYSTEM, cause.at, statuses, reason)
        task.starts_at = None
        changes: dict[str, tuple[object, object]] = {"state": (before.state.value, task.state.value)}
        if reason == CASE_MERGED:
            changes |= {"status": (before.status, task.standing.status), "starts_at": (starts_at, None)}
            work.set_aside[task.id] = changes
        work.record(TaskStatusChanged, task, cause, changes, before.state.value)


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
    cause = cause_of(work, event)
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


def cause_of(work: Work, event: Event) -> Cause:
    """What this event makes happen, it makes happen now at the latest."""
    # An event from a host whose clock is ahead must not make our times lie in the future.
    return Cause(event.id, min(event.time, work.now), "system", event.traceparent)


def _require_plannable(compiled: Compiled, subject: str) -> None:
    if subject in compiled.workflows:
        return
    if subject in compiled.unsound:
        raise Refused(f"the workflow of subject {subject} cannot be planned: {compiled.unsound[subject]}")
    raise Refused(f"the configuration has no subject {subject}")


def _refreshed(work: Work, event: Event) -> Case:
    """The case with what this event tells, if it is news. One that is open again goes on, or is planned if it never was."""
    known = work.cases.get(event.data.case_id)
    was_closed = known is not None and known.is_closed
    case = _as_told(work, event)
    if was_closed and not case.is_closed:
        # One whose subject cannot be planned has its opening among the dead letters, and is planned once that is replayed.
        if case.planned_at is None and case.subject in work.compiled(case.config_version).workflows:
            _plan(work, case, event.data, cause_of(work, event))
        resume(work, case, cause_of(work, event))
    return case


def _as_told(work: Work, event: Event) -> Case:
    """The case with what this event tells, if it is news; its tasks are left as they are."""
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


def _plan(work: Work, case: Case, opening: CaseState, cause: Cause) -> None:
    case.planned_at = cause.at
    compiled = work.compiled(case.config_version)
    without = left_out(compiled, case.subject, opening)
    work.begin(case, beginnings(compiled, case.config_version, case.subject, case.unit, cause.at, without), cause)
