"""Who is told under which condition, and how much is sent: what a configuration may say."""

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.sending import RECIPIENTS
from tests.support.configuration import COMMUNICATIONS, a_document


def problems(**changes: Any) -> list[str]:
    found = check_configuration(yaml.safe_dump(a_document(**changes), sort_keys=False)).problems
    return [f"{problem.path}: {problem.message}" for problem in found]


def with_definition(**changes: Any) -> list[str]:
    definition = {"code": "tell", "name": "Tell", "on": "case.opened", "to": ["leader"], "template": "alert"}
    return problems(communications=[*COMMUNICATIONS, definition | changes])


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("on", "when"),
    [
        ("case.opened", {"all": [{"field": "case.priority", "equals": "high"}, {"field": "customer.email", "exists": True}]}),
        ("case.chased", {"not": {"field": "case.method", "one_of": ["email"]}}),
        ("task.assigned", {"field": "task.unit", "equals": "repairs"}),
        ("clock.overdue", {"field": "clock.priority", "equals": "high"}),
        ("approval.asked", {"field": "approval.unit", "equals": "repairs"}),
        ("case.customer-wrote", {"field": "case.unit", "equals": "repairs"}),
        ("lead.customer-wrote", {"field": "lead.owner", "exists": True}),
    ],
)
def test_a_definition_may_have_a_condition_on_what_its_event_tells(on: str, when: dict[str, Any]) -> None:
    assert with_definition(on=on, when=when) == []


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize(
    ("on", "when", "problem"),
    [
        (
            "case.opened",
            {"field": "case.priorty", "equals": "high"},
            "communications[5].when.field: there is no field case.priorty; did you mean case.priority?",
        ),
        (
            "case.opened",
            {"field": "task.unit", "equals": "repairs"},
            "communications[5].when.field: there is no field task.unit; did you mean case.unit?",
        ),
        (
            "case.opened",
            {"field": "case.subject", "equals": "leek"},
            "communications[5].when.equals: there is no subject 'leek'; did you mean 'leak'?",
        ),
        (
            "lead.customer-wrote",
            {"field": "case.unit", "equals": "repairs"},
            "communications[5].when.field: there is no field case.unit; did you mean lead.unit?",
        ),
        (
            "approval.asked",
            {"field": "approval.approver", "one_of": ["max", "lenna"]},
            "communications[5].when.one_of[1]: there is no user 'lenna'; did you mean 'lena'?",
        ),
    ],
)
def test_a_condition_on_what_there_is_not_is_refused_with_the_nearest_name(on: str, when: dict[str, Any], problem: str) -> None:
    assert with_definition(on=on, when=when) == [problem]


@pytest.mark.requirement("NOTE-1")
def test_that_a_customer_wrote_is_not_told_to_the_customer() -> None:
    assert with_definition(on="case.customer-wrote", to=["owner"]) == []
    refused = "communications[5].to[1]: it was the customer who wrote; tell those who are to answer"
    assert with_definition(on="case.customer-wrote", to=["owner", "customer"]) == [refused]


@pytest.mark.requirement("NOTE-2")
def test_roles_and_users_are_recipients_and_what_is_unknown_is_refused_with_the_nearest_name() -> None:
    assert with_definition(to=["role:plumber", "user:max", "leader"]) == []
    there_are = f"there are {', '.join(RECIPIENTS)}, role:CODE and user:NAME"
    assert with_definition(to=["role:plumer", "user:maxx", "leeder", "unit:repairs", "everybody on earth"]) == [
        "communications[5].to[0]: there is no role 'plumer'; did you mean 'plumber'?",
        "communications[5].to[1]: there is no user 'maxx'; did you mean 'max'?",
        "communications[5].to[2]: nobody is known as 'leeder'; did you mean 'leader'?",
        "communications[5].to[3]: nobody is known as 'unit:repairs'; did you mean 'unit'?",
        f"communications[5].to[4]: nobody is known as 'everybody on earth'; {there_are}",
    ]


def test_how_long_a_message_is_of_use_is_a_time_of_the_clock() -> None:
    assert with_definition(useless_after="2 hours") == []
    (problem,) = with_definition(useless_after="2 working hours")
    assert "is not a time such as" in problem


@pytest.mark.requirement("EDGE-2")
def test_limits_are_numbers_in_order() -> None:
    fine = {"a_minute": {"email": 300}, "to_one_an_hour": 30, "escalated_to_one_an_hour": 60, "automatic_per_case_a_day": 20}
    assert problems(sending_limits=fine) == []
    assert len(problems(sending_limits={"a_minute": {"emial": 300}})) == 1
    assert len(problems(sending_limits={"to_one_an_hour": 0})) == 1
    for wrong in ({"escalated_to_one_an_hour": 5}, {"to_one_an_hour": 10, "escalated_to_one_an_hour": 5}):
        assert "is a higher limit than" in str(problems(sending_limits=wrong))
