"""On plans and tasks: keep what completion of a case waits for (CASE-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.case.storage import plans
from services.case.storage.plans import CasePlan, CaseTask
from shared.messaging import Handler
from shared.schemas.envelope import Event
from shared.schemas.events import PlanMade, TaskLifeCycle, TaskStatusChanged
from shared.storage import Transaction

_DONE = frozenset({TaskLifeCycle.COMPLETED, TaskLifeCycle.CANCELLED})


@dataclass(slots=True)
class TaskBatch:
    """What a batch says of plans and tasks."""

    plans: dict[UUID, CasePlan] = field(default_factory=dict)
    tasks: dict[UUID, CaseTask] = field(default_factory=dict)


def handler() -> Handler[TaskBatch]:
    """The three steps of `casestream.tasks`, for the consumer loop."""
    return Handler(load=load, apply={PlanMade: plan_made, TaskStatusChanged: status_changed}, save=save)


def load(_tx: Transaction, _events: Sequence[Event]) -> TaskBatch:
    """Nothing: the newest word on a task decides, whatever was known before."""
    return TaskBatch()


def plan_made(batch: TaskBatch, event: Event) -> None:
    """A case's plan names its tasks; a later one may add some."""
    data: PlanMade = event.data
    earlier = batch.plans.get(data.case_id)
    known = earlier.task_ids if earlier else ()
    batch.plans[data.case_id] = CasePlan(data.case_id, tuple(dict.fromkeys((*known, *data.task_ids))))


def status_changed(batch: TaskBatch, event: Event) -> None:
    """A task is open or done; of several words on one the highest revision counts."""
    data: TaskStatusChanged = event.data
    earlier = batch.tasks.get(data.task_id)
    if earlier is None or earlier.revision < event.revision:
        batch.tasks[data.task_id] = CaseTask(data.task_id, data.case_id, event.revision, data.state not in _DONE)


def save(tx: Transaction, batch: TaskBatch) -> None:
    """Write what is new."""
    plans.keep_plans(tx, list(batch.plans.values()))
    plans.keep_tasks(tx, list(batch.tasks.values()))
