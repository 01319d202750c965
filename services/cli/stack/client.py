"""HTTP to the services' public edges, with one-line errors."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx

from services.cli.stack.errors import NotRunningError, RefusedError

TIMEOUT_SECONDS = 60


@cache
def _connections() -> httpx.Client:
    # One for all calls: making one costs more than the call. Proxies of the environment are not for this machine.
    return httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)


def request(
    method: str,
    url: str,
    *,
    token: str | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send one request. Raises NotRunningError when nobody answers and RefusedError when the answer is an error."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    try:
        answer = _connections().request(method, url, content=content, headers=sent, params=params)
    except httpx.TransportError as error:
        raise NotRunningError(f"no answer from {url}: {error} (is it up? casestream up)") from error
    if answer.is_error:
        raise RefusedError(f"{method} {url}: {answer.status_code} {problem(answer)}", answer.status_code)
    return answer


def patiently(send: Callable[[], httpx.Response], limit_seconds: float = 30) -> httpx.Response:
    """Send again while nobody answers or the service is just not ready (503), for requests that are safe to repeat."""
    end = time.monotonic() + limit_seconds
    while True:
        try:
            return send()
        except NotRunningError:
            if time.monotonic() > end:
                raise
        except RefusedError as refusal:
            if refusal.status != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > end:
                raise
        time.sleep(0.3)


def problem(answer: httpx.Response) -> str:
    """What an error answer says (RFC 9457), on one line."""
    try:
        body: Any = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return " ".join(answer.text.split())[:300]
    if not isinstance(body, dict):
        return str(body)[:300]
    parts = [str(body[key]) for key in ("title", "detail") if body.get(key)]
    parts += [f"{key}: {body[key]}" for key in ("errors", "problems") if body.get(key)]
    return " ".join("; ".join(parts).split())[:2000] or answer.reason_phrase


def is_ready(url: str) -> bool:
    """Whether the process behind the URL says that it is ready for work."""
    # Asked often while everything starts, so with the cheapest client there is.
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
