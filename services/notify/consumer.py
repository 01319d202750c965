"""Which topics notify consumes, and with what."""

from __future__ import annotations

from services.notify.handlers.occasions import CASES, CLOCKS, TASKS
from services.notify.handlers.queueing import Queue, on_bounce, on_contact_erased, on_erased, on_message_asked, queueing
from shared.clock import Clock, utc_now
from shared.messaging import Handler, ReferenceData
from shared.schemas import topics
from shared.schemas.events import CommunicationBounced, CommunicationErased, ContactErased, MessageAsked


def handlers(reference: ReferenceData, clock: Clock = utc_now) -> dict[str, Handler[Queue]]:  # noqa: ARG001 - every service's signature
    """Topic (without prefix) -> handler."""
    return {
        topics.CASES: queueing(
            reference,
            CASES,
            {
                CommunicationBounced: on_bounce,
                CommunicationErased: on_erased,
                ContactErased: on_contact_erased,
                MessageAsked: on_message_asked,
            },
        ),
        topics.TASKS: queueing(reference, TASKS),
        topics.SLA: queueing(reference, CLOCKS),
    }
