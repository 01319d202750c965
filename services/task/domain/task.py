"""A task as this service keeps it, and what is recorded when it changes (TASK-8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.task.domain import lifecycle
from services.task.domain.case import Customer
from services.task.domain.lifecycle import TaskState
from services.task.domain.ownership import Owner
from shared.ids import CaseId, task_id


@dataclass(slots=True)
class Task:
    """A task as it is now. The handlers change it in place, within one transaction, under its case's lock."""

    id: UUID
    case_id: UUID | None
    """None: a follow-up that belongs to no case (TASK-3)."""
    definition: str | None
    config_version: int
    revision: int
    subject_line: str
    description: str
    """Empty on a task with a definition: the definition's holds."""
    standing: lifecycle.Standing
    """State, owner and assignee, as the standing cycle moves them."""
    unit: str
    """The unit whose work it is: whose leader sees it."""
    priority: str
    customer: Customer | None
    """Only of a task without a case; else the case's holds."""
    planned_at: datetime
    starts_at: datetime | None = None
    """When it is to start, while it waits for a lag."""
    start_by: datetime | None = None
    """Deadline for its start, from a maximum lag."""
    triggered_at: datetime | None = None
    due_at: datetime | None = None
    changed_by: str = "system"
    note_id: UUID | None = None
    """The note of a follow-up that came from one (CASE-10)."""
    firing_id: UUID | None = None
    """The firing of the automation rule that made it, if one did (AUTO-1)."""

    def of_case(self, id: UUID, case_id: UUID) -> Task:
        """The same task of another case, under its own id."""
        return Task(
            id,
            case_id,
            self.definition,
            self.config_version,
            self.revision,
            self.subject_line,
            self.description,
            self.standing,
            self.unit,
            self.priority,
            self.customer,
            self.planned_at,
            self.starts_at,
            self.start_by,
            self.triggered_at,
            self.due_at,
            self.changed_by,
        )

    @property
    def is_planned_with_case(self) -> bool:
        """Whether it is part of its case's plan, and not a single task of the same definition."""
        return self.case_id is not None and self.definition is not None and self.id == task_id(CaseId(self.case_id), self.definition)

    @property
    def state(self) -> TaskState:
        """Its standing-cycle state."""
        return self.standing.state

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self.standing.state in (TaskState.PENDING, TaskState.IN_PROGRESS)

    @property
    def owner(self) -> Owner:
        """Whom it is for."""
        return self.standing.owner

    @property
    def assignee(self) -> str | None:
        """Who has it."""
        return self.standing.assignee

    @property
    def completed_at(self) -> datetime | None:
        """When it was completed."""
        return self.standing.ended_at if self.standing.state is TaskState.COMPLETED else None

    @property
    def stage(self) -> str:
        """The stage whose message directs the user now (TASK-4): `contact` until work begins, `pending`, `complete`."""
        if self.standing.state is TaskState.COMPLETED:
            return "complete"
        return "contact" if self.standing.in_progress_at is None else "pending"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a task's history: `changes` has the old and the new value of each field."""

    task_id: UUID
    revision: int
    at: datetime
    changed_by: str
    event: str
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
