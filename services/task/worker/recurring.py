"""Working recurring rules off, each in turn."""

from __future__ import annotations

import threading

from services.task.handlers.recurring import Recurring
from shared.observability import get_logger
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
PAUSE_SECONDS = 15.0
"""Between looks at what is due, and after a failure. Rules recur by days."""


def recur(recurring: Recurring) -> None:
    """One round: everything that is due."""
    for code in recurring.rules():
        while recurring.step(code):
            pass


def recur_until(recurring: Recurring, stop: threading.Event) -> None:
    """Go round until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            recur(recurring)
        except CONNECTION_LOST as error:
            log.warning("recurring rules put off", error=type(error).__name__)
        stop.wait(PAUSE_SECONDS)
