"""Reading feeds of closed days by the clock, beside the desk's other work."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

from services.desk.handlers.feeds import Feeds
from shared.clock import Clock
from shared.observability import get_logger
from shared.storage.database import CONNECTION_LOST

LOOK_SECONDS = 60.0
"""Between looks whether it is a feed's turn; so long a new one may wait, too."""

_log = get_logger("feeds")


class FeedRounds:
    """Has each feed read when it is its turn, by a thread of its own."""

    def __init__(self, feeds: Feeds, every: timedelta, clock: Clock, look_seconds: float = LOOK_SECONDS) -> None:
        """`every`: how long after a feed was tried its next turn is; zero: feeds are never read by the clock."""
        self._feeds = feeds
        self._every = every
        self._clock = clock
        self._look_seconds = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="feeds of closed days", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._every:
            self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _go(self) -> None:
        while not self._stop.is_set():
            try:
                self._feeds.refresh_due(self._every, uuid4(), self._clock())
            except CONNECTION_LOST as error:
                _log.warning("feeds of closed days not looked at; trying again", reason=type(error).__name__)
            self._stop.wait(self._look_seconds)
