"""Holding answers of a served API against what its document declares."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from shared.web.openapi import described

CHECKED = frozenset({"casestream case"})
"""The APIs, by title, that declare every member of what they answer."""
JSON = "application/json"


class Declared:
    """What one document declares."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        paths = sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
        self._paths = [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operations) for path, operations in paths]
        self._validators: dict[int, Draft202012Validator] = {}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that answers there; of several the one with the fewest parameters."""
        for pattern, operations in self._paths:
            if method.lower() in operations and pattern.fullmatch(path):
                return dict(operations[method.lower()])
        return None

    def problems(self, operation: dict[str, Any], response: httpx.Response) -> list[str]:
        """What of an answer is not as declared: its status, a header, a media type, a member."""
        answer = operation["responses"].get(str(response.status_code))
        if answer is None:
            return [f"status {response.status_code} is not declared"]
        declared = {name.lower() for name in answer.get("headers", {})}
        found = [f"header {name} is declared and not there" for name in sorted(declared) if name not in response.headers]
        if "etag" in response.headers and "etag" not in declared:
            found.append("header etag is not declared")
        media_type = response.headers.get("content-type", "").partition(";")[0]
        content = answer.get("content", {})
        if media_type not in content and "*/*" not in content:
            return [*found, f"media type {media_type} is not declared"]
        if media_type != JSON or JSON not in content:
            return found
        schema = content[JSON]["schema"]
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = self._validators[id(schema)] = Draft202012Validator(
                schema | {"components": self._components}, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
        return [*found, *(f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(response.json()))]


_known: dict[str, list[Declared]] = {}


def check(app: FastAPI, response: httpx.Response) -> None:
    """Raises AssertionError for an answer to a request that succeeded and that the app's document does not declare like that."""
    if app.title not in CHECKED or not response.is_success:
        return
    method, path = response.request.method, response.request.url.path
    known = _known.setdefault(app.title, [])
    for declared in known:
        if (operation := declared.operation(method, path)) is not None:
            break
    else:
        # Tests serve apps with some of the routes; making a document takes long.
        declared = _of(app)
        known.append(declared)
        operation = declared.operation(method, path)
        if operation is None:
            return
    if response.headers.get("content-type", "").startswith(JSON):
        response.read()
    problems = declared.problems(operation, response)
    assert not problems, f"{method} {path} does not answer as declared:\n" + "\n".join(problems)


@lru_cache(maxsize=8)
def _of(app: FastAPI) -> Declared:
    return Declared(described(app))
