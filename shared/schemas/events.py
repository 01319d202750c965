"""Every event on the topics, as pydantic models: what the JSON Schemas and the AsyncAPI document are made from.

An event carries the state that a receiver needs, so nobody has to ask back. Fields may be added with a default; any other change is a new
version of the type (`.v2`), and the old one keeps decoding.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.parts import CustomerRef, FileRef, Handle, OwnerRef

Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Line = Annotated[str, StringConstraints(max_length=998)]
BODY_LIMIT_BYTES = 65_536
"""Longest text body inside an event, in bytes of UTF-8; a longer one is cut there, and whole in the file `raw`."""


class CaseLifeCycle(StrEnum):
    """Life-cycle states of a case."""

    PENDING = "pending"
    RESPONDED = "responded"
    TEMPORARILY_RESOLVED = "temporarily_resolved"
    FINALLY_RESOLVED = "finally_resolved"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TaskLifeCycle(StrEnum):
    """Life-cycle states of a task. `planned` waits for predecessors or a lag and cannot be worked on yet."""

    PLANNED = "planned"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ContactEvent(Payload):
    """An upstream system's word that a customer made contact (COM-6); also the body of ingest's `POST /contacts`."""

    event_type: ClassVar[str] = "casestream.contact-event.v1"
    topic: ClassVar[str] = topics.CONTACT_EVENTS

    source_system: Code
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """Unique within the source system: a repeat is the same contact."""
    method: Code
    """Communication method of the configuration."""
    direction: Literal["inbound", "outbound"] = "inbound"
    sender: Handle
    subject_line: Line = ""
    text: Annotated[str, StringConstraints(max_length=1_000_000)] = ""
    occurred_at: AwareDatetime
    conversation: Annotated[str, StringConstraints(max_length=200)] = ""
    """The source system's name for the conversation that this belongs to, if it has one."""
    subjects: tuple[Code, ...] = ()
    """Subjects chosen by the source; empty: routing decides."""


class CommunicationReceived(Payload):
    """One contact with a customer reached us (COM-1)."""

    event_type: ClassVar[str] = "casestream.communication.received.v1"
    topic: ClassVar[str] = topics.COMMUNICATIONS

    communication_id: UUID
    conversation_id: UUID
    direction: Literal["inbound", "outbound"]
    method: Code
    channel_account: str = ""
    """The nominated account it reached (a mailbox's address, a handle, a number), if any."""
    location: str = ""
    sender: Handle
    recipients: tuple[str, ...] = ()
    subject_line: Line = ""
    text: str = ""
    text_truncated: bool = False
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    attachments: tuple[FileRef, ...] = ()
    raw: FileRef | None = None
    """The whole message as it came."""
    robot: Literal["none", "auto_reply", "bounce", "bulk"] = "none"
    """Why it counts as sent by a machine (COM-7)."""
    subjects: tuple[Code, ...] = ()
    """Subjects chosen at the source; empty: routing decides."""


class CaseState(Payload):
    """A case as it is now: the data of every event on a case."""

    topic: ClassVar[str] = topics.CASES

    case_id: UUID
    number: str
    subject: Code
    title: Line
    communication_id: UUID
    conversation_id: UUID
    method: Code
    customer: CustomerRef
    state: CaseLifeCycle
    status: Code
    status_before: Code | None = None
    urgency: Code
    impact: Code
    priority: Code
    category: str = ""
    unit: Code
    owner: str | None = None
    """The user who has it."""
    waiting_for_customer: bool = False
    opened_at: AwareDatetime
    responded_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    expected_completion_at: AwareDatetime | None = None
    changed_by: str = "system"
    reason: str = ""
    """Why the last change was made, where a reason was given; `expired` when expiry cancelled it (COM-8)."""


class CaseOpened(CaseState):
    """A communication opened this case (CASE-1)."""

    event_type: ClassVar[str] = "casestream.case.opened.v1"


class CaseStatusChanged(CaseState):
    """The case's status changed, and with it perhaps its life-cycle state (CASE-3)."""

    event_type: ClassVar[str] = "casestream.case.status-changed.v1"


class CaseAssigned(CaseState):
    """The case was assigned or accepted (CASE-7)."""

    event_type: ClassVar[str] = "casestream.case.assigned.v1"


class CasePriorityChanged(CaseState):
    """Urgency or impact changed (CASE-5)."""

    event_type: ClassVar[str] = "casestream.case.priority-changed.v1"


class CaseRepublished(CaseState):
    """The case as it is now, sent again for a consumer that starts anew; nothing happened to it."""

    event_type: ClassVar[str] = "casestream.case.republished.v1"


class CommunicationRecorded(Payload):
    """case recorded a communication: activity on its conversation, and what its expiry depends on (COM-8)."""

    event_type: ClassVar[str] = "casestream.communication.recorded.v1"
    topic: ClassVar[str] = topics.CASES

    communication_id: UUID
    conversation_id: UUID
    method: Code
    case_ids: tuple[UUID, ...]
    """The cases it opened or joined."""
    customer: CustomerRef
    subject_line: Line = ""
    direction: Literal["inbound", "outbound"]
    robot: str = "none"
    occurred_at: AwareDatetime


class CommunicationExpired(CommunicationRecorded):
    """The communication expired after its method's time without activity (COM-8)."""

    event_type: ClassVar[str] = "casestream.communication.expired.v1"


class TaskState(Payload):
    """A task as it is now: the data of every event on a task (TASK-8)."""

    topic: ClassVar[str] = topics.TASKS

    task_id: UUID
    case_id: UUID
    case_number: str
    case_title: Line = ""
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
    changed_by: str = "system"


class TaskPlanned(TaskState):
    """The task is part of its case's plan and waits for its predecessors (TASK-2)."""

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


class TaskScheduled(TaskState):
    """The task's predecessors are done; it starts at `starts_at`, after its lag (EDGE-5)."""

    event_type: ClassVar[str] = "casestream.task.scheduled.v1"


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


class ItemKind(StrEnum):
    """What a clock is on."""

    CASE = "case"
    TASK = "task"
    COMMUNICATION = "communication"


class ClockKind(StrEnum):
    """What a clock measures."""

    DUE = "due"
    RESPONSE = "response"
    TEMPORARY_RESOLUTION = "temporary_resolution"
    RESOLUTION = "resolution"
    COMPLETION = "completion"
    EXPIRY = "expiry"
    LAG = "lag"


class ClockState(Payload):
    """A clock of sla and what just happened to it: the data of every event on `casestream.sla`."""

    topic: ClassVar[str] = topics.SLA

    clock_id: UUID
    kind: ClockKind
    item_kind: ItemKind
    item_id: UUID
    case_id: UUID | None
    number: str = ""
    """The case's number."""
    title: Line = ""
    owner: OwnerRef | None = None
    assignee: str | None = None
    unit: str = ""
    priority: str = ""
    method: str = ""
    subject: str = ""
    started_at: AwareDatetime
    due_at: AwareDatetime
    fired_at: AwareDatetime
    late: bool = False
    """It fell due while nobody was there to fire it."""
    rung: Code = "none"
    """Which step of the ladder fired: `due-soon`, `overdue`, ..."""
    repetition: int = 0


class ClockStarted(ClockState):
    """The clock runs."""

    event_type: ClassVar[str] = "casestream.clock.started.v1"


class ClockDueSoon(ClockState):
    """The item is due soon."""

    event_type: ClassVar[str] = "casestream.clock.due-soon.v1"


class ClockOverdue(ClockState):
    """The item's time is over and it is not done."""

    event_type: ClassVar[str] = "casestream.clock.overdue.v1"


class ClockExpired(ClockState):
    """A communication had no activity for its method's time."""

    event_type: ClassVar[str] = "casestream.clock.expired.v1"


class ClockLagOver(ClockState):
    """A task's lag is over: task starts it."""

    event_type: ClassVar[str] = "casestream.clock.lag-over.v1"


class ClockWithdrawn(ClockState):
    """An alert that an earlier event, read later, proved wrong."""

    event_type: ClassVar[str] = "casestream.clock.withdrawn.v1"


class ClockClosed(ClockState):
    """The clock stopped for good: the item is done or cancelled. `due_at` against `fired_at` says whether it was met."""

    event_type: ClassVar[str] = "casestream.clock.closed.v1"

    outcome: Literal["met", "missed", "cancelled"] = "met"


class DeliveryState(Payload):
    """A message to somebody and what became of it (NOTE-2)."""

    topic: ClassVar[str] = topics.NOTIFICATIONS

    delivery_id: UUID
    case_id: UUID | None
    item_kind: ItemKind
    item_id: UUID
    definition: Code
    channel: Literal["email", "sms"]
    recipient: str
    message_id: str = ""
    state: Literal["queued", "sent", "failed", "bounced"]
    error: str = ""


class DeliverySent(DeliveryState):
    """The server took the message."""

    event_type: ClassVar[str] = "casestream.delivery.sent.v1"


class DeliveryFailed(DeliveryState):
    """The message is given up, with the reason."""

    event_type: ClassVar[str] = "casestream.delivery.failed.v1"


class StaffChanged(Payload):
    """A member of staff as they are now; key `user:<id>`."""

    event_type: ClassVar[str] = "casestream.staff.changed.v1"
    topic: ClassVar[str] = topics.DIRECTORY

    user: str
    name: str
    email: str
    unit: Code
    roles: tuple[Code, ...] = ()
    active: bool = True


class UnitChanged(Payload):
    """A business unit as it is now; key `unit:<code>`."""

    event_type: ClassVar[str] = "casestream.unit.changed.v1"
    topic: ClassVar[str] = topics.DIRECTORY

    unit: Code
    name: str
    email: str = ""
    leader: str | None = None
    manager: str | None = None
    members: tuple[str, ...] = ()


class ConfigurationPublished(Payload):
    """A version of the configuration, whole; key: the version. `document` is a `Configuration` as JSON."""

    event_type: ClassVar[str] = "casestream.configuration.published.v1"
    topic: ClassVar[str] = topics.CONFIGURATION

    version: Annotated[int, Field(ge=1)]
    digest: str
    applied_by: str
    applied_at: datetime
    document: dict[str, object]


PAYLOADS: dict[str, type[Payload]] = {
    payload.event_type: payload
    for payload in (
        ContactEvent,
        CommunicationReceived,
        CaseOpened,
        CaseStatusChanged,
        CaseAssigned,
        CasePriorityChanged,
        CaseRepublished,
        CommunicationRecorded,
        CommunicationExpired,
        TaskPlanned,
        TaskTriggered,
        TaskStatusChanged,
        TaskAssigned,
        TaskDueChanged,
        TaskScheduled,
        TaskRepublished,
        PlanMade,
        ClockStarted,
        ClockDueSoon,
        ClockOverdue,
        ClockExpired,
        ClockLagOver,
        ClockWithdrawn,
        ClockClosed,
        DeliverySent,
        DeliveryFailed,
        StaffChanged,
        UnitChanged,
        ConfigurationPublished,
    )
}
"""Every type of event that this release can read, by its CloudEvents type."""
