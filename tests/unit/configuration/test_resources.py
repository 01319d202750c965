"""What the check says of services and resources that cannot work."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.resources import minutes_of
from tests.support.configuration import TASK_DEFINITIONS, a_document

SERVICES = [{"code": "plumbing", "name": "Plumbing", "unit": "repairs"}, {"code": "inspection", "name": "Inspection"}]
RESOURCES: list[dict[str, Any]] = [
    {"code": "paul", "name": "Paul", "kind": "person", "unit": "repairs", "user": "paul", "services": ["plumbing"], "calendar": "office"},
    {"code": "van", "name": "Van", "kind": "vehicle", "unit": "repairs", "calendar": "always"},
    {"code": "room", "name": "Room", "kind": "room", "unit": "contact-centre", "capacity": 4, "needs_confirmation": True},
]


def problems(**changes: Any) -> list[str]:
    document = a_document(services=SERVICES, resources=RESOURCES) | changes
    return [f"{problem.path}: {problem.message}" for problem in check_configuration(yaml.safe_dump(document, sort_keys=False)).problems]


def with_resource(index: int, **changes: Any) -> dict[str, Any]:
    resources = deepcopy(RESOURCES)
    resources[index] |= changes
    return {"resources": resources}


def with_services(*services: dict[str, Any]) -> dict[str, Any]:
    return {"task_definitions": [TASK_DEFINITIONS[0] | {"services": list(services)}, *TASK_DEFINITIONS[1:]]}


@pytest.mark.requirement("TASK-10")
def test_sound_services_and_resources_have_no_problems() -> None:
    assert problems() == []
    assert problems(**with_services({"service": "plumbing", "mandatory": True, "minimum": "1 hour"}, {"service": "inspection"})) == []
    # Somebody who left and came back is a resource anew.
    assert problems(**with_resource(1, kind="person", user="paul", active=False)) == []


@pytest.mark.requirement("TASK-10")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (with_resource(0, services=["plumbin"]), "resources[0].services[0]: there is no service 'plumbin'; did you mean 'plumbing'?"),
        (with_resource(0, services=["plumbing", "plumbing"]), "resources[0].services[1]: 'plumbing' is listed twice"),
        (with_resource(0, unit="nowhere"), "resources[0].unit: there is no unit 'nowhere'"),
        (with_resource(0, calendar="nights"), "resources[0].calendar: there is no calendar 'nights'"),
        (with_resource(0, user="nobody"), "resources[0].user: there is no user 'nobody'"),
        (with_resource(0, capacity=2), "resources[0].capacity: a person can be booked only once at a time"),
        (with_resource(1, user="rita"), "resources[1].user: only a person has a user"),
        (with_resource(1, kind="person", user="paul"), "resources[1].user: 'paul' is the resource of line"),
        (with_resource(1, code="paul"), "resources[1].code: the resource 'paul' is there twice"),
        (with_resource(2, capacity=0), "resources[2].capacity: "),
        ({"services": [*SERVICES, SERVICES[0]]}, "services[2].code: the service 'plumbing' is there twice"),
        (with_services({"service": "gas"}), "task_definitions[0].services[0].service: there is no service 'gas'"),
        (with_services({"service": "plumbing", "mandatory": True}), "task_definitions[0].services[0]: a mandatory service needs a minimum"),
        (with_services({"service": "plumbing", "minimum": "1 hour"}), "services[0].minimum: only a mandatory service has a minimum"),
        (with_services({"service": "plumbing"}, {"service": "plumbing"}), "services[1].service: the service 'plumbing' is listed twice"),
        (with_services({"service": "plumbing", "mandatory": True, "minimum": "2 days"}), "'2 days' is not a time such as `30 minutes`"),
    ],
)
def test_what_is_wrong_with_services_and_resources_is_said(changes: dict[str, Any], expected: str) -> None:
    found = problems(**changes)
    assert any(expected in problem for problem in found), found


@pytest.mark.requirement("TASK-10")
def test_minimums_are_told_in_minutes_or_hours() -> None:
    assert [minutes_of(text) for text in ("1 minute", "45 minutes", "1 hour", "2 hours")] == [1, 45, 60, 120]
