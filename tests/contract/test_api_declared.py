"""What case's API says of itself: every route declares what it takes and answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.case.api import all_routers, public_routers
from services.case.settings import ApiSettings
from shared.messaging import EventPublisher, StaticReference
from shared.storage.objects import ObjectStore
from shared.web import create_app
from shared.web.openapi import described
from shared.web.problems import MEDIA_TYPE
from tests.support.case import a_case_configuration
from tests.support.web import a_verifier

OPEN = {"GET /dead-letters", "GET /dead-letters/{letter}", "GET /health/ready"}
"""Answers whose members are not declared one by one: these are the same for every service."""
GIVEN_AS_ASKED = {"BulkChange.change"}
"""Objects that are any object."""


def document() -> dict[str, Any]:
    """The document of the whole API; nothing is called, so there is nothing behind it."""
    publisher, reference = cast("EventPublisher", SimpleNamespace(database=None)), StaticReference(a_case_configuration())
    settings = ApiSettings(kafka="none:1", database="postgresql:///none", port=0, objects="file:///none")
    app = create_app(
        "case",
        settings,
        all_routers(publisher, reference, cast("ObjectStore", None)),
        public=public_routers(publisher, reference, settings),
        verifier=a_verifier(),
    )
    return described(app)


DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    f"{method.upper()} {path}": operation for path, operations in DOCUMENT["paths"].items() for method, operation in operations.items()
}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    return schema


@pytest.mark.requirement("FACE-1")
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_route_has_a_summary_and_a_tag_and_declares_what_it_answers(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"].endswith(".")
    assert operation["tags"]
    successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    assert successes
    for answer in successes:
        assert answer["content"]
        for content in answer["content"].values():
            assert resolved(content["schema"]), "its schema is empty"


@pytest.mark.requirement("FACE-1")
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - OPEN))
def test_no_member_of_an_answer_is_left_undeclared(name: str) -> None:
    successes = [answer for status, answer in OPERATIONS[name]["responses"].items() if status.startswith("2")]
    waiting = [(name, content["schema"]) for answer in successes for content in answer["content"].values()]
    seen: set[str] = set()
    while waiting:
        place, schema = waiting.pop()
        if "$ref" in schema:
            if schema["$ref"] in seen:
                continue
            seen.add(schema["$ref"])
            place, schema = schema["$ref"].rpartition("/")[2], resolved(schema)
        waiting += [(place, inner) for inner in schema.get("anyOf", []) + schema.get("oneOf", []) + schema.get("prefixItems", [])]
        if schema.get("type") == "array":
            waiting.append((place, schema["items"]))
        if schema.get("type") == "object":
            members = schema.get("additionalProperties")
            # Closed, or a map whose values have one declared shape.
            assert members is False or isinstance(members, dict) or place in GIVEN_AS_ASKED, f"{place} may have any members"
            if isinstance(members, dict):
                waiting.append((place, members))
            waiting += [(f"{place}.{member}", inner) for member, inner in schema.get("properties", {}).items()]


def has_example(schema: dict[str, Any]) -> bool:
    return any(word in one for one in (schema, resolved(schema)) for word in ("examples", "const", "enum"))


@pytest.mark.requirement("FACE-1")
@pytest.mark.parametrize("name", sorted(name for name, operation in OPERATIONS.items() if "requestBody" in operation))
def test_a_command_declares_an_example_of_its_body(name: str) -> None:
    for content in OPERATIONS[name]["requestBody"]["content"].values():
        schema = resolved(content["schema"])
        if "examples" in content:
            continue
        for choice in schema.get("anyOf", [schema]):
            body = resolved(choice)
            if body.get("type") == "null":
                continue
            lacking = [member for member in body.get("required", []) if not has_example(body["properties"][member])]
            assert not lacking, f"no example of {', '.join(lacking)}"
            assert any(has_example(member) for member in body["properties"].values())


@pytest.mark.requirement("FACE-1")
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_errors_are_problem_details_and_parameters_of_the_query_are_described(name: str) -> None:
    operation = OPERATIONS[name]
    is_page = name.endswith("/answer/{token}")
    for status, answer in operation["responses"].items():
        if not status.startswith("2") and "/health/" not in name:
            assert list(answer["content"]) == [MEDIA_TYPE] or is_page, status
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            assert parameter.get("description") or parameter["schema"].get("description"), parameter["name"]
