"""What others learn of a lead: its whole state, with every event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.case.domain.leads.lead import LeadLifeCycle, Opened
from shared.schemas import events
from shared.schemas.events import InterestRef, LeadSource, LeadState
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

_STATES = {state: events.LeadLifeCycle(state.value) for state in LeadLifeCycle}


def emit_lead(tx: Transaction, kind: type[LeadState], opened: Opened, cause: UUID, now: datetime, traceparent: str) -> None:
    """Emit an event of this kind with the lead as it is now."""
    lead = opened.lead
    payload = kind(
        lead_id=lead.id,
        number=lead.number,
        lead_type=lead.type,
        title=lead.title,
        source=LeadSource(lead.source),
        communication_id=lead.communication_id,
        customer=CustomerRef(contact_id=lead.contact_id, account_id=lead.account_id, name=lead.customer_name, email=lead.customer_email),
        customer_phone=lead.customer_phone,
        state=_STATES[lead.state],
        status=lead.status,
        status_before=lead.status_before,
        priority=lead.priority,
        importance=lead.importance,
        category=lead.category,
        unit=lead.unit,
        owner=lead.owner,
        lost_reason=lead.lost_reason,
        competitors=tuple([competitor.name for competitor in opened.competitors]),
        interests=tuple([InterestRef.model_validate(interest._asdict()) for interest in opened.interests]),
        opened_at=lead.opened_at,
        started_at=lead.started_at,
        closed_at=lead.closed_at,
        expected_completion_at=lead.expected_completion_at,
        estimated_completion_at=lead.estimated_completion_at,
        changed_by=lead.changed_by,
        reason=lead.reason,
    )
    tx.emit(
        payload,
        aggregate_id=lead.id,
        key=lead.id,
        revision=lead.revision,
        cause=cause,
        time=now,
        config_version=lead.config_version,
        traceparent=traceparent,
    )
