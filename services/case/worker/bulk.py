"""Making bulk changes that were asked for, a batch at a time."""

from __future__ import annotations

import threading

from services.case import metrics
from services.case.handlers.bulk import work
from services.case.handlers.commands import Commands
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
PAUSE_SECONDS = 1.0
"""Between looks whether there is a job, and after a failure."""


def work_until(publisher: EventPublisher, commands: Commands, stop: threading.Event, clock: Clock = utc_now) -> None:
    """Make changes until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            done = work(publisher, commands, clock(), current_traceparent())
        except CONNECTION_LOST as error:
            log.warning("bulk changes put off", error=type(error).__name__)
            done = None
        if done is None:
            stop.wait(PAUSE_SECONDS)
            continue
        for outcome, count in done.items():
            metrics.BULK_ITEMS.labels(outcome).inc(count)
