"""What the role `send` does by the clock beside sending: digests that are due, and notifications that were kept long enough."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from services.notify import metrics
from services.notify.handlers.digesting import MOST_USERS, Gatherer
from services.notify.handlers.outcomes import emit_outcome
from services.notify.storage import notifications
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.storage.database import CONNECTION_LOST

LOOK_SECONDS = 5.0
FORGET_EVERY = timedelta(minutes=10)
FORGOTTEN_AT_ONCE = 20_000

_log = get_logger(__name__)


class Rounds:
    """Goes the rounds in a thread of its own."""

    def __init__(
        self, publisher: EventPublisher, gatherer: Gatherer, kept: timedelta, clock: Clock, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """`kept`: how long notifications are."""
        self._publisher = publisher
        self._gatherer = gatherer
        self._kept = kept
        self._clock = clock
        self._look_seconds = look_seconds
        self._forgot_at: datetime | None = None
        self._stop = threading.Event()
        self._broken = ""
        self._thread = threading.Thread(target=self._go, name="digests", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def problems(self) -> list[str]:
        """Why there are no digests just now; empty: all is well."""
        return [self._broken] if self._broken else []

    def go_round(self) -> int:
        """One round; how many digests it made."""
        made, newly = 0, MOST_USERS
        while newly >= MOST_USERS and not self._stop.is_set():
            with self._publisher.transaction() as tx:
                newly, outcomes = self._gatherer.gather(tx, self._clock())
                for outcome in outcomes:
                    emit_outcome(tx, outcome)
            made += newly
        metrics.DIGESTS.inc(made)
        with self._publisher.transaction() as tx:
            now = self._clock()
            notifications.end_holds(tx, now)
            if self._forgot_at is None or now - self._forgot_at >= FORGET_EVERY:
                notifications.forget(tx, now - self._kept, FORGOTTEN_AT_ONCE)
                self._forgot_at = now
        return made

    def _go(self) -> None:
        while not self._stop.is_set():
            try:
                self.go_round()
            except CONNECTION_LOST as error:
                _log.warning("digests not looked at; trying again", reason=type(error).__name__)
            except BaseException as error:
                # The thread ends; whoever looks after this process has to see it.
                self._broken = f"digests are no longer made: {type(error).__name__}"
                raise
            self._stop.wait(self._look_seconds)
