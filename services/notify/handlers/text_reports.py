"""A gateway's word that a text message it had taken did not arrive."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from services.notify.domain.bounces import Verdict
from services.notify.handlers.outcomes import emit_outcome
from services.notify.metrics import STOPPED
from services.notify.storage import bounces, texts
from shared.messaging import EventPublisher
from shared.observability import get_logger

log = get_logger(__name__)


class Report(NamedTuple):
    """What was reported of a delivery. `is_dead`: nothing arrives at its number."""

    delivery: UUID
    status: str
    is_dead: bool


def take_report(publisher: EventPublisher, report: Report) -> None:
    """Record and tell that a text message came to nothing; once, however often it is reported. Of other deliveries nothing is changed."""
    with publisher.transaction() as tx:
        message_id = texts.message_id_of(tx, report.delivery)
        if not message_id:
            return
        for outcome in bounces.came_back(tx, [Verdict(report.delivery, message_id, report.status, report.is_dead)]):
            emit_outcome(tx, outcome)
            STOPPED.labels(outcome.state).inc()
            log.info("text message not delivered", delivery_id=str(outcome.id), status=report.status)
