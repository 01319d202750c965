"""Reminding approvers who have not decided, a few at a time; each reminder once, whatever crashes."""

from __future__ import annotations

import threading

from services.task.handlers.approvals import remind
from services.task.handlers.work import CompiledOf
from services.task.storage import approvals
from shared.clock import Clock, utc_now
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.storage.database import CONNECTION_LOST

log = get_logger(__name__)
PAUSE_SECONDS = 15.0
"""Between looks at what is due, and after a failure. Reminders count in hours and days."""
BATCH = 100
"""Approvals reminded in one transaction."""


class Reminder:
    """Reminds of what is due, by the calendars of the configuration that each was asked under."""

    def __init__(self, publisher: EventPublisher, compiled: CompiledOf, clock: Clock = utc_now) -> None:
        self._publisher = publisher
        self._compiled = compiled
        self._clock = clock

    def look(self) -> int:
        """Remind of the next ones that are due and that nobody else is at; how many."""
        now = self._clock()
        with self._publisher.transaction() as tx:
            found = approvals.lock_due(tx, now, BATCH)
            for approval in found:
                remind(tx, approval, self._compiled(approval.config_version), now, current_traceparent())
        return len(found)


def remind_until(reminder: Reminder, stop: threading.Event) -> None:
    """Go round until told to stop; what fails is tried again after a pause."""
    while not stop.is_set():
        try:
            while reminder.look() and not stop.is_set():
                pass
        except CONNECTION_LOST as error:
            log.warning("reminding put off", error=type(error).__name__)
        stop.wait(PAUSE_SECONDS)
