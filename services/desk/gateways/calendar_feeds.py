"""Fetching iCalendar feeds. Their addresses are configured, but what they lead to is not ours."""

from __future__ import annotations

import threading
from collections.abc import Collection

from services.desk.domain.closed_days import MOST_BYTES, NotRead
from shared.fetching import Downloads, GatewayError, Unavailable

REDIRECTS = 3
STEP_SECONDS = 10.0
TOTAL_SECONDS = 30.0


class CalendarFeeds:
    """Fetches feeds: by HTTPS, from the internet, or from hosts of our own network that are named."""

    def __init__(self, private_hosts: Collection[str] = (), ca_file: str = "", total: float = TOTAL_SECONDS) -> None:
        """`total`: seconds for a whole feed. `ca_file`: the authorities (PEM) to trust; empty: the usual ones."""
        self._private_hosts = frozenset(private_hosts)
        self._ca_file = ca_file
        self._total = total
        self._lock = threading.Lock()
        self._open: set[Downloads] = set()
        self._closed = False

    def get(self, url: str) -> bytes:
        """What is there. From any thread. Raises `NotRead`."""
        downloads = Downloads(
            None,
            private_hosts=self._private_hosts,
            timeout=min(STEP_SECONDS, self._total),
            total=self._total,
            ca_file=self._ca_file,
            redirects=REDIRECTS,
        )
        with self._lock:
            self._open.add(downloads)
            if self._closed:
                downloads.close()
        try:
            return downloads.get(url, MOST_BYTES).content
        except (Unavailable, GatewayError) as error:
            raise NotRead(str(error)) from error
        finally:
            with self._lock:
                self._open.discard(downloads)
            downloads.close()

    def close(self) -> None:
        """End what is under way, and let nothing begin."""
        with self._lock:
            self._closed = True
            for downloads in self._open:
                downloads.close()
