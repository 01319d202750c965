"""Problem details (RFC 9457): the one shape of every error, `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.observability.tracing import current_trace_id
from shared.schemas.configuration import NotConfigured

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that is an error. `type` is a URN when a program must tell this problem from others of its status.

    `detail` tells the caller what is wrong and what to do; it never holds internals. `more` are further members.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        title: str = "",
        type: str = "about:blank",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.type = type
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> Response:
        """The HTTP response of this problem."""
        body: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if trace_id := current_trace_id():
            body["trace_id"] = trace_id
        return Response(orjson.dumps(body | self.more, default=str), self.status, headers=self.headers, media_type=MEDIA_TYPE)


class NotFound(Problem):
    """There is no such thing, or none that the caller may see: the two look alike."""

    def __init__(self, detail: str = "There is nothing here that you can see.") -> None:
        super().__init__(404, detail)


class Forbidden(Problem):
    """The caller is known, and may not."""

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


class Conflict(Problem):
    """The state of the thing does not allow it."""

    def __init__(self, detail: str, **more: Any) -> None:
        super().__init__(409, detail, **more)


class Unprocessable(Problem):
    """The request is well formed, and cannot be done as it is."""

    def __init__(self, detail: str, **more: Any) -> None:
        super().__init__(422, detail, **more)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer the expected errors of `app` with problem details: ours, validation, unknown paths and methods.

    Unexpected ones are answered by `shared.web.surroundings`, which knows their trace.
    """
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(NotConfigured, _on_not_configured)
    app.add_exception_handler(UnicodeEncodeError, _on_half_a_character)
    app.add_exception_handler(HTTPException, _on_expected)
    app.add_exception_handler(RequestValidationError, _on_expected)


def problem_of(error: Exception) -> Problem:
    """The problem that an expected error (ours, or the framework's) is; anything else is raised again."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        # `input` is left out: it would echo personal data into logs of callers and proxies.
        errors = [{"where": _pointer(problem["loc"]), "message": str(problem["msg"])} for problem in error.errors()[:100]]
        return Problem(422, f"{errors[0]['where']}: {errors[0]['message']}" if errors else "The request is not valid.", errors=errors)
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail if isinstance(error.detail, str) and error.detail != phrase else ""
    return Problem(error.status_code, detail, headers=error.headers)


def unexpected() -> Response:
    """The answer to an error that nobody foresaw: nothing of it is told outside."""
    return Problem(500, "Something went wrong here; it is logged. Trying again may help.").response()


# These are coroutines so that they run at once, not in a thread.
async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class only
    return error.response()


async def _on_not_configured(_request: Request, _error: Exception) -> Response:
    return Problem(503, "There is no configuration yet; try again shortly.", headers={"Retry-After": "2"}).response()


async def _on_half_a_character(_request: Request, _error: Exception) -> Response:
    # JSON can spell half of a surrogate pair; no database, log or answer can hold it.
    return Problem(422, "A text in the request is not Unicode: half of a surrogate pair.").response()


async def _on_expected(_request: Request, error: Exception) -> Response:
    return problem_of(error).response()


def _pointer(location: tuple[Any, ...]) -> str:
    """`("body", "priority", 0)` as `body.priority.0`."""
    return ".".join(str(part) for part in location)
