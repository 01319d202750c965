"""Another system that is told of events: HTTPS on a local port, with everything that was told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.support.authority import Authority
from tests.support.graph_https import Answer, Listener

TAKEN = Answer(204)


@dataclass
class Told:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """What it says."""
        return dict(orjson.loads(self.body))


class _Counting(Listener):
    connections = 0

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().finish_request(request, client_address)


class Hooked:
    """Takes everything, unless `answers` says otherwise: those are given first, one for each request, or made by calling."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Told] = []
        self.answers: list[Answer | Callable[[Told], Answer]] = []
        self._lock = threading.Lock()
        authority = Authority(folder)
        self.ca_file = authority.file
        self._server = _Counting(self._answer, authority.context)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="hooked")

    def __enter__(self) -> Hooked:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is told."""
        return f"https://127.0.0.1:{self._server.server_address[1]}/hooks?of=casestream"

    @property
    def connections(self) -> int:
        """How many were made."""
        return self._server.connections

    @property
    def ids(self) -> list[str]:
        """The ids of what was told, in order."""
        return [one.headers["webhook-id"] for one in self.told]

    def hang_up(self) -> None:
        """End all connections, as a server does that starts anew."""
        self._server.hang_up()

    def _answer(self, method: str, _target: str, headers: dict[str, str], body: bytes) -> Answer:
        told = Told({"method": method} | headers, body)
        with self._lock:
            self.told.append(told)
            answer = self.answers.pop(0) if self.answers else TAKEN
        return answer if isinstance(answer, Answer) else answer(told)
