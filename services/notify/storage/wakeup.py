"""The signal from those who queue deliveries to those who send them: PostgreSQL's LISTEN and NOTIFY, given on commit."""

from __future__ import annotations

import psycopg

CHANNEL = "notify_service_deliveries"


class Wakeup:
    """Waits for the signal on a connection of its own. For one thread; only `close` may come from another."""

    def __init__(self, url: str, channel: str = CHANNEL) -> None:
        self._url = url
        self._channel = channel
        self._connection: psycopg.Connection | None = None

    def wait(self, timeout: float) -> bool:
        """Block for up to `timeout` seconds; True: there may be deliveries to claim.

        Signals given before the first call, or while the database was away, are lost: hence the first call, and the first one after a lost
        connection, returns True at once. Raises psycopg.OperationalError while the database is away.
        """
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, application_name="casestream-notify-wakeup")
            self._connection.execute(f"listen {self._channel}")
            return True
        return bool([*self._connection.notifies(timeout=timeout, stop_after=1)])

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
