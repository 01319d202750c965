"""What is kept of a communication, and of the case it opens: their records, made from what was received and decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from services.case.domain.case import SYSTEM, Case
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.matching import Effect
from services.case.domain.quoting import case_number
from services.case.handlers.rules import Rules, SubjectRules
from services.case.storage.communications import Communication
from services.case.storage.contacts import Contact
from services.case.storage.records import Document
from shared.schemas.envelope import Event
from shared.schemas.events import CommunicationReceived
from shared.schemas.parts import CustomerRef

NO_ANSWERS = Document(b"[]")
HandleKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """A case to be opened: all but its number, which the database gives."""

    event: Event
    id: UUID
    subject: SubjectRules
    urgency: str
    impact: str
    priority: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on a communication. `suggested_case`: what it may belong to. `reason`: why it has no effect."""

    effect: Effect
    suggested_case: UUID | None = None
    reason: str = ""


def customer_handle(data: CommunicationReceived) -> HandleKey:
    """By what the customer is recognised: who wrote to us, or to whom we wrote."""
    value = data.recipients[0] if data.direction == "outbound" and data.recipients else data.sender.value
    kind = data.sender.kind
    return (kind, value.lower() if kind == "email" else value)


def customer_of(data: CommunicationReceived, contact: Contact | None) -> CustomerRef:
    """The customer as events name them."""
    kind, value = customer_handle(data)
    sender_name = data.sender.name if data.direction == "inbound" else ""
    return CustomerRef(
        contact_id=contact.id if contact else None,
        account_id=contact.account_id if contact else None,
        name=(contact.name if contact else "") or sender_name,
        email=value if kind == "email" else (contact.email if contact else ""),
    )


def communication_record(data: CommunicationReceived, decision: Decision, contact: Contact | None, config_version: int) -> Communication:
    """The communication's row."""
    return Communication(
        id=data.communication_id,
        revision=1,
        config_version=config_version,
        conversation_id=data.conversation_id,
        effect=decision.effect.value,
        direction=data.direction,
        method=data.method,
        channel_account=data.channel_account,
        location=data.location,
        sender_kind=data.sender.kind,
        sender=data.sender.value,
        sender_name=data.sender.name,
        recipients=data.recipients,
        contact_id=contact.id if contact else None,
        subject_line=data.subject_line,
        body=data.text,
        body_truncated=data.text_truncated,
        own_text_length=data.own_text_length,
        message_id=data.message_id,
        in_reply_to=data.in_reply_to,
        reference_ids=data.references,
        robot=data.robot,
        raw_sha256=data.raw.sha256 if data.raw else None,
        raw_size=data.raw.size if data.raw else None,
        occurred_at=data.occurred_at,
        received_at=data.received_at,
        script_answers=Document(orjson.dumps([answer.model_dump() for answer in data.script_answers]))
        if data.script_answers
        else NO_ANSWERS,
        suggested_case=decision.suggested_case,
        reason=decision.reason,
    )


def case_record(opening: Opening, customer: CustomerRef, count: int, rules: Rules, config_version: int, now: datetime) -> Case:
    """The new case's row. `count`: which one it is of all."""
    data: CommunicationReceived = opening.event.data
    subject = opening.subject
    status = subject.life_cycle.defaults[LifeCycle.PENDING]
    opened_at = min(data.received_at, now)  # the clock of the host that received it may run ahead
    return Case(
        id=opening.id,
        number=case_number(opened_at.year, count),
        revision=1,
        config_version=config_version,
        subject=subject.code,
        title=data.subject_line.strip() or subject.name,
        communication_id=data.communication_id,
        conversation_id=data.conversation_id,
        method=data.method,
        contact_id=customer.contact_id,
        account_id=customer.account_id,
        customer_name=customer.name,
        customer_email=customer.email,
        state=LifeCycle.PENDING,
        status=status,
        status_before=None,
        urgency=opening.urgency,
        impact=opening.impact,
        priority=opening.priority,
        category=subject.category,
        unit=rules.unit_for(subject, data.channel_account),
        owner=None,
        waiting_for_customer=subject.life_cycle.statuses[status].waiting_for_customer,
        needs_review=False,
        reason="",
        opened_at=opened_at,
        responded_at=None,
        resolved_at=None,
        completed_at=None,
        expected_completion_at=rules.expected_completion(subject, opened_at),
        changed_at=now,
        changed_by=SYSTEM,
    )
