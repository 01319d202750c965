"""What a configuration may say of task rules and recurring rules."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import TASK_DEFINITIONS, a_document

VISIT: dict[str, Any] = {
    "code": "walk",
    "name": "Walk about",
    "messages": {"contact": "Take the form along."},
    "complete_within": "1 day",
}
MONTHLY: dict[str, Any] = {"code": "monthly", "name": "Monthly", "rrule": "FREQ=MONTHLY;BYDAY=2TU", "starts": "2026-01-01"}
RULE: dict[str, Any] = {"code": "walks", "name": "Walks", "definition": "walk", "recurring": "monthly"}


EVENT: dict[str, Any] = {"code": "on-event", "name": "On an event", "definition": "walk", "on": "case.opened"}


def problems(recurring: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, *further: dict[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration of these; of task rules, `RULE` comes first and the `further` ones after it."""
    document = a_document(
        task_definitions=[*TASK_DEFINITIONS, VISIT],
        recurring_rules=[MONTHLY | (recurring or {})],
        task_rules=[RULE | (rule or {}), *further],
        automation=[{"code": "gas", "name": "Gas", "on": "case.opened", "then": [{"do": "schedule_task", "definition": "walk"}]}],
    )
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(document)).problems}


@pytest.mark.requirement("TASK-5", "EDGE-7")
@pytest.mark.parametrize(
    ("recurring", "rule"),
    [
        ({}, {}),
        ({"rrule": "FREQ=YEARLY;COUNT=5", "at": "08:30", "time_zone": "America/New_York", "calendar": "office"}, {"active": False}),
        ({"on_closed": "next", "lead": "10 working days", "excluded": ["2026-12-22"]}, {}),
        ({}, {"accounts": {"all": [{"field": "account.kind", "equals": "block"}, {"not": {"field": "account.area", "exists": False}}]}}),
    ],
)
def test_sound_ones_are_taken(recurring: dict[str, Any], rule: dict[str, Any]) -> None:
    assert problems(recurring, rule) == {}


@pytest.mark.requirement("TASK-5", "EDGE-7", "FACE-2")
@pytest.mark.parametrize(
    ("recurring", "path", "word"),
    [
        ({"rrule": "FREQ=HOURLY"}, "rrule", "none of DAILY, WEEKLY"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=2"}, "rrule", "expected weekdays"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "it never happens"),
        ({"starts": "1066-10-14"}, "starts", "from 1970"),
        ({"starts": "soon"}, "starts", "date"),
        ({"at": "24:00"}, "at", "24:00"),
        ({"time_zone": "Europe/Londn"}, "time_zone", "no time zone"),
        ({"calendar": "offce"}, "calendar", "did you mean 'office'"),
        ({"on_closed": "perhaps"}, "on_closed", "none of"),
        ({"lead": "a while"}, "lead", "duration"),
        ({"lead": "2000000 days"}, "lead", "the amount must be"),
    ],
)
def test_a_recurring_rule_that_cannot_be_followed_is_refused_where_it_stands(recurring: dict[str, Any], path: str, word: str) -> None:
    assert word in problems(recurring)[f"recurring_rules[0].{path}"]


@pytest.mark.requirement("TASK-5", "FACE-2")
@pytest.mark.parametrize(
    ("rule", "path", "word"),
    [
        ({"definition": "fix-leak"}, "definition", "no message for the stage contact"),
        ({"definition": "inspect-leak"}, "definition", "no message for the stage contact"),
        ({"definition": "walks"}, "definition", "there is no task definition 'walks'"),
        ({"recurring": "monthy"}, "recurring", "did you mean 'monthly'"),
        ({"accounts": {"field": "account.knd", "equals": "x"}}, "accounts.field", "did you mean account.kind"),
    ],
)
def test_an_unsound_task_rule_is_refused_where_it_stands(rule: dict[str, Any], path: str, word: str) -> None:
    assert word in problems(rule=rule)[f"task_rules[0].{path}"]


@pytest.mark.requirement("TASK-5")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"on": "lead.won", "active": False},
        {"on": "case.status-changed", "if": {"field": "case.status", "equals": "new"}},
        {"after": "5 working days", "at_most": {"times": 1, "within": "4 weeks"}},
        {"if": {"all": [{"field": "case.subject", "equals": "leak"}, {"not": {"field": "case.title", "contains": "garage"}}]}},
    ],
)
def test_a_sound_rule_on_an_event_is_taken_also_beside_another_of_its_definition(changes: dict[str, Any]) -> None:
    assert problems(None, None, EVENT | changes, EVENT | {"code": "second"}) == {}


@pytest.mark.requirement("TASK-5", "FACE-2")
@pytest.mark.parametrize(
    ("changes", "path", "word"),
    [
        ({"definition": "fix-leak"}, ".definition", "no message for the stage contact"),
        ({"on": None}, "", "either `recurring`, a recurring rule, or `on`, an event"),
        ({"recurring": "monthly"}, "", "either `recurring`, a recurring rule, or `on`, an event"),
        ({"accounts": {"field": "account.kind", "equals": "x"}}, "", "`accounts` is for a recurring rule"),
        ({"on": "case.opend"}, ".on", "none of"),
        ({"if": {"field": "case.prority", "equals": "high"}}, ".if.field", "did you mean case.priority"),
        ({"if": {"any": [{"field": "case.subject", "equals": "leek"}]}}, ".if.any[0].equals", "did you mean 'leak'"),
        ({"on": "lead.won", "if": {"field": "case.title", "contains": "x"}}, ".if.field", "there is no field case.title"),
        ({"after": "a while"}, ".after", "duration"),
        ({"code": "gas"}, ".code", "has this code"),
    ],
)
def test_an_unsound_rule_on_an_event_is_refused_where_it_stands(changes: dict[str, Any], path: str, word: str) -> None:
    assert word in problems(None, None, EVENT | changes)[f"task_rules[1]{path}"]


@pytest.mark.requirement("TASK-5", "FACE-2")
@pytest.mark.parametrize("key", ["if", "after", "at_most"])
def test_what_is_for_rules_on_events_is_refused_of_a_recurring_one(key: str) -> None:
    given = {"if": {"field": "case.title", "exists": True}, "after": "1 day", "at_most": {}}[key]
    assert f"`{key}` is for a rule on an event" in problems(rule={key: given})["task_rules[0]"]
