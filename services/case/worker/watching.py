"""Figures of the business that Prometheus reads: how long the oldest unassigned case has waited, and what search has still to take in."""

from __future__ import annotations

import threading

from services.case import metrics
from services.case.storage import figures, search_index
from shared.clock import Clock, utc_now
from shared.observability import get_logger
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
EVERY_SECONDS = 15.0


def watch(database: Database, clock: Clock = utc_now) -> None:
    """Set the gauges once."""
    with database.read() as tx:
        oldest = figures.oldest_unassigned(tx)
        metrics.SEARCH_QUEUE.set(search_index.waiting(tx))
    metrics.OLDEST_UNASSIGNED.set(0.0 if oldest is None else max(0.0, (clock() - oldest).total_seconds()))


def watch_until(database: Database, stop: threading.Event) -> None:
    """Set the gauges now and then, until told to stop."""
    while not stop.is_set():
        try:
            watch(database)
        except CONNECTION_LOST as error:
            log.warning("figures put off", error=type(error).__name__)
        stop.wait(EVERY_SECONDS)
