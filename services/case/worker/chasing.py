"""Chasing customers who keep silent, a few cases at a time."""

from __future__ import annotations

import threading

from services.case import metrics
from services.case.handlers.chasing import BEGUN, Chaser
from shared.observability import get_logger
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
PAUSE_SECONDS = 15.0
"""Between looks at what waits and what is due, and after a failure. Chases count in hours and days."""


def chase(chaser: Chaser) -> None:
    """One round: begin what waits, and do what is due."""
    while chaser.begin() >= BEGUN:
        pass
    while (outcomes := chaser.look()) is not None:
        for outcome, count in outcomes.items():
            metrics.CHASES.labels(outcome).inc(count)


def chase_until(chaser: Chaser, stop: threading.Event) -> None:
    """Go round until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            chase(chaser)
        except CONNECTION_LOST as error:
            log.warning("chasing put off", error=type(error).__name__)
        stop.wait(PAUSE_SECONDS)
