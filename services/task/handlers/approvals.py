"""Asking for approvals, what people do about them, and the gates that they are (TASK-4, AUTO-1, EDGE-6).

What a task definition requires before the start is asked when the task can be worked on; before completion, when somebody wants to complete
it, for only then is there something to look at. What has ended needs no approval any more: what was still asked is withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.task.domain import approvals, lifecycle
from services.task.domain.approvals import Approval, ApprovalState, Before, Decider
from services.task.domain.case import Case
from services.task.domain.lifecycle import TransitionRefused
from services.task.domain.task import Task
from services.task.handlers.beginnings import Beginnings
from services.task.handlers.causes import Cause, CompiledOf, Emission
from services.task.handlers.compile import Compiled, RequiredApproval
from services.task.storage import approvals as store
from services.task.storage import queries, repository
from services.task.storage.approvals import ApprovalChange, Withdrawn
from shared.calendars import CalendarError, due, parse_duration
from shared.ids import derive
from shared.schemas.events import (
    ApprovalAsked,
    ApprovalChanged,
    ApprovalDecided,
    ApprovalDelegated,
    ApprovalLifeCycle,
    ApprovalLinksRevoked,
    ApprovalReminded,
    ApprovalWithdrawn,
    TaskLifeCycle,
    TaskStatusChanged,
    TaskTriggered,
)
from shared.schemas.events.texts import LINE_LENGTH
from shared.storage import Transaction

TASK_ENDED = "its task has ended"
CASE_CLOSED = "its case is closed"
CASE_MERGED = "its case was merged"
"""Undoing that brings it back."""
NOT_MERGED = "the merge was undone"
HISTORY = ("state", "approver", "comment", "asked_by", "decided_by", "decided_at", "links_revoked_at")
"""What its history keeps of each change."""
_ENDED = frozenset({TaskLifeCycle.COMPLETED, TaskLifeCycle.CANCELLED})


class Work(Protocol):
    """What approvals need of a transaction's work, which needs them in turn when it is saved."""

    compiled: CompiledOf
    cases: dict[UUID, Case]
    approvals: dict[UUID, Approval]
    set_aside: dict[UUID, dict[str, tuple[object, object]]]
    merged: set[UUID]
    withdrawn_approvals: dict[UUID, Withdrawn]

    @property
    def tasks(self) -> dict[UUID, Task]: ...
    def configuration_of(self, task: Task) -> Compiled: ...
    def add_tasks(self, tasks: Iterable[Task]) -> None: ...
    def lock_cases(self, tx: Transaction, ids: Collection[UUID]) -> None: ...
    def record_approval(self, payload: ApprovalChanged, approval: Approval, change: ApprovalChange, cause: Cause) -> None: ...
    def unfold_where(self, test: Callable[[Beginnings], bool]) -> None: ...
    def recorded(self) -> Sequence[Emission]: ...
    def closed_cases(self) -> list[UUID]: ...
    def cause_of_closing(self, approval: Approval) -> Cause: ...


class NotApproved(TransitionRefused):
    """A task cannot go on before these are approved."""

    def __init__(self, what: str, blocking: tuple[Approval, ...]) -> None:
        first = blocking[0]
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        super().__init__(what, lifecycle.Refusal.NOT_APPROVED, f"{approvals.told(first)}{more}")
        self.blocking = blocking


@dataclass(frozen=True, slots=True)
class Passage:
    """Whether a task may go on. `is_open` False: what it needs was asked just now. `overridden`: what was passed over, and why."""

    is_open: bool
    overridden: Mapping[str, tuple[object, object]]


def ask(work: Work, *, case_id: UUID, task: Task | None, approver: str, what: str, cause: Cause, asked_by: str) -> UUID:
    """Ask `approver` to approve `what`, before the task is completed or, without one, the case; the approval's id.

    It is saved and told with the rest of `work`. The same cause asks the same person the same thing once.
    """
    compiled = work.configuration_of(task) if task else work.compiled(work.cases[case_id].config_version)
    every, times = compiled.reminders
    return _ask(work, case_id, task, approver, what, cause, asked_by, Before.COMPLETION, None, every, times)


def ask_required(work: Work, task: Task, rule: RequiredApproval, cause: Cause) -> None:
    """Ask for what the task's definition requires."""
    compiled = work.configuration_of(task)
    every, times = compiled.reminders
    approver = rule.approver(task.unit, cause.by)
    what = rule.what or task.subject_line
    every = every if rule.remind_every is None else rule.remind_every
    times = times if rule.remind_times is None else rule.remind_times
    _ask(work, task.case_id or task.id, task, approver, what, cause, cause.by, rule.before, task.definition, every, times)


def _ask(
    work: Work,
    case_id: UUID,
    task: Task | None,
    approver: str,
    what: str,
    cause: Cause,
    asked_by: str,
    before: Before,
    definition: str | None,
    every: str,
    times: int,
) -> UUID:
    about = task.id if task else case_id
    id = derive("approval", cause.id, about, before, approver, what)
    if id in work.approvals:
        return id
    version = task.config_version if task else work.cases[case_id].config_version
    approval = Approval(
        id=id,
        case_id=task.case_id if task else case_id,
        task_id=task.id if task else None,
        definition=definition,
        config_version=version,
        revision=1,
        before=before,
        what=what[:LINE_LENGTH],
        approver=approver,
        asked_by=asked_by,
        asked_at=cause.at,
        held_since=cause.at,
        remind_every=every,
        remind_times=times,
        remind_at=_remind_at(work.compiled(version), every, times, cause.at),
    )
    _record(work, ApprovalAsked, approval, cause, {"approver": (None, approver)})
    return id


def remind_at(work: Work, approval: Approval, now: datetime) -> datetime | None:
    """When the approver who is asked now is to be reminded first."""
    return _remind_at(work.compiled(approval.config_version), approval.remind_every, approval.remind_times, now)


def _remind_at(compiled: Compiled, every: str, times: int, at: datetime) -> datetime | None:
    if not times or not every:
        return None
    try:
        return due(parse_duration(every), at, compiled.calendars[compiled.default_calendar])
    except CalendarError:
        return None  # a calendar that never opens again: nobody is there to be reminded


def load(tx: Transaction, work: Work, id: UUID) -> Approval | None:
    """The approval, locked with its case, or its task if that has none; None: there is none."""
    seen = store.get(tx, id)
    if seen is None:
        return None
    if seen.case_id is not None:
        work.lock_cases(tx, (seen.case_id,))
    elif seen.task_id is not None:
        task = repository.lock_task(tx, seen.task_id)
        work.add_tasks([task] if task else [])
    work.approvals = store.lock(tx, (id,))
    return work.approvals.get(id)


def decide(work: Work, approval: Approval, by: Decider, comment: str, cause: Cause, *, approves: bool, how: str = "") -> Approval:
    """Approve or decline it. `how`, where there is something to say of that, goes into its history."""
    after = approvals.decide(approval, by, comment, cause.at, approves=approves)
    return _changed(work, ApprovalDecided, approval, after, cause, how=how)


def delegate(work: Work, approval: Approval, to: str, by: Decider, note: str, cause: Cause) -> Approval:
    """Hand it to another user."""
    after = approvals.delegate(approval, to, by, cause.at, remind_at(work, approval, cause.at), note)
    return _changed(work, ApprovalDelegated, approval, after, cause, note)


def withdraw(work: Work, approval: Approval, by: Decider, comment: str, cause: Cause) -> Approval:
    """Nobody waits for it any more."""
    return _changed(work, ApprovalWithdrawn, approval, approvals.withdraw(approval, by, comment, cause.at), cause)


def revoke_links(work: Work, approval: Approval, by: Decider, reason: str, cause: Cause) -> Approval:
    """Make void what links to it were sent until now."""
    return _changed(work, ApprovalLinksRevoked, approval, approvals.revoke_links(approval, by, reason, cause.at), cause, reason.strip())


def ask_again(work: Work, approval: Approval, cause: Cause) -> Approval:
    """Ask for what was declined once more."""
    after = approvals.ask_again(approval, cause.by, cause.at, remind_at(work, approval, cause.at))
    return _changed(work, ApprovalAsked, approval, after, cause)


def pass_gate(work: Work, task: Task, before: Before, cause: Cause, override: str) -> Passage:
    """Whether the task may start, or be completed; all its approvals are loaded. Raises `NotApproved`.

    `override`: why a permitted user passes over what is not approved, which is withdrawn then.
    """
    mine = [each for each in work.approvals.values() if each.task_id == task.id]
    blocking = approvals.blocking(mine, before)
    rule = _required(work, task, before)
    is_missing = rule is not None and approvals.is_missing(mine, task.definition or "", before)
    if not blocking and not is_missing:
        return Passage(True, {})
    if override:
        for each in blocking:
            reason = f"overridden: {override}"
            _changed(work, ApprovalWithdrawn, each, approvals.withdrawn(each, cause.by, reason, cause.at), cause)
        passed = ", ".join(each.approver for each in blocking) or (rule.what if rule else "") or task.subject_line
        return Passage(True, {"approval gate overridden": (passed, override)})
    if blocking:
        raise NotApproved("begin the task" if before is Before.START else "complete the task", blocking)
    assert rule is not None  # noqa: S101 - for the type checker
    ask_required(work, task, rule, cause)
    return Passage(False, {})


def _required(work: Work, task: Task, before: Before) -> RequiredApproval | None:
    definition = work.configuration_of(task).definitions.get(task.definition or "")
    rule = definition.approval if definition else None
    if rule is None or rule.before is not before:
        return None
    # A task that was begun once was let start then.
    return None if before is Before.START and task.standing.in_progress_at is not None else rule


def settle(tx: Transaction, work: Work) -> None:
    """Before `work` is saved: ask for what started tasks require, and withdraw what tasks and cases that ended do not need any more."""
    ended: dict[UUID, Cause] = {}
    work.unfold_where(lambda begins: begins.asks)
    for emission in work.recorded():
        payload = emission.payload
        if isinstance(payload, TaskTriggered):
            definitions = work.compiled(emission.config_version).asks_at_start
            if not definitions:
                continue
            task = work.tasks.get(emission.aggregate_id)
            if task is not None and task.state.is_open and task.definition in definitions:
                rule = _required(work, task, Before.START)
                if rule is not None:
                    ask_required(work, task, rule, emission.cause)
        elif isinstance(payload, TaskStatusChanged) and payload.state in _ENDED:
            task = work.tasks.get(emission.aggregate_id)
            if task is None or not task.state.is_open:  # what cancelled it may have been undone since
                ended[emission.aggregate_id] = emission.cause
    closed = work.closed_cases()
    if not ended and not closed:
        return
    found = {each.id: each for each in store.lock_blocking(tx, ended, closed)}
    # Besides those asked here, which are not written yet.
    found |= {id: each for id, each in work.approvals.items() if id in found or each.task_id in ended or each.case_id in closed}
    for _, approval in sorted(found.items()):
        if approval.state.blocks:
            cause = ended.get(approval.task_id) if approval.task_id else None
            is_merged = approval.task_id in work.set_aside if approval.task_id else approval.case_id in work.merged
            why = CASE_MERGED if is_merged else TASK_ENDED if cause else CASE_CLOSED
            cause = cause or work.cause_of_closing(approval)
            after = approvals.withdrawn(approval, "system", why, cause.at)
            _changed(work, ApprovalWithdrawn, approval, after, cause._replace(by="system"))


def bring_back(work: Work, case: Case, cause: Cause) -> None:
    """The merge that withdrew approvals of this case was undone: those whose task or case is open are again what they were."""
    for _, (approval, changes) in sorted(work.withdrawn_approvals.items()):
        task = work.tasks.get(approval.task_id) if approval.task_id else None
        is_open = not case.is_closed if approval.task_id is None else task is not None and task.state.is_open
        if approval.case_id != case.id or not is_open:
            continue
        after = approvals.brought_back(approval, {name: before for name, (before, _) in changes.items()}, None)
        if after.state is ApprovalState.ASKED and after.reminders < after.remind_times:
            after = replace(after, remind_at=remind_at(work, approval, cause.at))
        _changed(work, ApprovalAsked if after.state is ApprovalState.ASKED else ApprovalDecided, approval, after, cause, how=NOT_MERGED)


def remind(tx: Transaction, approval: Approval, compiled: Compiled, now: datetime, traceparent: str) -> Approval:
    """Remind the approver, whose approval is locked: written and told in this transaction."""
    every, times = approval.remind_every, approval.remind_times
    after = approvals.remind(approval, _remind_at(compiled, every, times, now))
    case = queries.get_case(tx, approval.case_id) if approval.case_id else None
    found = queries.get_task(tx, approval.task_id) if approval.task_id else None
    task = found[0] if found else None
    change = ApprovalChange(after.id, after.revision, now, "system", ApprovalReminded.event_type, {"reminders": (None, after.reminders)})
    store.save(tx, (after,), (change,))
    tx.emit(
        _payload(ApprovalReminded, after, case, task, "system"),
        aggregate_id=after.id,
        key=after.case_id or after.task_id or after.id,
        revision=after.revision,
        # A revision is made once: whoever tries again makes the same event.
        cause=derive("approval reminder", after.id, after.revision),
        time=now,
        config_version=after.config_version,
        traceparent=traceparent,
    )
    return after


def _changed(
    work: Work, event: type[ApprovalChanged], before: Approval, after: Approval, cause: Cause, note: str = "", how: str = ""
) -> Approval:
    if after is before:
        return before
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in HISTORY}
    _record(work, event, after, cause, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}, note, how)
    return after


def _record(
    work: Work,
    event: type[ApprovalChanged],
    approval: Approval,
    cause: Cause,
    changes: dict[str, tuple[object, object]],
    note: str = "",
    how: str = "",
) -> None:
    case = work.cases.get(approval.case_id) if approval.case_id else None
    task = work.tasks.get(approval.task_id) if approval.task_id else None
    change = ApprovalChange(approval.id, approval.revision, cause.at, cause.by, event.event_type, changes, note or how)
    work.record_approval(_payload(event, approval, case, task, cause.by, note), approval, change, cause)


def _payload(
    event: type[ApprovalChanged], approval: Approval, case: Case | None, task: Task | None, changed_by: str, note: str = ""
) -> ApprovalChanged:
    state: ApprovalState = approval.state
    return event(
        approval_id=approval.id,
        case_id=approval.case_id or approval.task_id or approval.id,
        case_number=case.number if case else "",
        case_title=case.title if case else "",
        task_id=approval.task_id,
        subject_line=task.subject_line if task else "",
        unit=task.unit if task else case.unit if case else None,
        before=approval.before.value,
        what=approval.what,
        approver=approval.approver,
        asked_by=approval.asked_by,
        asked_at=approval.asked_at,
        held_since=approval.held_since,
        state=ApprovalLifeCycle(state.value),
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        comment=approval.comment,
        delegated_from=approval.delegated_from,
        reminders=approval.reminders,
        note=note,
        changed_by=changed_by,
    )
