"""The event of a communication, the same whichever way and however often the communication comes."""

from __future__ import annotations

from datetime import datetime

from shared.ids import event_id
from shared.schemas.envelope import Event
from shared.schemas.events import CommunicationReceived

SOURCE = "/casestream/ingest"
REVISION = 1
"""A communication's only one: ingest never changes it."""


def event_of(data: CommunicationReceived, *, now: datetime, config_version: int, traceparent: str) -> Event:
    """Its id derives from the communication's, so that receivers recognise a repeat."""
    subject = str(data.communication_id)
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
