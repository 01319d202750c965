"""How many approvals wait for somebody: a number on every page, asked for at most every few seconds for each of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from services.desk.gateways.asking import Away, Refused
from shared.clock import Clock

KEPT = timedelta(seconds=15)
MOST_KEPT = 10_000


class Waiting:
    """Counts, and keeps each count a little. Safe for use by many threads."""

    def __init__(self, count: Callable[[str], int], clock: Clock) -> None:
        """`count`: asks by an access token; may raise `Away` and `Refused`."""
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def of(self, user: str, token: str) -> int:
        """How many wait for this user; 0 also while that cannot be said."""
        now = self._clock()
        with self._lock:
            until, number = self._kept.get(user, (now, 0))
        if now < until:
            return number
        try:
            number = self._count(token)
        except (Away, Refused):
            number = 0
        with self._lock:
            self._kept[user] = now + KEPT, number
            self._kept.move_to_end(user)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return number

    def forget(self, *users: str) -> None:
        """What waits for these has changed."""
        with self._lock:
            for user in users:
                self._kept.pop(user, None)
