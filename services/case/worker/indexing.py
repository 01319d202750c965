"""Keeping search documents current, at a share of the machine's time that mail does not miss (docs/decisions/0009)."""

from __future__ import annotations

import threading
import time

from services.case import metrics
from services.case.storage import search_index
from shared.observability import get_logger
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)

BATCH = 500
"""Entries of the queue in one transaction."""
PAUSE_SECONDS = 1.0
"""Between looks at a queue that was empty or short, and after a failure."""
SHARE = 0.05
"""Of the time that a long queue is worked on; the rest belongs to what fills it."""


def index_until(database: Database, stop: threading.Event) -> None:
    """Make documents until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        started = time.monotonic()
        try:
            with database.transaction() as tx:
                done = search_index.make_next(tx, BATCH)
        except CONNECTION_LOST as error:
            log.warning("search documents put off", error=type(error).__name__)
            done = 0
        metrics.INDEXED.inc(done)
        took = time.monotonic() - started
        stop.wait(took * (1 / SHARE - 1) if done == BATCH else PAUSE_SECONDS)
