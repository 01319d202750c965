"""What the check says of products and feedback that cannot work."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import COMMUNICATIONS, TASK_DEFINITIONS, a_document
from tests.support.products import PRODUCTS, REPLACE_BOILER

FORM: dict[str, Any] = {
    "code": "after",
    "name": "How was it?",
    "questions": [
        {"kind": "rating", "code": "work", "question": "The work", "labels": ["Bad", "So so", "Good"], "satisfied_from": 3},
        {"kind": "text", "code": "words", "question": "Anything else?"},
    ],
}


def problems(**changes: Any) -> list[str]:
    document = a_document(products=PRODUCTS, feedback=[FORM], task_definitions=[*TASK_DEFINITIONS, REPLACE_BOILER]) | changes
    return [f"{problem.path}: {problem.message}" for problem in check_configuration(yaml.safe_dump(document, sort_keys=False)).problems]


def with_product(**changes: Any) -> dict[str, Any]:
    products = deepcopy(PRODUCTS)
    products["catalogue"][0] |= changes
    return products


@pytest.mark.requirement("CASE-14", "EDGE-16")
def test_a_sound_catalogue_and_form_have_no_problems() -> None:
    assert problems() == []


@pytest.mark.requirement("CASE-14")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"brand": "coldco"}, "products.catalogue[0].brand: there is no brand 'coldco'"),
        ({"return_policy": "thirty"}, "there is no return policy 'thirty'; did you mean 'thirty-days'?"),
        ({"warranty": "2 working days"}, "products.catalogue[0].warranty: "),
        ({"warranty": "9999999999 years"}, "products.catalogue[0].warranty: "),
        ({"warranty": None}, "replacement_task: without a warranty nothing is replaced"),
        ({"replacement_task": "fix-leak"}, "'fix-leak' is in a workflow, and occurs once in a case: clone the definition"),
        ({"kind": "service", "physical": True}, "products.catalogue[0].physical: a service is no thing"),
        ({"physical": False}, "products.catalogue[0].return_policy: only physical goods are returned"),
        ({"code": "lamp"}, "products.catalogue[1].code: the product 'lamp' is there twice"),
    ],
)
def test_what_is_wrong_with_a_product_is_said(changes: dict[str, Any], expected: str) -> None:
    found = problems(products=with_product(**changes))
    assert any(expected in problem for problem in found), found


@pytest.mark.requirement("CASE-14")
def test_a_reason_stands_once_in_a_policy() -> None:
    products = deepcopy(PRODUCTS)
    products["return_policies"][0]["reasons"].append({"code": "faulty", "name": "Again", "gives": "covered"})
    assert problems(products=products) == ["products.return_policies[0].reasons[2].code: the reason 'faulty' is there twice; rename one"]


@pytest.mark.requirement("EDGE-16")
def test_what_is_wrong_with_a_form_is_said() -> None:
    form = deepcopy(FORM) | {"subjects": ["leek"]}
    form["questions"][0]["satisfied_from"] = 4
    form["questions"][1]["code"] = "work"
    assert problems(feedback=[form]) == [
        "feedback[0].questions[0].satisfied_from: the best rating is 3; nobody could ever be satisfied",
        "feedback[0].questions[1].code: the question 'work' is there twice; rename one",
        "feedback[0].subjects[0]: there is no subject 'leek'; did you mean 'leak'?",
    ]


@pytest.mark.requirement("EDGE-16")
def test_only_a_change_of_status_is_narrowed_by_statuses() -> None:
    opened = COMMUNICATIONS[-1] | {"statuses": ["new"]}
    assert problems(communications=[opened]) == [
        "communications[0].statuses: only case.status-changed and case.chased are narrowed by statuses; remove them here"
    ]
