"""HTTPS, one exchange at a time, that another thread can break off."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from shared.graph.errors import GraphError

JSON_BYTES = 8 * 1024 * 1024
"""More than this is not read of an answer in JSON."""
CONNECT_SECONDS = 10.0
EXCHANGE_SECONDS = 600.0
"""How long one answer may take as a whole, however steadily it drips."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `is_whole`: the body was not longer than asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True

    def json(self) -> dict[str, Any]:
        """The body's JSON object. Raises `GraphError`."""
        value = self.json_or_none()
        if value is None:
            raise GraphError("malformed", f"HTTP {self.status} without a JSON object", status=self.status)
        return value

    def json_or_none(self) -> dict[str, Any] | None:
        """The body's JSON object; None if it is none."""
        try:
            value = json.loads(self.body) if self.is_whole else None
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


class Wire:
    """Keeps connections open between exchanges; `close` ends the one that runs."""

    def __init__(self, timeout: float, ca_file: str = "") -> None:
        """`timeout`: seconds without any progress. `ca_file`: certificates to trust, PEM; empty: the system's."""
        self._timeout = timeout
        self._ca_file = ca_file
        self._client: httpx.Client | None = None
        self._busy = threading.Lock()
        self._closed = threading.Event()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called; then every exchange fails."""
        return self._closed.is_set()

    def exchange(
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        most: int = JSON_BYTES,
    ) -> Reply:
        """Ask and read the answer, at most `most` bytes of its body. Raises `GraphError` without an answer, not for what the answer is."""
        try:
            with self._busy:
                if self.is_closed:
                    raise GraphError("unreachable", "the connection was closed")
                return self._exchange(method, url, dict(headers), content, form, most)
        except httpx.DecodingError as error:
            raise GraphError("malformed", "the answer's encoding is broken") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            why = "the connection was closed" if self.is_closed else f"no answer: {type(error).__name__}"
            raise GraphError("unreachable", why) from error
        finally:
            if self.is_closed:
                self._let_go()

    def close(self) -> None:
        """Break off whatever runs and let go of the connections; from any thread."""
        self._closed.set()
        for connection in list(self._sockets):
            _hang_up(connection)
        self._let_go()

    def _let_go(self) -> None:
        # Whoever is in an exchange does this at its end: a connection must not be closed under its reader, who might
        # then read from whatever the operating system gives that number next.
        if self._busy.acquire(blocking=False):
            try:
                if self._client is not None:
                    self._client.close()
                    self._client = None
            finally:
                self._busy.release()

    def _exchange(
        self, method: str, url: httpx.URL, headers: dict[str, str], content: bytes | None, form: Mapping[str, str] | None, most: int
    ) -> Reply:
        ends = time.monotonic() + EXCHANGE_SECONDS
        headers.setdefault("Accept-Encoding", "identity")
        body = bytearray()
        is_whole = True
        with self._connected().stream(
            method, url, headers=headers, content=content, data=form, extensions={"trace": self._trace}
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > most:
                    is_whole = False
                    del body[most:]
                    break
                if time.monotonic() > ends:
                    raise GraphError("unreachable", "the answer took too long")
            return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(body), is_whole)

    def _connected(self) -> httpx.Client:
        if self._client is None:
            trusted = ssl.create_default_context(cafile=self._ca_file or None)
            timeout = httpx.Timeout(self._timeout, connect=min(self._timeout, CONNECT_SECONDS))
            self._client = httpx.Client(verify=trusted, timeout=timeout, follow_redirects=False)
        return self._client

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        # The only way that httpx has to the socket of a connection before it answers.
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            connection = info["return_value"].get_extra_info("socket")
            if isinstance(connection, socket.socket):
                self._sockets.add(connection)
                if self.is_closed:
                    _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    # Not the TLS socket's own method, which would drop the encryption under its user first.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
