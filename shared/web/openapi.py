"""What an API says of itself: FastAPI's OpenAPI document, with what every route of ours has in common.

Errors are problem details (RFC 9457) everywhere, callers show a token, commands may be repeated under a key, and bodies are bounded. That
is the same for all, so no route has to say it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from shared.web.problems import MEDIA_TYPE

_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457): what is wrong, and what to do.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "A URN where programs must tell it from others of its status.", "default": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
        "trace_id": {"type": "string", "description": "By which the log tells of this request."},
        "errors": {
            "type": "array",
            "description": "What is not valid in the request, and where.",
            "items": {
                "type": "object",
                "required": ["where", "message"],
                "properties": {"where": {"type": "string", "examples": ["body.status"]}, "message": {"type": "string"}},
            },
        },
    },
}
_ANSWERS = {
    "400": "The request cannot be read: a cursor that no list gave, a body that is no JSON.",
    "401": "No access token, or one that does not do.",
    "403": "The caller may not.",
    "404": "There is no such thing, or none that the caller may see.",
    "409": "The state of the thing does not allow it; or the idempotency key was used for another request.",
    "412": "The revision is not the one that `If-Match` names.",
    "413": "The body is too long.",
    "422": "The request is not valid, and this says where.",
}
_AWAY = "What this needs is away just now; `Retry-After` says when to try again."


def described(app: FastAPI) -> dict[str, Any]:
    """The document of `app`: its routes, with the answers that all have, how to sign in, and the shape of a problem."""
    document: dict[str, Any] = app.openapi()
    if "Problem" in document.get("components", {}).get("schemas", {}):
        return document  # FastAPI keeps the document that it made
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT (RFC 9068)"}}
    public = {path for path in document["paths"] if path.startswith("/health/")}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS:
                _complete(operation, is_public=path in public)
    return document


def _complete(operation: dict[str, Any], *, is_public: bool) -> None:
    answers = operation["responses"]
    if is_public:
        answers.setdefault("503", {"description": "Not ready, and why.", "content": {"application/json": {"schema": {"type": "object"}}}})
        return
    # A route that says itself that it needs no token stays so.
    operation.setdefault("security", [{"token": []}])
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if "application/json" in answers.get("422", {}).get("content", {}):
        del answers["422"]  # the framework's own, which we do not give
    for status, description in _ANSWERS.items():
        answers.setdefault(status, {"description": description, "content": problem})
    answers.setdefault("503", {"description": _AWAY, "content": problem})
