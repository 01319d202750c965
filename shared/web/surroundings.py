"""What surrounds every request, as plain ASGI: size limit, trace, metrics, security headers."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.observability import get_logger
from shared.observability.tracing import use_traceparent
from shared.web import metrics
from shared.web.problems import Problem, unexpected

DEFAULT_BODY_LIMIT = 1_048_576
"""Most bytes of a request's body where a route names no other limit."""

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
API_CONTENT_SECURITY = "default-src 'none'; frame-ancestors 'none'"
_log = get_logger("web")


class BodyLimit:
    """Refuses a request (413) whose body is longer than its path allows: by its declared length, or as it streams in.

    `limits` are paths, or starts of paths ending in `/`, with their own limit in bytes.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self._app = app
        self._limits = dict(limits)

    def _limit(self, path: str) -> int:
        if path in self._limits:
            return self._limits[path]
        fitting = [start for start in self._limits if start.endswith("/") and path.startswith(start)]
        return self._limits[max(fitting, key=len)] if fitting else DEFAULT_BODY_LIMIT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        too_long = Problem(413, f"The body is longer than {limit} bytes.")
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared) > limit:
            await too_long.response()(scope, receive, send)
            return
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            # PostgreSQL cannot hold it in text, so no value of ours has one.
            await Problem(400, "A NUL in the address.").response()(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    # Of all errors while a body is read, the framework lets only this class through as it is.
                    raise HTTPException(413, too_long.detail)
            return message

        await self._app(scope, counted, send)


class Surroundings:
    """Gives each request its trace, its metrics and its security headers."""

    def __init__(self, app: ASGIApp, content_security: str) -> None:
        self._app = app
        self._content_security = content_security

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, False
        begun = time.perf_counter()

        async def with_headers(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", self._content_security)
                headers["traceparent"] = traceparent
            await send(message)

        with use_traceparent(Headers(scope=scope).get("traceparent", "")) as traceparent:
            try:
                await self._app(scope, receive, with_headers)
            except Exception as error:
                _log.error("request failed", exc_info=error)
                if started:
                    raise
                await unexpected()(scope, receive, with_headers)
            finally:
                route = scope.get("route")
                # The template, never the path: paths hold ids, and would make endless series.
                path = getattr(route, "path", "none")
                metrics.REQUEST_SECONDS.labels(scope["method"] if route else "other", path, str(status)).observe(
                    time.perf_counter() - begun
                )
