"""What task publishes: plans and tasks as they change."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import CustomerRef, OwnerRef


class TaskLifeCycle(StrEnum):
    """Life-cycle states of a task. `planned` waits for predecessors or a lag and cannot be worked on yet."""

    PLANNED = "planned"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TaskState(Payload):
    """A task as it is now: the data of every event on a task (TASK-8)."""

    topic: ClassVar[str] = topics.TASKS

    task_id: UUID
    case_id: UUID
    case_number: str
    case_title: Line = ""
    lead_id: UUID | None = None
    """The lead that it was scheduled for: `case_id`, `case_number` and `case_title` are then the lead's."""
    subject: Code
    definition: Code | None
    """None: added by hand, without a definition (TASK-3)."""
    subject_line: Line
    description: str = ""
    message: str = ""
    """What the definition tells the user at the task's present stage."""
    state: TaskLifeCycle
    state_before: TaskLifeCycle | None = None
    owner: OwnerRef
    """Whom it is for: a user, or anybody of a role or unit."""
    assignee: str | None = None
    """The one user who has it, once known."""
    unit: Code
    priority: Code
    customer: CustomerRef
    planned_at: AwareDatetime
    starts_at: AwareDatetime | None = None
    """Set while it waits for a lag: when it is to start."""
    triggered_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    reason: str = ""
    """Why it was cancelled; or, where no person gave it to its assignee, why they got it."""
    changed_by: str = "system"
    note_id: UUID | None = None
    """The note that it came from, of a follow-up that did (CASE-10)."""
    start_by: AwareDatetime | None = None
    """By when work on it is to begin, from a maximum lag (EDGE-5); it may be known before its predecessors have all ended."""
    in_progress_at: AwareDatetime | None = None
    """When work on it first began."""


class TaskPlanned(TaskState):
    """The task is part of its case's plan and waits for its predecessors (TASK-2): from the beginning, or again."""

    event_type: ClassVar[str] = "casestream.task.planned.v1"


class TaskTriggered(TaskState):
    """The task can be worked on from now; it has a due time and, where known, an assignee (TASK-2)."""

    event_type: ClassVar[str] = "casestream.task.triggered.v1"


class TaskStatusChanged(TaskState):
    """The task's life-cycle state changed (TASK-6)."""

    event_type: ClassVar[str] = "casestream.task.status-changed.v1"


class TaskAssigned(TaskState):
    """The task got another owner or assignee (TASK-7)."""

    event_type: ClassVar[str] = "casestream.task.assigned.v1"


class TaskDueChanged(TaskState):
    """The task's due time was modified."""

    event_type: ClassVar[str] = "casestream.task.due-changed.v1"


class TaskServiceWaived(TaskState):
    """A mandatory service was waived: the task is completed without its minimum. Or it is required again (TASK-10)."""

    event_type: ClassVar[str] = "casestream.task.service-waived.v1"

    service: Code
    waived: bool
    """False: it is required again."""


class TaskScheduled(TaskState):
    """The task's predecessors are done; it starts at `starts_at`, after its lag (EDGE-5)."""

    event_type: ClassVar[str] = "casestream.task.scheduled.v1"


class TaskStartByChanged(TaskState):
    """A task that still waits got a `start_by`, or another one (EDGE-5)."""

    event_type: ClassVar[str] = "casestream.task.start-by-changed.v1"


class TaskRepublished(TaskState):
    """The task as it is now, sent again for a consumer that starts anew; nothing happened to it."""

    event_type: ClassVar[str] = "casestream.task.republished.v1"


class PlanMade(Payload):
    """task has planned this case's workflow: from here on its tasks are known (CASE-8 depends on it)."""

    event_type: ClassVar[str] = "casestream.plan.made.v1"
    topic: ClassVar[str] = topics.TASKS

    case_id: UUID
    subject: Code
    task_ids: tuple[UUID, ...]
