"""What is kept of a communication, and of the case it opens: their records, made from what was received and decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import orjson

from services.case.domain.case import SYSTEM, Case
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.matching import Effect
from services.case.domain.quoting import case_number
from services.case.domain.routing import Routed
from services.case.handlers.rules import Rules, SubjectRules
from services.case.storage.communications import Communication
from services.case.storage.contacts import Contact
from services.case.storage.records import Document
from shared.ids import case_id
from shared.schemas.events import CommunicationReceived
from shared.schemas.parts import CustomerRef, Handle

NO_ANSWERS = Document(b"[]")
HandleKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """A case to be opened: all but its number, which the database gives."""

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


class Contacting(Protocol):
    """Who was in contact with us: a communication that is received, or one that is kept."""

    @property
    def direction(self) -> str: ...
    @property
    def sender(self) -> Handle: ...
    @property
    def recipients(self) -> Sequence[str]: ...


class Source(Contacting, Protocol):
    """What a case takes over from the communication that it is opened from."""

    @property
    def communication_id(self) -> UUID: ...
    @property
    def conversation_id(self) -> UUID: ...
    @property
    def method(self) -> str: ...
    @property
    def channel_account(self) -> str: ...
    @property
    def subject_line(self) -> str: ...


def customer_handle(data: Contacting) -> HandleKey:
    """By what the customer is recognised: who wrote to us, or to whom we wrote."""
    value = data.recipients[0] if data.direction == "outbound" and data.recipients else data.sender.value
    kind = data.sender.kind
    return (kind, value.lower() if kind == "email" else value)


def customer_of(data: Contacting, contact: Contact | None) -> CustomerRef:
    """The customer as events name them."""
    kind, value = customer_handle(data)
    sender_name = data.sender.name if data.direction == "inbound" else ""
    return CustomerRef(
        contact_id=contact.id if contact else None,
        account_id=contact.account_id if contact else None,
        name=(contact.name if contact else "") or sender_name,
        email=value if kind == "email" else (contact.email if contact else ""),
        phone=value if kind == "phone" else "",
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
        old=data.old,
        entered_by=data.entered_by,
    )


def opening_of(communication: UUID, routed: Routed, rules: Rules) -> Opening:
    """The case that this communication opens under a subject. Raises `PriorityRefused`."""
    subject = rules.subjects[routed.subject]
    urgency, impact = routed.urgency or subject.urgency, routed.impact or subject.impact
    priority = rules.priorities.priority(urgency, impact)
    return Opening(case_id(communication, subject.code), subject, urgency, impact, priority)


def case_record(
    source: Source,
    opening: Opening,
    customer: CustomerRef,
    count: int,
    rules: Rules,
    config_version: int,
    opened_at: datetime,
    now: datetime,
    by: str = SYSTEM,
    area: str = "",
) -> Case:
    """The new case's row. `count`: which one it is of all. `by`: the member of staff who opens it. `area`: the contact's."""
    subject = opening.subject
    status = subject.life_cycle.defaults[LifeCycle.PENDING]
    return Case(
        id=opening.id,
        number=case_number(opened_at.year, count),
        revision=1,
        config_version=config_version,
        subject=subject.code,
        title=source.subject_line.strip() or subject.name,
        communication_id=source.communication_id,
        conversation_id=source.conversation_id,
        method=source.method,
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
        unit=rules.unit_for(subject, source.channel_account, area),
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
        changed_by=by,
    )
