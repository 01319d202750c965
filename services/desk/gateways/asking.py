"""Asking another service's API by HTTP, with the token of whoever looks at the page."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import httpx
from prometheus_client import Histogram

from shared.observability.tracing import child_traceparent, current_traceparent

FETCHED_BYTES = 256 * 1024
"""Most of a file that is held at a time."""
PASSED_ON = ("content-disposition", "content-length", "content-type")
UNSEEN = "There is nothing here that you can see."
"""How an API says that there is no such thing, or none within reach, and no more than that."""

SENT_ALREADY = "This Idempotency-Key was used for another request"
"""How it says that a form came twice, as one who goes back in the browser may send it, and not with the same content."""


Part = tuple[str, tuple[str | None, bytes, str]]
"""A part of a form: its name, with the file's name if it is one, content and media type."""


class Away(Exception):
    """The service does not answer, or says that it cannot just now."""


class Refused(Exception):
    """The service refused; the text is its own word, for people."""


class Fetched(NamedTuple):
    """A file under way: what its service says of it, its bytes as they come, and how to let go of it."""

    headers: Mapping[str, str]
    pieces: Iterator[bytes]
    close: Callable[[], None]


class Asking:
    """Asks one service. Safe for use by many threads."""

    def __init__(self, url: str, seconds: Histogram, thing: str, timeout_seconds: float = 10.0) -> None:
        """`seconds`: how long answers took. `thing`: what is asked about, for people, such as `task`."""
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=False)
        self._seconds = seconds
        self._thing = thing

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        token: str,
        params: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Any = None,
        parts: Sequence[Part] = (),
        file: bytes | None = None,
    ) -> Any:
        """The answer's JSON; None: it has none. `content` is sent as JSON, `parts` as a form, `file` as it is.

        Raises `Away` and `Refused`.
        """
        sent = {"Authorization": f"Bearer {token}", "traceparent": child_traceparent(current_traceparent())} | dict(headers or {})
        try:
            with self._seconds.time():
                answer = self._client.request(
                    method, path, params=params, headers=sent, json=content, files=list(parts) or None, content=file
                )
        # An address that is not set is no URL at all.
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Away from error
        self._check(answer)
        return answer.json() if answer.content else None

    def fetch(self, path: str, token: str) -> Fetched:
        """A file, which is passed on as it comes, never held whole. Raises `Away` and `Refused`."""
        sent = {"Authorization": f"Bearer {token}", "traceparent": child_traceparent(current_traceparent())}
        try:
            answer = self._client.send(self._client.build_request("GET", path, headers=sent), stream=True)
            if answer.is_error:
                with contextlib.closing(answer):
                    answer.read()
                    self._check(answer)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Away from error
        told = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return Fetched(told, answer.iter_raw(FETCHED_BYTES), answer.close)

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code >= 500 or answer.status_code == 401:
            raise Away
        if answer.is_error:
            raise Refused(self._word(answer))

    def _word(self, answer: httpx.Response) -> str:
        if answer.status_code == 404 and UNSEEN in answer.text:
            return f"There is no such {self._thing}, or none that you can see."
        if answer.status_code == 422 and SENT_ALREADY in answer.text:
            return "This form was sent already, and has changed since. Open the page again, and fill it in anew."
        if answer.status_code == 412:
            return f"Somebody changed this {self._thing} since you opened the page. Look at it again, then decide."
        try:
            return str(answer.json().get("detail") or answer.json().get("title") or "It was refused.")
        except (ValueError, AttributeError):
            return "It was refused."


def moment_of(text: str | None) -> datetime | None:
    """A time as the APIs tell it, where there is one."""
    return datetime.fromisoformat(text) if text else None
