"""Sealing the audit log as it grows."""

from __future__ import annotations

import threading

from services.case.handlers.sealing import Sealer
from shared.observability import get_logger
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)

EVERY_SECONDS = 10.0
"""Between looks whether there is something to seal: so long an entry of a history is not protected yet."""


def seal_until(database: Database, stop: threading.Event) -> None:
    """Seal until told to stop; what fails is tried again after a pause."""
    sealer = Sealer(database)
    while not stop.is_set():
        try:
            if not sealer.step():
                stop.wait(EVERY_SECONDS)
        except CONNECTION_LOST as error:
            log.warning("sealing put off", error=type(error).__name__)
            stop.wait(EVERY_SECONDS)
