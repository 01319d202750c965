"""One transaction's unit of work: what was loaded, what changed, and the events that tell of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from services.task import metrics
from services.task.domain import lifecycle
from services.task.domain.approvals import Approval
from services.task.domain.assignment.absences import Holding, Loan
from services.task.domain.case import Case
from services.task.domain.plan import Plan, PlannedTask, restore
from services.task.domain.task import Change, Task
from services.task.handlers import approvals, assigning, payloads
from services.task.handlers.beginnings import Beginnings
from services.task.handlers.causes import Cause, CompiledOf, Emission
from services.task.handlers.compile import Compiled, workflow_without
from services.task.handlers.endings import settle
from services.task.handlers.openings import Openings, opening
from services.task.storage import absences, repository, time_spent
from services.task.storage import approvals as kept_approvals
from services.task.storage.approvals import ApprovalChange, Withdrawn
from services.task.storage.recurrences import Account
from shared.ids import CaseId, derive
from shared.schemas.envelope import Event
from shared.schemas.events import ApprovalChanged, PlanMade, TaskAssigned, TaskState, TaskStatusChanged, TaskTriggered
from shared.storage import Transaction

__all__ = ["Cause", "CompiledOf", "Emission", "Work"]


class _Started(NamedTuple):
    """A task that can be worked on from now, and where its event stands among those to be emitted."""

    task: Task
    cause: Cause
    place: int


class Work:
    """What one transaction knows and does. Everything in it is under the lock of its case (or of the task itself, without a case)."""

    def __init__(self, compiled: CompiledOf, now: datetime) -> None:
        self.compiled = compiled
        self.now = now
        self.cases: dict[UUID, Case] = {}
        self._tasks: dict[UUID, Task] = {}
        self.openings = Openings()
        """What cases begin with, as long as nothing else happens to it."""
        self.forgotten: set[UUID] = set()
        """Tasks whose texts were erased: their histories' go as well."""
        self.accounts: dict[UUID, Account] = {}
        """As events of this batch told of them."""
        self.set_aside: dict[UUID, dict[str, tuple[object, object]]] = {}
        """Of tasks that a merge of their case cancelled: what it changed of each."""
        self.merged: set[UUID] = set()
        """Cases that were merged into another in this transaction."""
        self.withdrawn_approvals: dict[UUID, Withdrawn] = {}
        """Of cases whose merge is undone: what that had withdrawn."""
        self.heard: list[Event] = []
        """Events that automation rules may be for (AUTO-1)."""
        self.origins: dict[UUID, UUID] = {}
        """By cause: the firing of an automation rule that it goes back to."""
        self.forgotten_cases: set[UUID] = set()
        """Cases whose customer was erased: what was written in their approvals goes."""
        self.approvals: dict[UUID, Approval] = {}
        """Those that were loaded or asked."""
        self._changed_approvals: set[UUID] = set()
        self._approval_history: list[ApprovalChange] = []
        self.loans: list[Loan] = []
        """What was given by hand to somebody who is away, and comes back to them."""
        self.although_away: set[UUID] = set()
        """Tasks that their users get by somebody's word even if they are away."""
        self._by_rule: dict[UUID, Cause] = {}
        self.notes_forgotten: set[UUID] = set()
        """Tasks and cases of an erased contact: what was written with their time and bookings goes."""
        self._ended: list[tuple[Task, Cause]] = []
        self._started: dict[UUID, _Started] = {}
        self._by_case: dict[UUID, dict[UUID, Task]] = {}
        self._new_cases: dict[UUID, Case] = {}
        self._new_tasks: dict[UUID, Task] = {}
        self._changed_cases: dict[UUID, Case] = {}
        self._changed_tasks: dict[UUID, Task] = {}
        self._history: list[Change] = []
        self._emissions: list[Emission] = []
        self._ordinals: dict[tuple[UUID, UUID, str], int] = {}

    # What is known

    @property
    def tasks(self) -> dict[UUID, Task]:
        """Those that were loaded or made."""
        self.unfold_all()
        return self._tasks

    def add_tasks(self, tasks: Iterable[Task]) -> None:
        """Tasks that were loaded or made."""
        for task in tasks:
            self._tasks[task.id] = task
            if task.case_id is not None:
                self._by_case.setdefault(task.case_id, {})[task.id] = task

    def lock_cases(self, tx: Transaction, ids: Collection[UUID]) -> None:
        """Load these cases and all their tasks, under the cases' locks."""
        self.cases = repository.lock_cases(tx, ids)
        self.add_tasks(repository.tasks_of_cases(tx, self.cases.keys()).values())

    def tasks_of(self, case_id: UUID) -> list[Task]:
        """The case's tasks, as far as they were loaded or made."""
        self.unfold((case_id,))
        return list(self._by_case.get(case_id, {}).values())

    def configuration_of(self, task: Task) -> Compiled:
        """The configuration that the task was planned under."""
        return self.compiled(task.config_version)

    def plan_of(self, case: Case) -> Plan | None:
        """The case's plan as its tasks, all of which must be loaded, stand. None: its subject has no workflow any more, or it is a lead."""
        workflow = None if case.is_lead else self.compiled(case.config_version).workflows.get(case.subject)
        if workflow is None:
            return None
        tasks = [_planned(task) for task in self.tasks_of(case.id) if task.is_planned_with_case]
        if len(tasks) < len(workflow.nodes):  # the case was opened without the others
            left_out = workflow.by_code.keys() - {task.code for task in tasks}
            workflow = workflow_without(self.compiled(case.config_version), case.subject, frozenset(left_out))
        return restore(CaseId(case.id), workflow, tasks, case.planned_at or self.now)

    # What changes

    def touch_case(self, case: Case) -> None:
        """The case is new or changed."""
        if case.id not in self.cases:
            self.cases[case.id] = self._new_cases[case.id] = case
        elif case.id not in self._new_cases:
            self._changed_cases[case.id] = case

    def touch_task(self, task: Task) -> None:
        """The task is changed, whether an event tells of it or not."""
        if task.id not in self._new_tasks:
            self._changed_tasks[task.id] = task

    def record(
        self,
        event: type[TaskState],
        task: Task,
        cause: Cause,
        changes: dict[str, tuple[object, object]] | None = None,
        state_before: str | None = None,
        why: str = "",
        more: Mapping[str, object] | None = None,
    ) -> None:
        """The task changed (its fields are set already): count its revision, tell of it, and keep `changes` in its history.

        `why` goes into event and history: what made somebody the task's new holder, where nobody said so. `more`: what the event has
        besides the task's state.
        """
        task.changed_by = cause.by
        case = None if task.case_id is None else self.cases[task.case_id]
        payload = payloads.task_payload(event, task, case, self.configuration_of(task), state_before)
        if more:
            payload = payloads.unvalidated(event, {**vars(payload), **more})
        self.record_as(payloads.held_by(payload, task, why) if why else payload, task, cause)
        if event is TaskStatusChanged and not task.state.is_open:
            self._ended.append((task, cause))
        if changes is not None:
            if why:
                changes["why"] = (None, why)
            self._history.append(Change(task.id, task.revision, cause.at, cause.by, event.event_type, changes))

    def record_as(self, payload: TaskState, task: Task, cause: Cause) -> None:
        """The task is new or changed, and `payload` is what there is to tell of it."""
        task.revision += 1
        ordinal = 0  # a task's first event is the only one of its cause and type
        if task.revision == 1:
            self._new_tasks[task.id] = task
        else:
            self.touch_task(task)
            place = (cause.id, task.id, payload.event_type)
            ordinal = self._ordinals.get(place, 0)
            self._ordinals[place] = ordinal + 1
        if type(payload) is TaskTriggered:
            self._started[task.id] = _Started(task, cause, len(self._emissions))
        self._emissions.append(Emission(payload, task.id, task.case_id or task.id, task.revision, cause, task.config_version, ordinal))

    def begin(self, case: Case, begins: Beginnings, cause: Cause) -> None:
        """The case is planned: it begins with these tasks, which are told of, and its plan after them."""
        case.plan_revision += 1
        self.touch_case(case)
        self.openings.add(opening(case, begins, cause))

    def unfold(self, case_ids: Iterable[UUID]) -> None:
        """Make tasks, and events to be told, of what these cases begin with, where that was not done yet."""
        for case_id in case_ids:
            begun = self.openings.take(case_id)
            if begun is None:
                continue
            for id, begin in zip(begun.task_ids, begun.begins.each, strict=True):
                task = begin.task.of_case(id, case_id)
                self.add_tasks((task,))
                self.record_as(payloads.of_case(begin.told, id, begun.shown), task, begun.cause)
            plan_id = derive("plan", case_id)
            self._emissions.append(Emission(begun.plan, plan_id, case_id, begun.plan_revision, begun.cause, begun.config_version, 0))

    def unfold_all(self) -> None:
        """All of them."""
        if self.openings:
            self.unfold([each.case_id for each in self.openings])

    def unfold_where(self, test: Callable[[Beginnings], bool]) -> None:
        """Those of such beginnings."""
        if self.openings:
            self.unfold(self.openings.where(test))

    def record_plan(self, case: Case, task_ids: tuple[UUID, ...], cause: Cause) -> None:
        """The case's plan was made (or is told of again)."""
        case.plan_revision += 1
        self.touch_case(case)
        payload = payloads.plan_payload(case.id, case.subject, task_ids)
        plan_id = derive("plan", case.id)
        self._emissions.append(Emission(payload, plan_id, case.id, case.plan_revision, cause, case.config_version, 0))

    @property
    def emissions(self) -> Sequence[Emission]:
        """What is going to be told, so far."""
        self.unfold_all()
        return self._emissions

    def tell(self, emission: Emission) -> None:
        """Tell of something that is no task."""
        self._emissions.append(emission)

    def record_approval(self, payload: ApprovalChanged, approval: Approval, change: ApprovalChange, cause: Cause) -> None:
        """The approval is new or changed (its revision is counted already): `payload` tells of it, `change` is its history's."""
        self.approvals[approval.id] = approval
        self._changed_approvals.add(approval.id)
        self._approval_history.append(change)
        place = (cause.id, approval.id, payload.event_type)
        ordinal = self._ordinals.get(place, 0)
        self._ordinals[place] = ordinal + 1
        self._emissions.append(Emission(payload, approval.id, payload.case_id, approval.revision, cause, approval.config_version, ordinal))

    def recorded(self) -> Sequence[Emission]:
        """What is to be told so far, but for what cases begin with that were not unfolded."""
        return self._emissions

    def closed_cases(self) -> list[UUID]:
        """Cases that this work touched and that are closed now."""
        return [case.id for case in self._changed_cases.values() if case.is_closed]

    def cause_of_closing(self, approval: Approval) -> Cause:
        """Why an approval is withdrawn whose case is closed: whatever closed it, it is withdrawn once."""
        return Cause(derive("closing", approval.id, approval.revision), self.now)

    @property
    def has_asked(self) -> bool:
        """Whether approvals are asked here."""
        return any(approval.revision == 1 for approval in self.approvals.values() if approval.id in self._changed_approvals)

    def started(self) -> list[Task]:
        """Tasks that can be worked on from now, in the order in which they started."""
        return [each.task for each in self._started.values()]

    def written(self) -> dict[UUID, Task]:
        """What is new or changed."""
        self.unfold_all()
        return self._changed_tasks | self._new_tasks

    def give(self, given: Iterable[assigning.Given]) -> None:
        """Give tasks that have just started to their holders: the event that they start tells of it, unless more has happened since."""
        entries: dict[tuple[UUID, int], Change] | None = None
        for task, holding, why in given:
            _, cause, place = self._started[task.id]
            changes = _hold(task, holding)
            emission = self._emissions[place]
            if emission.revision != task.revision or not isinstance(emission.payload, TaskState):
                self.record(TaskAssigned, task, cause, changes, why=why)
                continue
            self._emissions[place] = emission._replace(payload=payloads.held_by(emission.payload, task, why))
            if entries is None:
                entries = {(entry.task_id, entry.revision): entry for entry in self._history}
            entry = entries.get((task.id, task.revision))
            if entry is None:  # a workflow's tasks begin alike: that is not kept for each
                entry = Change(task.id, task.revision, cause.at, cause.by, emission.payload.event_type)
                self._history.append(entry)
            entry.changes.update(changes, why=(None, why))

    def _count(self) -> None:
        kinds = self.openings.counted()
        kinds.update(emission.payload.event_type for emission in self._emissions if isinstance(emission.payload, TaskState))
        for kind, count in kinds.items():
            metrics.TASKS.labels(kind.removeprefix("casestream.task.").removesuffix(".v1")).inc(count)
        plans = Counter(e.payload.subject for e in self._emissions if e.revision == 1 and isinstance(e.payload, PlanMade))
        plans.update(each.subject for each in self.openings if each.plan_revision == 1)
        for subject, count in plans.items():
            metrics.PLANS.labels(subject).inc(count)

    def given_by_rule(self, task: Task, cause: Cause) -> None:
        """A rule gave the task to somebody: should they be away, whoever stands in gets it."""
        if task.id not in self._started:
            self._by_rule[task.id] = cause

    def _give_out(self, tx: Transaction) -> None:
        if self._started or self.openings:
            assigning.give_out(tx, self)
            self._started.clear()
        if self._by_rule:
            for task, holding, why in assigning.lend(tx, self, [self.tasks[id] for id in self._by_rule]):
                self.record(TaskAssigned, task, self._by_rule[task.id], _hold(task, holding), why=why)
            self._by_rule.clear()

    def save(self, tx: Transaction) -> None:
        """Give out what starts, write what changed, and emit the events, in the order in which they were recorded."""
        self._give_out(tx)
        for follow in _BEFORE_SAVING:
            follow(self, tx)
        self._give_out(tx)  # what rules have started
        approvals.settle(tx, self)
        told = self.openings.told(tx.source)
        if not repository.insert_new(tx, self._new_cases.values(), self._new_tasks.values(), self.openings.rows()):
            told()
            told = list  # they are told of task by task
            self.unfold_all()
            repository.save_cases(tx, self._new_cases.values())
            repository.save_tasks(tx, self._new_tasks.values())
        repository.save_cases(tx, self._changed_cases.values())
        repository.save_tasks(tx, self._changed_tasks.values())
        repository.save_history(tx, self._history)
        repository.forget_texts(tx, self.forgotten)
        if self.forgotten or self.forgotten_cases:
            kept_approvals.forget_texts(tx, self.forgotten_cases, self.forgotten, "[erased]")
        absences.lend(tx, self.loans)
        kept_approvals.save(tx, [self.approvals[id] for id in sorted(self._changed_approvals)], self._approval_history)
        if self.notes_forgotten:
            time_spent.forget_notes(tx, self.notes_forgotten, self.notes_forgotten)
        self._count()
        tx.emitted += told()
        self.emit(tx)
        closed = [(case, self._closing(case)) for case in self._changed_cases.values() if case.is_closed]
        # What cancelled a task may have been undone since, in the same batch.
        ended = [(task, cause) for task, cause in self._ended if not task.state.is_open]
        if ended or closed:
            settle(tx, self, ended, closed)

    def emit(self, tx: Transaction) -> None:
        """Tell of what was recorded, in that order."""
        text = lru_cache(maxsize=16)(str)  # events of one case, of one cause, follow each other
        for emission in self._emissions:
            cause = emission.cause
            tx.emit(
                emission.payload,
                aggregate_id=emission.aggregate_id,
                key=text(emission.key),
                revision=emission.revision,
                cause=text(cause.id),
                time=cause.at,
                config_version=emission.config_version,
                traceparent=cause.traceparent,
                ordinal=emission.ordinal,
            )

    def _closing(self, case: Case) -> Cause:
        return Cause(derive("closing", case.id, case.revision), self.now)


_BEFORE_SAVING: list[Callable[[Work, Transaction], None]] = []


def before_saving(follow: Callable[[Work, Transaction], None]) -> None:
    """Have `follow` called before a transaction's work is written: it may add to it. For modules of `handlers`, when they are loaded."""
    _BEFORE_SAVING.append(follow)


def _hold(task: Task, holding: Holding) -> dict[str, tuple[object, object]]:
    """Give the task to this holder; what changes."""
    before = Holding.of(task)
    changes: dict[str, tuple[object, object]] = {"assignee": (before.assignee, holding.assignee)}
    if holding.owner != before.owner:
        changes["owner"] = (str(before.owner), str(holding.owner))
    task.standing = lifecycle.give(task.standing, holding.owner, holding.assignee)
    return changes


def _planned(task: Task) -> PlannedTask:
    assert task.definition is not None  # noqa: S101 - for the type checker
    return PlannedTask(
        task.definition,
        task.state,
        task.starts_at or task.triggered_at,
        task.start_by,
        task.due_at,
        task.standing.ended_at,
        task.standing.in_progress_at,
    )
