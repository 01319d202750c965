"""One transaction's unit of work: what was loaded, what changed, and the events that tell of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from services.task import metrics
from services.task.domain.case import Case
from services.task.domain.plan import Plan, PlannedTask, restore
from services.task.domain.task import Change, Task
from services.task.handlers import payloads
from services.task.handlers.compile import Compiled
from services.task.storage import repository
from shared.ids import CaseId, derive
from shared.schemas.envelope import Payload
from shared.schemas.events import PlanMade, TaskState
from shared.storage import Transaction


class Cause(NamedTuple):
    """What makes a change: the event or command, when, and who is behind it."""

    id: UUID
    at: datetime
    by: str = "system"
    traceparent: str = ""


class Emission(NamedTuple):
    """An event to be, with the state as it was at that moment."""

    payload: Payload
    aggregate_id: UUID
    key: UUID
    revision: int
    cause: Cause
    config_version: int
    ordinal: int


CompiledOf = Callable[[int], Compiled]
"""The compiled configuration of a version (0: the newest)."""


class Work:
    """What one transaction knows and does. Everything in it is under the lock of its case (or of the task itself, without a case)."""

    def __init__(self, compiled: CompiledOf, now: datetime) -> None:
        self.compiled = compiled
        self.now = now
        self.cases: dict[UUID, Case] = {}
        self.tasks: dict[UUID, Task] = {}
        self._by_case: dict[UUID, dict[UUID, Task]] = {}
        self._new_cases: dict[UUID, Case] = {}
        self._new_tasks: dict[UUID, Task] = {}
        self._changed_cases: dict[UUID, Case] = {}
        self._changed_tasks: dict[UUID, Task] = {}
        self._history: list[Change] = []
        self._emissions: list[Emission] = []
        self._ordinals: dict[tuple[UUID, UUID, str], int] = {}

    # What is known

    def add_tasks(self, tasks: Iterable[Task]) -> None:
        """Tasks that were loaded or made."""
        for task in tasks:
            self.tasks[task.id] = task
            if task.case_id is not None:
                self._by_case.setdefault(task.case_id, {})[task.id] = task

    def tasks_of(self, case_id: UUID) -> list[Task]:
        """The case's tasks, as far as they were loaded or made."""
        return list(self._by_case.get(case_id, {}).values())

    def configuration_of(self, task: Task) -> Compiled:
        """The configuration that the task was planned under."""
        return self.compiled(task.config_version)

    def plan_of(self, case: Case) -> Plan | None:
        """The case's plan as its tasks, all of which must be loaded, stand. None: its subject has no workflow any more."""
        workflow = self.compiled(case.config_version).workflows.get(case.subject)
        if workflow is None:
            return None
        tasks = [_planned(task) for task in self.tasks_of(case.id) if task.definition]
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
    ) -> None:
        """The task changed (its fields are set already): count its revision, tell of it, and keep `changes` in its history."""
        task.changed_by = cause.by
        case = None if task.case_id is None else self.cases[task.case_id]
        self.record_as(payloads.task_payload(event, task, case, self.configuration_of(task), state_before), task, cause)
        if changes is not None:
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
        self._emissions.append(Emission(payload, task.id, task.case_id or task.id, task.revision, cause, task.config_version, ordinal))

    def record_plan(self, case: Case, task_ids: tuple[UUID, ...], cause: Cause) -> None:
        """The case's plan was made (or is told of again)."""
        case.plan_revision += 1
        self.touch_case(case)
        payload = payloads.plan_payload(case, task_ids)
        plan_id = derive("plan", case.id)
        self._emissions.append(Emission(payload, plan_id, case.id, case.plan_revision, cause, case.config_version, 0))

    def _count(self) -> None:
        kinds = Counter(emission.payload.event_type for emission in self._emissions if not isinstance(emission.payload, PlanMade))
        for kind, count in kinds.items():
            metrics.TASKS.labels(kind.removeprefix("casestream.task.").removesuffix(".v1")).inc(count)
        plans = Counter(e.payload.subject for e in self._emissions if e.revision == 1 and isinstance(e.payload, PlanMade))
        for subject, count in plans.items():
            metrics.PLANS.labels(subject).inc(count)

    def save(self, tx: Transaction) -> None:
        """Write what changed and emit the events, in the order in which they were recorded."""
        repository.insert_new(tx, self._new_cases.values(), self._new_tasks.values())
        repository.save_cases(tx, self._changed_cases.values())
        repository.save_tasks(tx, self._changed_tasks.values())
        repository.save_history(tx, self._history)
        self._count()
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


def _planned(task: Task) -> PlannedTask:
    assert task.definition is not None  # noqa: S101 - for the type checker
    return PlannedTask(
        task.definition,
        task.state,
        task.starts_at or task.triggered_at,
        task.start_by,
        task.due_at,
        task.standing.ended_at,
    )
