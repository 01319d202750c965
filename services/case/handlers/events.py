"""What others learn of a case: its whole state, with every event."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.life_cycle import LifeCycle
from shared.schemas.events import CaseLifeCycle, CaseState
from shared.schemas.parts import CustomerRef
from shared.storage import Transaction

_STATES = {state: CaseLifeCycle(state.value) for state in LifeCycle}


def emit_case(tx: Transaction, kind: type[CaseState], case: Case, cause: UUID, now: datetime, traceparent: str, **further: Any) -> None:
    """Emit an event of this kind with the case as it is now. `further`: the fields that this kind has beside those of `CaseState`."""
    payload = kind(
        case_id=case.id,
        number=case.number,
        subject=case.subject,
        title=case.title,
        communication_id=case.communication_id,
        conversation_id=case.conversation_id,
        method=case.method,
        customer=CustomerRef(contact_id=case.contact_id, account_id=case.account_id, name=case.customer_name, email=case.customer_email),
        state=_STATES[case.state],
        status=case.status,
        status_before=case.status_before,
        urgency=case.urgency,
        impact=case.impact,
        priority=case.priority,
        category=case.category,
        unit=case.unit,
        owner=case.owner,
        waiting_for_customer=case.waiting_for_customer,
        opened_at=case.opened_at,
        responded_at=case.responded_at,
        resolved_at=case.resolved_at,
        completed_at=case.completed_at,
        expected_completion_at=case.expected_completion_at,
        response_category=case.response_category,
        temporary_category=case.temporary_category,
        final_category=case.final_category,
        awaiting_acceptance=case.awaiting_acceptance,
        estimated_completion_at=case.estimated_completion_at,
        customer_updated_at=case.customer_updated_at,
        changed_by=case.changed_by,
        reason=case.reason,
        **further,
    )
    tx.emit(
        payload,
        aggregate_id=case.id,
        key=case.id,
        revision=case.revision,
        cause=cause,
        time=now,
        config_version=case.config_version,
        traceparent=traceparent,
    )
