"""One believable event of each type, as readers of the documents see it: a leak in a flat and what became of it. Nobody in it is real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    PAYLOADS,
    CaseState,
    ClockState,
    CommunicationReceived,
    CommunicationRecorded,
    ConfigurationPublished,
    ContactEvent,
    DeliveryState,
    StaffChanged,
    TaskState,
    UnitChanged,
)
from shared.schemas.topics import TOPICS

RECEIVED = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def example(payload: type[Payload]) -> Event:
    """An event of this type, the same every time."""
    data = payload.model_validate(_data(payload))
    key = _key(data)
    return Event(
        id=_id(payload.event_type),
        type=payload.event_type,
        source=f"/casestream/{TOPICS[payload.topic].owner.replace(' ', '-')}",
        subject=_subject(data),
        time=RECEIVED + timedelta(seconds=2),
        revision=1,
        config_version=3,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        key=key,
        data=data,
    )


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"https://casestream.example/{name}")


CASE, TASK, COMMUNICATION, CONVERSATION = _id("case"), _id("task"), _id("communication"), _id("conversation")

_CUSTOMER = {"contact_id": _id("contact"), "name": "Joan Example", "email": "joan@tenant.example"}
_CASE = {
    "case_id": CASE,
    "number": "C-2026-000042",
    "subject": "water-leak",
    "title": "Water through the kitchen ceiling",
    "communication_id": COMMUNICATION,
    "conversation_id": CONVERSATION,
    "method": "email",
    "customer": _CUSTOMER,
    "state": "pending",
    "status": "new",
    "urgency": "high",
    "impact": "medium",
    "priority": "normal",
    "unit": "repairs",
    "opened_at": RECEIVED,
    "expected_completion_at": RECEIVED + timedelta(days=3),
}
_TASK = {
    "task_id": TASK,
    "case_id": CASE,
    "case_number": "C-2026-000042",
    "case_title": "Water through the kitchen ceiling",
    "subject": "water-leak",
    "definition": "inspect-leak",
    "subject_line": "Inspect the leak",
    "description": "Find where the water comes from and make it safe.",
    "state": "pending",
    "owner": {"kind": "role", "code": "plumber"},
    "unit": "repairs",
    "priority": "high",
    "customer": _CUSTOMER,
    "planned_at": RECEIVED,
    "triggered_at": RECEIVED,
    "due_at": RECEIVED + timedelta(hours=4),
}
_CLOCK = {
    "clock_id": _id("clock"),
    "kind": "due",
    "item_kind": "task",
    "item_id": TASK,
    "case_id": CASE,
    "number": "C-2026-000042",
    "title": "Inspect the leak",
    "owner": {"kind": "role", "code": "plumber"},
    "unit": "repairs",
    "priority": "high",
    "method": "email",
    "subject": "water-leak",
    "started_at": RECEIVED,
    "due_at": RECEIVED + timedelta(hours=4),
    "fired_at": RECEIVED + timedelta(hours=3, minutes=12),
}
_RECORDED = {
    "communication_id": COMMUNICATION,
    "conversation_id": CONVERSATION,
    "method": "email",
    "case_ids": (CASE,),
    "customer": _CUSTOMER,
    "subject_line": "Water through the kitchen ceiling",
    "direction": "inbound",
    "occurred_at": RECEIVED,
}
_DELIVERY = {
    "delivery_id": _id("delivery"),
    "case_id": CASE,
    "item_kind": "task",
    "item_id": TASK,
    "definition": "task-assigned",
    "channel": "email",
    "recipient": "sam.plumber@housing.example",
    "message_id": "<a1b2c3@housing.example>",
    "state": "sent",
}
_STATES: tuple[tuple[type[Payload], dict[str, Any]], ...] = (
    (CaseState, _CASE),
    (TaskState, _TASK),
    (ClockState, _CLOCK),
    (CommunicationRecorded, _RECORDED),
    (DeliveryState, _DELIVERY),
)
_FURTHER: dict[str, dict[str, Any]] = {
    "casestream.contact-event.v1": {
        "source_system": "telephony",
        "external_id": "call-2026-03-02-0117",
        "method": "phone",
        "sender": {"kind": "phone", "value": "+441632960123", "name": "Joan Example"},
        "subject_line": "Water through the kitchen ceiling",
        "text": "Joan called: water is coming through the ceiling.",
        "occurred_at": RECEIVED,
        "subjects": ("water-leak",),
        "scripts": ({"script": "pre", "prompt": "Is anybody in danger?", "answer": "No, everybody is out of the kitchen."},),
    },
    "casestream.communication.received.v1": {
        "communication_id": COMMUNICATION,
        "conversation_id": CONVERSATION,
        "direction": "inbound",
        "method": "email",
        "channel_account": "contact@housing.example",
        "sender": {"kind": "email", "value": "joan@tenant.example", "name": "Joan Example"},
        "recipients": ("contact@housing.example",),
        "subject_line": "Water through the kitchen ceiling",
        "text": "Good morning, water is coming through the kitchen ceiling.",
        "message_id": "<20260302081500.1@tenant.example>",
        "occurred_at": RECEIVED,
        "received_at": RECEIVED + timedelta(seconds=1),
        "attachments": ({"sha256": "9f" * 32, "size": 20480, "filename": "ceiling.jpg", "content_type": "image/jpeg"},),
        "raw": {"sha256": "3c" * 32, "size": 24012, "content_type": "message/rfc822"},
    },
    "casestream.case.status-changed.v1": {
        "state": "responded",
        "status": "in-progress",
        "status_before": "new",
        "owner": "amira.hassan",
        "responded_at": RECEIVED + timedelta(minutes=20),
        "changed_by": "amira.hassan",
    },
    "casestream.case.assigned.v1": {"owner": "amira.hassan", "changed_by": "lena.lead"},
    "casestream.case.priority-changed.v1": {
        "urgency": "urgent",
        "priority": "high",
        "changed_by": "amira.hassan",
        "reason": "It is spreading.",
    },
    "casestream.communication.expired.v1": {"case_ids": ()},
    "casestream.task.planned.v1": {"state": "planned", "triggered_at": None, "due_at": None},
    "casestream.task.triggered.v1": {"assignee": "sam.plumber", "message": "Call the tenant before you go."},
    "casestream.task.status-changed.v1": {
        "state": "completed",
        "state_before": "in_progress",
        "assignee": "sam.plumber",
        "completed_at": RECEIVED + timedelta(hours=2),
        "changed_by": "sam.plumber",
    },
    "casestream.task.assigned.v1": {"assignee": "sam.plumber", "changed_by": "lena.lead"},
    "casestream.task.due-changed.v1": {"due_at": RECEIVED + timedelta(hours=6), "reason": "The tenant is out until noon."},
    "casestream.task.scheduled.v1": {
        "state": "planned",
        "triggered_at": None,
        "due_at": None,
        "starts_at": RECEIVED + timedelta(days=2),
    },
    "casestream.plan.made.v1": {"case_id": CASE, "subject": "water-leak", "task_ids": (TASK, _id("task-2"))},
    "casestream.clock.due-soon.v1": {"rung": "due-soon"},
    "casestream.clock.overdue.v1": {"rung": "overdue", "fired_at": RECEIVED + timedelta(hours=4)},
    "casestream.clock.expired.v1": {
        "kind": "expiry",
        "item_kind": "communication",
        "item_id": COMMUNICATION,
        "owner": None,
        "due_at": RECEIVED + timedelta(days=30),
        "fired_at": RECEIVED + timedelta(days=30),
    },
    "casestream.clock.lag-over.v1": {"kind": "lag", "due_at": RECEIVED + timedelta(days=2), "fired_at": RECEIVED + timedelta(days=2)},
    "casestream.clock.closed.v1": {"fired_at": RECEIVED + timedelta(hours=2), "outcome": "met"},
    "casestream.delivery.failed.v1": {"state": "failed", "error": "550 no such mailbox"},
    "casestream.staff.changed.v1": {
        "user": "sam.plumber",
        "name": "Sam Plumber",
        "email": "sam.plumber@housing.example",
        "unit": "repairs",
        "roles": ("plumber",),
    },
    "casestream.unit.changed.v1": {
        "unit": "repairs",
        "name": "Repairs",
        "email": "repairs@housing.example",
        "leader": "lena.lead",
        "members": ("sam.plumber", "lena.lead"),
    },
    "casestream.configuration.published.v1": {
        "version": 3,
        "digest": "5e" * 32,
        "applied_by": "amira.hassan",
        "applied_at": RECEIVED - timedelta(days=7),
        "document": {"organisation": {"name": "Housing"}},
    },
}


def _data(payload: type[Payload]) -> dict[str, Any]:
    common: dict[str, Any] = {}
    for state, values in _STATES:
        if issubclass(payload, state):
            common = values
    return common | _FURTHER.get(payload.event_type, {})


def _subject(data: Payload) -> str:
    """The aggregate's id, of which `revision` counts."""
    for field in ("clock_id", "task_id", "delivery_id", "communication_id", "case_id"):
        if hasattr(data, field) and not (field == "communication_id" and isinstance(data, CaseState)):
            return str(getattr(data, field))
    match data:
        case ContactEvent():
            return f"{data.source_system}/{data.external_id}"
        case ConfigurationPublished():
            return f"configuration:{data.version}"
        case _:
            return _key(data)


def _key(data: Payload) -> str:
    """The Kafka key, as the topic's owner chooses it (`shared.schemas.topics`)."""
    match data:
        case ContactEvent():
            return data.sender.value
        case CommunicationReceived():
            return str(data.conversation_id)
        case StaffChanged():
            return f"user:{data.user}"
        case UnitChanged():
            return f"unit:{data.unit}"
        case ConfigurationPublished():
            return str(data.version)
        case CommunicationRecorded() if not data.case_ids:
            return str(data.communication_id)
        case _:
            return str(CASE)


EXAMPLES: dict[str, Event] = {name: example(payload) for name, payload in PAYLOADS.items()}
