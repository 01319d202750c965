"""The events of a communication, the same whichever way and however often it comes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.ids import event_id
from shared.schemas.envelope import Event
from shared.schemas.events import CommunicationReceived, CommunicationUpdated

SOURCE = "/casestream/ingest"
REVISION = 1
"""Of a communication, and of each report of a call, the only one: ingest changes nothing that it has told."""


def event_of(data: CommunicationReceived, *, now: datetime, config_version: int, traceparent: str) -> Event:
    """Its id derives from the communication's, so that receivers recognise a repeat."""
    return _event(data, data.communication_id, now, config_version, traceparent)


def update_of(data: CommunicationUpdated, report: UUID, *, now: datetime, config_version: int, traceparent: str) -> Event:
    """Its id derives from the report's. Kept in order behind the communication's own: the key is the same."""
    return _event(data, report, now, config_version, traceparent)


def _event(data: CommunicationReceived | CommunicationUpdated, about: UUID, now: datetime, config_version: int, traceparent: str) -> Event:
    subject = str(about)
    return Event(
        id=event_id(subject, subject, data.event_type),
        type=data.event_type,
        source=SOURCE,
        subject=subject,
        time=now,
        revision=REVISION,
        config_version=config_version,
        traceparent=traceparent,
        key=str(data.conversation_id),
        data=data,
    )
