"""Beginning and ending absences as their times come."""

from __future__ import annotations

import threading

from services.task import metrics
from services.task.handlers.absences import Absences
from shared.observability import get_logger
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
PAUSE_SECONDS = 15.0
"""Between looks, and after a failure. Absences count in hours and days; who is away is given nothing from the first second."""


def absences_until(absences: Absences, stop: threading.Event) -> None:
    """Do what is due until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            while not stop.is_set() and (looked := absences.look()) is not None:
                metrics.ABSENCES.labels("lent").inc(looked.lent)
                metrics.ABSENCES.labels("given_back").inc(looked.given_back)
        except CONNECTION_LOST as error:
            log.warning("absences put off", error=type(error).__name__)
        stop.wait(PAUSE_SECONDS)
