"""Ending what waits in vain: it is of no use any more, or its address has been suppressed since it was queued."""

from __future__ import annotations

from services.notify.handlers.outcomes import emit_outcome
from services.notify.metrics import UNSENT
from services.notify.storage import digests, expiry, suppressions
from services.notify.storage.deliveries import Finished
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import use_traceparent
from shared.storage import Transaction

AT_ONCE = 500
"""So many useless deliveries are ended in one transaction."""

log = get_logger(__name__)


def end_what_is_in_vain(publisher: EventPublisher) -> None:
    """End such deliveries, and tell of each."""
    with publisher.transaction() as tx:
        ended = _told(tx, suppressions.end_waiting(tx))
    _count("suppressed", ended)
    more = True
    while more:
        with publisher.transaction() as tx:
            useless = expiry.expire(tx, AT_ONCE)
            ended = _told(tx, useless)
        _count("expired", ended)
        more = len(useless) == AT_ONCE


def _told(tx: Transaction, ended: list[Finished]) -> list[Finished]:
    ended = ended + digests.told(tx, ended)
    for delivery in ended:
        emit_outcome(tx, delivery)
    return ended


def _count(reason: str, ended: list[Finished]) -> None:
    UNSENT.labels(reason).inc(len(ended))
    for delivery in ended:
        with use_traceparent(delivery.traceparent):
            log.info("delivery ended", delivery_id=str(delivery.id), state=delivery.state, definition=delivery.definition)
