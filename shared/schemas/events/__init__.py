"""Every event on the topics, as pydantic models: what the JSON Schemas and the AsyncAPI document are made from.

An event carries the state that a receiver needs, so nobody has to ask back. Fields may be added with a default; any other change is a new
version of the type (`.v2`), and the old one keeps decoding.
"""

from __future__ import annotations

from shared.schemas.envelope import Payload
from shared.schemas.events.case import (
    CaseAssigned,
    CaseLifeCycle,
    CaseOpened,
    CasePriorityChanged,
    CaseRepublished,
    CaseState,
    CaseStatusChanged,
    CommunicationBounced,
    CommunicationExpired,
    CommunicationRecorded,
)
from shared.schemas.events.desk import ConfigurationPublished, StaffChanged, UnitChanged
from shared.schemas.events.ingest import CommunicationReceived, ContactEvent
from shared.schemas.events.notify import DeliveryBounced, DeliveryFailed, DeliverySent, DeliveryState
from shared.schemas.events.sla import (
    ClockClosed,
    ClockDueSoon,
    ClockExpired,
    ClockKind,
    ClockLagOver,
    ClockOverdue,
    ClockState,
    ClockWithdrawn,
    ItemKind,
)
from shared.schemas.events.task import (
    PlanMade,
    TaskAssigned,
    TaskDueChanged,
    TaskLifeCycle,
    TaskPlanned,
    TaskRepublished,
    TaskScheduled,
    TaskState,
    TaskStatusChanged,
    TaskTriggered,
)
from shared.schemas.events.texts import BODY_LIMIT_BYTES, Code, Line

__all__ = [
    "BODY_LIMIT_BYTES",
    "PAYLOADS",
    "CaseAssigned",
    "CaseLifeCycle",
    "CaseOpened",
    "CasePriorityChanged",
    "CaseRepublished",
    "CaseState",
    "CaseStatusChanged",
    "ClockClosed",
    "ClockDueSoon",
    "ClockExpired",
    "ClockKind",
    "ClockLagOver",
    "ClockOverdue",
    "ClockState",
    "ClockWithdrawn",
    "Code",
    "CommunicationBounced",
    "CommunicationExpired",
    "CommunicationReceived",
    "CommunicationRecorded",
    "ConfigurationPublished",
    "ContactEvent",
    "DeliveryBounced",
    "DeliveryFailed",
    "DeliverySent",
    "DeliveryState",
    "ItemKind",
    "Line",
    "PlanMade",
    "StaffChanged",
    "TaskAssigned",
    "TaskDueChanged",
    "TaskLifeCycle",
    "TaskPlanned",
    "TaskRepublished",
    "TaskScheduled",
    "TaskState",
    "TaskStatusChanged",
    "TaskTriggered",
    "UnitChanged",
]

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
        CommunicationBounced,
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
        ClockDueSoon,
        ClockOverdue,
        ClockExpired,
        ClockLagOver,
        ClockWithdrawn,
        ClockClosed,
        DeliverySent,
        DeliveryBounced,
        DeliveryFailed,
        StaffChanged,
        UnitChanged,
        ConfigurationPublished,
    )
}
"""Every type of event that this release can read, by its CloudEvents type."""
