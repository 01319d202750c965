"""Hearing at once that something came into a folder on Exchange, by a streaming subscription.

It only shortens the wait: what is new is always asked for by the sync state. So nothing depends on it, and a server that refuses or breaks
it costs the pause between two questions, no mail.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from exchangelib.services import GetStreamingEvents, SubscribeToStreaming  # type: ignore[import-untyped]

from services.ingest.gateways.exchange_connection import LONGEST_ANSWERS, Link, TooMuch, asking
from services.ingest.gateways.source import GatewayError
from shared.observability import get_logger

log = get_logger(__name__)

PAUSE_SECONDS = 300.0
"""Between an attempt that failed and the next: nothing is lost meanwhile, and the server may count what we hold open."""
SHORTEST_SECONDS = 1.0
"""A stream that ends sooner would end again and again."""
STREAM_BYTES = 8 * 1024 * 1024
"""Longest stream; the next one follows it."""
_KINDS = ("NewMailEvent", "CreatedEvent", "MovedEvent", "CopiedEvent")
_CHUNK = 64 * 1024

Opened = tuple[Any, Any]
"""An exchangelib account, and the folder."""


class ExchangeNews:
    """Follows one folder in a thread of its own, by a connection of its own. Safe to use from several threads."""

    def __init__(self, open_folder: Callable[[Link], Opened], timeout: float) -> None:
        """`open_folder`: connects; may raise `GatewayError`, `TooMuch`. `timeout`: seconds, as the connection has it."""
        self._open = open_folder
        # The connection bounds every answer, a stream too.
        self._minutes = max(1, int(LONGEST_ANSWERS * timeout // 60) - 1)
        self._something = threading.Event()
        self._lock = threading.Lock()
        self._is_closed = False
        self._link: Link | None = None
        self._thread: threading.Thread | None = None
        self._not_before = 0.0

    def wait(self, seconds: float) -> None:
        """Return when something came since the last `wait`, after `seconds`, or when `close` is called."""
        self._listen()
        if self._something.wait(seconds):
            self._something.clear()

    def close(self) -> None:
        """Stop listening, for good."""
        with self._lock:
            self._is_closed = True
            link = self._link
        self._something.set()
        if link is not None:
            link.cut()

    def _listen(self) -> None:
        with self._lock:
            is_listening = self._thread is not None and self._thread.is_alive()
            if self._is_closed or is_listening or time.monotonic() < self._not_before:
                return
            self._link = Link()
            self._thread = threading.Thread(target=self._follow, args=(self._link,), name="exchange-news", daemon=True)
            self._thread.start()

    def _follow(self, link: Link) -> None:
        account = None
        try:
            account, folder = self._open(link)
            with asking():
                (subscription,) = SubscribeToStreaming(account=account).call(folders=[folder], event_types=_KINDS)
            while not link.is_cut:
                # What came before the stream was there nobody may tell.
                self._something.set()
                for _ in self._events(account, subscription):
                    self._something.set()
        except (GatewayError, TooMuch) as error:
            if not link.is_cut:
                log.info("Exchange does not tell of new mail by itself; it is asked", error=str(error), pause_seconds=PAUSE_SECONDS)
        finally:
            with self._lock:
                self._not_before = time.monotonic() + PAUSE_SECONDS
            if account is not None:
                account.protocol.close()

    def _events(self, account: Any, subscription: Any) -> Iterator[None]:
        """Something for each notification, until the stream is at its end."""
        begun = time.monotonic()
        with asking():
            for _ in _Stream(account=account).call([subscription], self._minutes):
                yield
        if time.monotonic() - begun < SHORTEST_SECONDS:
            raise GatewayError("refused", "its stream ends at once")


class _Bytewise:
    """An answer as exchangelib's reader of streams takes it: byte by byte, however it comes."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.close = response.close

    def iter_content(self) -> Iterator[bytes]:
        """The bytes, each by itself."""
        for chunk in self._response.iter_content(_CHUNK):
            for place in range(len(chunk)):
                yield chunk[place : place + 1]


class _Stream(GetStreamingEvents):  # type: ignore[misc]
    def _get_soap_messages(self, body: Any) -> Any:
        return super()._get_soap_messages(_Bytewise(body))
