"""Builders for sla's tests: cases and tasks as events, and the alerts that come of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.ids import derive, event_id
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    CaseLifeCycle,
    CaseOpened,
    CaseState,
    CommunicationRecorded,
    LeadLifeCycle,
    LeadOpened,
    LeadSource,
    LeadState,
    TaskLifeCycle,
    TaskState,
    TaskTriggered,
)
from shared.schemas.parts import CustomerRef, OwnerRef

NOBODY = CustomerRef(contact_id=None)


def a_case_id(name: object = 1) -> UUID:
    """The id of the test's case of this name."""
    return derive("test-case", name)


def a_task(name: object = 1, kind: type[TaskState] = TaskTriggered, **changes: Any) -> TaskState:
    """A task that can be worked on; `triggered_at` and `due_at` are usually given."""
    case_id = changes.pop("case_id", a_case_id(name))
    at = changes.get("triggered_at") or datetime.now(UTC)
    given: dict[str, Any] = {
        "task_id": derive("test-task", name),
        "case_id": case_id,
        "case_number": "C-1",
        "subject": "leak",
        "definition": "inspect-leak",
        "subject_line": "Inspect the leak",
        "state": TaskLifeCycle.PENDING,
        "owner": OwnerRef(kind="role", code="plumber"),
        "assignee": "paul",
        "unit": "repairs",
        "priority": "high",
        "customer": NOBODY,
        "planned_at": at,
        "triggered_at": at,
    }
    return kind(**given | changes)


def a_case(name: object = 1, kind: type[CaseState] = CaseOpened, **changes: Any) -> CaseState:
    """A case about a leak."""
    given: dict[str, Any] = {
        "case_id": a_case_id(name),
        "number": "C-1",
        "subject": "leak",
        "title": "Water everywhere",
        "communication_id": derive("test-communication", name),
        "conversation_id": derive("test-conversation", name),
        "method": "email",
        "customer": NOBODY,
        "state": CaseLifeCycle.PENDING,
        "status": "new",
        "urgency": "high",
        "impact": "high",
        "priority": "high",
        "unit": "repairs",
        "opened_at": datetime.now(UTC),
    }
    return kind(**given | changes)


def a_lead(name: object = 1, kind: type[LeadState] = LeadOpened, **changes: Any) -> LeadState:
    """A lead about a garage; `expected_completion_at` is usually given."""
    given: dict[str, Any] = {
        "lead_id": derive("test-lead", name),
        "number": "L-1",
        "lead_type": "garage",
        "title": "A garage",
        "source": LeadSource.WEBSITE,
        "customer": NOBODY,
        "state": LeadLifeCycle.PENDING,
        "status": "new",
        "priority": 6,
        "importance": 8,
        "unit": "sales",
        "owner": "sam",
        "opened_at": datetime.now(UTC),
    }
    return kind(**given | changes)


def a_communication(name: object = 1, kind: type[CommunicationRecorded] = CommunicationRecorded, **changes: Any) -> CommunicationRecorded:
    """A communication that case recorded."""
    given: dict[str, Any] = {
        "communication_id": derive("test-communication", name),
        "conversation_id": derive("test-conversation", name),
        "method": "email",
        "case_ids": (),
        "customer": NOBODY,
        "direction": "inbound",
        "occurred_at": datetime.now(UTC),
    }
    return kind(**given | changes)


def as_event(data: Payload, revision: int = 1, at: datetime | None = None, config_version: int = 1) -> Event:
    """The event that tells this."""
    if isinstance(data, TaskState):
        aggregate, key = data.task_id, data.case_id
    elif isinstance(data, CaseState):
        aggregate, key = data.case_id, data.case_id
    elif isinstance(data, LeadState):
        aggregate, key = data.lead_id, data.lead_id
    elif isinstance(data, CommunicationRecorded):
        aggregate, key = data.communication_id, data.case_ids[0] if data.case_ids else data.communication_id
    else:
        raise TypeError(type(data))
    cause = derive("test-cause", aggregate, revision)
    time = at or datetime.now(UTC)
    return Event(
        event_id(cause, aggregate, data.event_type),
        data.event_type,
        "/test",
        str(aggregate),
        time,
        revision,
        config_version,
        "",
        str(key),
        data,
    )
