"""Forgetting what rules did long ago, a little at a time."""

from __future__ import annotations

import threading
from datetime import timedelta

from services.task.handlers.work import CompiledOf
from services.task.storage import firings
from shared.clock import Clock, utc_now
from shared.observability import get_logger
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
PAUSE_SECONDS = 3600.0
"""Between rounds, and after a failure. Firings are kept for weeks at least."""
BATCH = 2000
"""Firings, and cuts, deleted in one transaction."""


class Purge:
    """Deletes what is older than `keep_days`, and older than any rule of the newest configuration looks back to."""

    def __init__(self, database: Database, compiled: CompiledOf, keep_days: int, clock: Clock = utc_now) -> None:
        self._database = database
        self._compiled = compiled
        self._keep = timedelta(days=keep_days)
        self._clock = clock

    def step(self) -> int:
        """Delete the next; how many."""
        before = self._clock() - max(self._keep, self._compiled(0).rules.longest)
        with self._database.transaction() as tx:
            return firings.purge(tx, before, BATCH)


def purge_until(purge: Purge, stop: threading.Event) -> None:
    """Go round until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            gone = 0
            while not stop.is_set() and (now := purge.step()):
                gone += now
            if gone:
                log.info("old firings purged", count=gone)
        except CONNECTION_LOST as error:
            log.warning("purging put off", error=type(error).__name__)
        stop.wait(PAUSE_SECONDS)
