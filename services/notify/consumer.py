"""Which topics notify consumes, and with what."""

from __future__ import annotations

from services.notify.handlers.occasions import CASES, CLOCKS, TASKS
from services.notify.handlers.queueing import on_bounce, on_contact_changed, on_contact_erased, on_erased, on_message_asked, queueing
from services.notify.handlers.texting import texting
from services.notify.handlers.webhook_queueing import Batch, telling
from shared.clock import Clock, utc_now
from shared.messaging import Handler, ReferenceData
from shared.schemas import topics
from shared.schemas.events import (
    CommunicationBounced,
    CommunicationErased,
    ContactChanged,
    ContactErased,
    MessageAsked,
    RecordMessageAsked,
)


def handlers(reference: ReferenceData, clock: Clock = utc_now) -> dict[str, Handler[Batch]]:
    """Topic (without prefix) -> handler. What notify publishes itself it reads for webhooks only."""
    cases = queueing(
        reference,
        CASES,
        {
            CommunicationBounced: on_bounce,
            CommunicationErased: on_erased,
            ContactChanged: on_contact_changed,
            ContactErased: on_contact_erased,
            MessageAsked: on_message_asked,
            RecordMessageAsked: on_message_asked,
        },
        clock,
    )
    return {
        topics.CASES: telling(reference, texting(reference, CASES, cases, learns=True)),
        topics.TASKS: telling(reference, texting(reference, TASKS, queueing(reference, TASKS, clock=clock))),
        topics.SLA: telling(reference, queueing(reference, CLOCKS, clock=clock)),
        topics.NOTIFICATIONS: telling(reference),
    }
