"""Builders for tests of cases: a configuration with the corners that cases have, cases, and events that reach the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.life_cycle import LifeCycle
from shared.ids import communication_id, conversation_id, derive
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    ApprovalChanged,
    ClockExpired,
    ClockKind,
    CommunicationReceived,
    ItemKind,
    PlanMade,
    TaskLifeCycle,
    TaskStatusChanged,
)
from shared.schemas.parts import CustomerRef, Handle, OwnerRef
from tests.support.configuration import METHODS, STATUSES, SUBJECTS, a_configuration

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
_numbers = count(1)


def a_case_configuration(*, phone: dict[str, Any] | None = None, **changes: Any) -> Configuration:
    """The tests' organisation, sections replaced by keyword, with tweets that expire and a subject with transition rules.

    `phone` stands in for the communication method of calls.
    """
    tweets = {"code": "social", "name": "Social media", "directions": ["inbound"], "expire_after": "2 hours"}
    complaint = {
        "code": "complaint",
        "name": "Complaint",
        "transitions": [
            {"from_status": "new", "to_status": "answered", "units": ["contact-centre"]},
            {"from_status": "answered", "to_status": "resolved", "users": ["max"]},
            {"from_status": "resolved", "to_status": "answered"},
            {"from_status": "resolved", "to_status": "closed"},
            {"from_status": "closed", "to_status": "answered", "users": ["max"], "reopens": True},
        ],
    }
    methods = [phone if phone and method["code"] == phone["code"] else method for method in METHODS]
    return a_configuration(methods=[*methods, tweets], subjects=[*SUBJECTS, complaint], statuses=STATUSES, **changes)


def a_case(**changes: Any) -> Case:
    """A pending case of the unit `repairs` that nobody has yet."""
    number = next(_numbers)
    case = Case(
        id=derive("test case", number),
        number=f"C-2026-{number:06d}",
        revision=1,
        config_version=1,
        subject="leak",
        title="Water under the sink",
        communication_id=derive("test communication", number),
        conversation_id=derive("test conversation", number),
        method="email",
        contact_id=derive("test contact", number),
        account_id=None,
        customer_name="Ann Customer",
        customer_email="ann@customer.example",
        state=LifeCycle.PENDING,
        status="new",
        status_before=None,
        urgency="normal",
        impact="normal",
        priority="normal",
        category="",
        unit="repairs",
        owner=None,
        waiting_for_customer=False,
        needs_review=False,
        reason="",
        opened_at=NOW,
        responded_at=None,
        resolved_at=None,
        completed_at=None,
        expected_completion_at=None,
        changed_at=NOW,
        changed_by="system",
    )
    return case._replace(**changes)


def an_event(data: Payload, *, id: UUID | None = None, subject: UUID | None = None, revision: int = 1, time: datetime = NOW) -> Event:
    """An event as the consumer loop hands it to a handler."""
    about = subject or derive("test subject", next(_numbers))
    return Event(
        id=id or derive("test event", next(_numbers)),
        type=data.event_type,
        source="/casestream/test",
        subject=str(about),
        time=time,
        revision=revision,
        config_version=1,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        key=str(about),
        data=data,
    )


def a_mail(
    subject_line: str = "Question",
    text: str = "When is the office open?",
    *,
    sender: str | Handle = "ann@customer.example",
    name: str = "Ann Customer",
    reply_to: CommunicationReceived | None = None,
    message_id: str | None = None,
    **changes: Any,
) -> CommunicationReceived:
    """An inbound mail that starts a conversation, or with `reply_to` answers one."""
    own_id = message_id or f"<{next(_numbers)}@customer.example>"
    threading: dict[str, Any] = {"conversation_id": conversation_id(own_id)}
    if reply_to is not None:
        threading = {
            "conversation_id": reply_to.conversation_id,
            "in_reply_to": reply_to.message_id,
            "references": (reply_to.message_id,),
        }
    given: dict[str, Any] = {
        "communication_id": communication_id(own_id, subject_line + text),
        "direction": "inbound",
        "method": "email",
        "channel_account": "contact@housing.example",
        "sender": Handle(kind="email", value=sender, name=name) if isinstance(sender, str) else sender,
        "recipients": ("contact@housing.example",),
        "subject_line": subject_line,
        "text": text,
        "message_id": own_id if message_id is None else message_id,
        "occurred_at": NOW - timedelta(minutes=1),
        "received_at": NOW,
    }
    return CommunicationReceived(**(given | threading | changes))


def received(data: CommunicationReceived) -> Event:
    """The event of this communication; its id does not depend on when it is made."""
    return an_event(data, id=derive("test received", data.communication_id), subject=data.communication_id)


def an_expiry(communication: UUID) -> Event:
    """sla's word that this communication had no activity for its time."""
    data = ClockExpired(
        clock_id=derive("clock", communication),
        kind=ClockKind.EXPIRY,
        item_kind=ItemKind.COMMUNICATION,
        item_id=communication,
        case_id=None,
        started_at=NOW,
        due_at=NOW,
        fired_at=NOW,
    )
    return an_event(data)


def a_plan(case_id: UUID, *task_ids: UUID) -> Event:
    """task's word that the case's workflow is planned."""
    return an_event(PlanMade(case_id=case_id, subject="leak", task_ids=task_ids))


def an_approval_change(event: type[ApprovalChanged], case_id: UUID, id: UUID, revision: int, **changes: Any) -> Event:
    """task's word on an approval that the case waits for, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "approval_id": id,
        "case_id": case_id,
        "what": "Pay the hotel",
        "approver": "max",
        "asked_by": "rita",
        "asked_at": NOW,
        "held_since": NOW,
        "state": "asked",
    }
    return an_event(event.model_validate(fields | changes), subject=id, revision=revision)


def a_task_change(case_id: UUID, task_id: UUID, state: TaskLifeCycle, revision: int) -> Event:
    """task's word that a task's state changed."""
    data = TaskStatusChanged(
        task_id=task_id,
        case_id=case_id,
        case_number="C-2026-000001",
        subject="leak",
        definition="fix-leak",
        subject_line="Fix the leak",
        state=state,
        owner=OwnerRef(kind="role", code="plumber"),
        unit="repairs",
        priority="normal",
        customer=CustomerRef(contact_id=None),
        planned_at=NOW,
    )
    return an_event(data, subject=task_id, revision=revision)
