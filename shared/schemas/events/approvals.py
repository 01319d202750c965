"""What task publishes of approvals (TASK-4, AUTO-1, EDGE-6)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line


class ApprovalLifeCycle(StrEnum):
    """Where an approval stands. `asked` and `declined` block what they are for."""

    ASKED = "asked"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ApprovalChanged(Payload):
    """An approval as it is now: the data of every event on one."""

    topic: ClassVar[str] = topics.TASKS

    approval_id: UUID
    case_id: UUID
    """Of a task that belongs to no case, the task's."""
    case_number: str = ""
    case_title: Line = ""
    task_id: UUID | None = None
    """None: the case itself waits for it."""
    subject_line: Line = ""
    """The task's."""
    unit: Code | None = None
    """The unit whose work it is."""
    before: Literal["start", "completion"] = "completion"
    """What cannot go on without it."""
    what: Line
    """What is to be approved."""
    approver: str
    """The user who is to decide."""
    asked_by: str
    asked_at: AwareDatetime
    held_since: AwareDatetime
    """Since when it is up to this approver."""
    state: ApprovalLifeCycle
    decided_by: str | None = None
    decided_at: AwareDatetime | None = None
    comment: str = ""
    delegated_from: str | None = None
    reminders: int = 0
    """How often the approver was reminded."""
    note: str = ""
    """What was said when it was handed on, or its links were revoked."""
    changed_by: str = "system"


class ApprovalAsked(ApprovalChanged):
    """Somebody is asked to approve something, for the first time or again."""

    event_type: ClassVar[str] = "casestream.approval.asked.v1"


class ApprovalDecided(ApprovalChanged):
    """It was approved or declined."""

    event_type: ClassVar[str] = "casestream.approval.decided.v1"


class ApprovalWithdrawn(ApprovalChanged):
    """Nobody waits for it any more."""

    event_type: ClassVar[str] = "casestream.approval.withdrawn.v1"


class ApprovalDelegated(ApprovalChanged):
    """It was handed to another user, who is to decide now."""

    event_type: ClassVar[str] = "casestream.approval.delegated.v1"


class ApprovalLinksRevoked(ApprovalChanged):
    """The links to it that were sent until then are void; it is asked as before."""

    event_type: ClassVar[str] = "casestream.approval.links-revoked.v1"


class ApprovalReminded(ApprovalChanged):
    """The approver has not decided yet, and is reminded."""

    event_type: ClassVar[str] = "casestream.approval.reminded.v1"
