"""One believable event of each type, as readers of the documents see it: a leak in a flat and what became of it. Nobody in it is real."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.schemas.envelope import Event, Payload
from shared.schemas.events import (
    PAYLOADS,
    AccountChanged,
    AddressRevived,
    ApprovalChanged,
    BookingChanged,
    CallChanged,
    CaseState,
    ClockState,
    CommunicationErased,
    CommunicationReceived,
    CommunicationRecorded,
    CommunicationUpdated,
    ConfigurationPublished,
    ContactChanged,
    ContactErased,
    ContactEvent,
    DeliveryState,
    LeadState,
    RecordMessageAsked,
    ReplacementApproved,
    RuleCut,
    RuleFired,
    StaffChanged,
    TaskState,
    UnitChanged,
)
from shared.schemas.example_data import FURTHER
from shared.schemas.example_records import (
    ACCOUNT,
    APPROVAL,
    BOOKING,
    CASE,
    CLOCK,
    DELIVERY,
    LEAD,
    RECEIVED,
    RECORDED,
    THE_CASE,
    THE_TASK,
    id_of,
)
from shared.schemas.topics import TOPICS


def example(payload: type[Payload]) -> Event:
    """An event of this type, the same every time."""
    data = payload.model_validate(_data(payload))
    key = _key(data)
    return Event(
        id=id_of(payload.event_type),
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


_STATES: tuple[tuple[type[Payload], dict[str, Any]], ...] = (
    (AccountChanged, ACCOUNT),
    (ApprovalChanged, APPROVAL),
    (CaseState, THE_CASE),
    (LeadState, LEAD),
    (TaskState, THE_TASK),
    (ClockState, CLOCK),
    (CommunicationRecorded, RECORDED),
    (DeliveryState, DELIVERY),
    (BookingChanged, BOOKING),
)


def _data(payload: type[Payload]) -> dict[str, Any]:
    common: dict[str, Any] = {}
    for state, values in _STATES:
        if issubclass(payload, state):
            common = values
    return common | FURTHER.get(payload.event_type, {})


def _subject(data: Payload) -> str:
    """The aggregate's id, of which `revision` counts."""
    match data:
        case CallChanged():
            return f"call:{data.communication_id}"
        case CommunicationUpdated():
            return str(id_of("call's report"))
        case ReplacementApproved():
            return str(data.item_id)
        case ContactChanged():
            return str(data.contact_id)
        case AccountChanged():
            return str(data.account_id)
        case LeadState():
            return str(data.lead_id)
        case RuleFired():
            return str(data.firing_id)
        case RuleCut():
            return str(data.cut_id)
        case ApprovalChanged():
            return str(data.approval_id)
    for field in (
        "feedback_id",
        "clock_id",
        "entry_id",
        "revival_id",
        "booking_id",
        "task_id",
        "delivery_id",
        "communication_id",
        "case_id",
    ):
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
        case CommunicationReceived() | CommunicationUpdated():
            return str(data.conversation_id)
        case CallChanged():
            return str(data.communication_id)
        case ContactChanged():
            return str(data.contact_id)
        case AccountChanged():
            return str(data.account_id)
        case AddressRevived():
            return str(data.revival_id)
        case StaffChanged():
            return f"user:{data.user}"
        case UnitChanged():
            return f"unit:{data.unit}"
        case ConfigurationPublished():
            return str(data.version)
        case ContactErased():
            return str(data.contact_id)
        case LeadState():
            return str(data.lead_id)
        case RecordMessageAsked():
            return str(data.communication_id)
        case CommunicationRecorded() | CommunicationErased() if not data.case_ids:
            return str(data.communication_id)
        case _:
            return str(CASE)


EXAMPLES: dict[str, Event] = {name: example(payload) for name, payload in PAYLOADS.items()}
