"""Tests of APIs notice answers that are not as declared."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from shared.web.openapi import described
from tests.support.declared import Declared


class Lamp(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: int
    colour: str | None


def declared() -> Declared:
    app = FastAPI()
    etag = {"ETag": {"schema": {"type": "string"}}}

    @app.get("/lamps/{id}", responses={200: {"model": Lamp, "headers": etag}}, response_model=None)
    def lamp(id: int) -> None: ...

    @app.get("/lamps/newest", responses={200: {"model": Lamp}}, response_model=None)
    def newest() -> None: ...

    return Declared(described(app))


@pytest.mark.parametrize(
    ("status", "content", "headers", "problem"),
    [
        (200, {"id": 1, "colour": None}, {"ETag": '"1"'}, None),
        (200, {"id": 1, "colour": None, "secret": 1}, {"ETag": '"1"'}, "'secret' was unexpected"),
        (200, {"id": 1}, {"ETag": '"1"'}, "'colour' is a required property"),
        (200, {"id": "1", "colour": None}, {"ETag": '"1"'}, "$.id: '1' is not of type 'integer'"),
        (200, {"id": 1, "colour": None}, {}, "header etag is declared and not there"),
        (201, {"id": 1, "colour": None}, {"ETag": '"1"'}, "status 201 is not declared"),
    ],
)
def test_what_is_not_as_declared_is_found(status: int, content: dict[str, Any], headers: dict[str, str], problem: str | None) -> None:
    known = declared()
    operation = known.operation("GET", "/lamps/1")
    assert operation is not None
    found = known.problems(operation, httpx.Response(status, json=content, headers=headers))
    assert (problem or "") in "".join(found)
    assert bool(found) is (problem is not None)


def test_of_several_paths_the_one_with_the_fewest_parameters_is_meant() -> None:
    operation = declared().operation("GET", "/lamps/newest")
    assert operation is not None
    assert "headers" not in operation["responses"]["200"]
