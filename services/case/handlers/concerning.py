"""What a customer wrote about by a communication: those who have it are told (NOTE-1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from services.case.domain.case import Case
from services.case.storage.cases import Held
from services.case.storage.record_messages import LeadThread
from shared.schemas.events import CommunicationReceived, Concerned, ItemKind


def tells(data: CommunicationReceived, with_staff: Collection[UUID], staff: Collection[str]) -> bool:
    """Whether somebody should hear of this communication: a person who is none of us made contact. `staff`: addresses of ours.

    A member of staff who answers what we told them about a lead answers in the customer's conversation.
    """
    is_ours = data.conversation_id in with_staff or data.sender.value.lower() in staff
    return data.direction == "inbound" and data.robot == "none" and not data.old and not is_ours


def concerns(
    cases: Mapping[UUID, Held], case_ids: Iterable[UUID], changed: Mapping[UUID, Case], lead: LeadThread | None, by: str
) -> tuple[Concerned, ...]:
    """Those of these cases, closed ones only where none is open, and this lead. `changed`: cases that become another thing in the same
    transaction. `by`: who entered the communication, and so knows; empty: nobody did."""
    known = [changed.get(id) or cases[id] for id in case_ids if id in cases]
    found = [of_case(case) for case in [case for case in known if not case.state.is_closed] or known]
    if lead is not None and lead.is_open:
        found.append(_of_lead(lead))
    return tuple([one for one in found if not by or one.owner != by])


def of_case(case: Case | Held) -> Concerned:
    """What is said of a case."""
    return Concerned(
        item_kind=ItemKind.CASE,
        item_id=case.id,
        number=case.number,
        title=case.title,
        subject=case.subject,
        status=case.status,
        priority=case.priority,
        unit=case.unit,
        owner=case.owner,
    )


def _of_lead(lead: LeadThread) -> Concerned:
    return Concerned(
        item_kind=ItemKind.LEAD,
        item_id=lead.id,
        number=lead.number,
        title=lead.title,
        subject=lead.lead_type,
        status=lead.status,
        priority=str(lead.priority),
        unit=lead.unit,
        owner=lead.owner,
    )
