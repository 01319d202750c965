"""What a configuration may say of automation rules."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from shared.schemas.configuration.automation import FACTS, TAKES, AutomationRule, Deed, Happening, facts_on
from shared.schemas.configuration.check import check_configuration
from shared.schemas.configuration.references import KINDS
from shared.schemas.events import CaseState, ClockState, LeadState, TaskState
from tests.support.configuration import a_configuration, a_document

RULE: dict[str, Any] = {
    "code": "emergencies",
    "name": "Emergencies go to repairs",
    "on": "case.opened",
    "if": {"all": [{"field": "case.title", "matches": r"\bgas\b"}, {"not": {"field": "case.unit", "equals": "repairs"}}]},
    "then": [
        {"do": "assign", "unit": "repairs"},
        {"do": "set_urgency", "urgency": "high"},
        {"do": "set_impact", "impact": "high"},
        {"do": "schedule_task", "definition": "call-back", "after": "2 working hours"},
        {"do": "require_approval", "user": "max", "what": "Works over 5,000"},
        {"do": "alert", "to": ["leader", "manager"], "user": "cora", "template": "alert"},
        {"do": "send", "template": "acknowledge"},
    ],
    "at_most": {"times": 2, "within": "1 hour"},
}


def problems(*rules: dict[str, Any]) -> dict[str, str]:
    """Those of an organisation with these rules, by where they are."""
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(a_document(automation=list(rules)))).problems}


@pytest.mark.requirement("AUTO-1", "FACE-2")
def test_a_sound_rule_is_taken_with_its_condition_and_actions() -> None:
    checked = check_configuration(yaml.safe_dump(a_document(automation=[RULE])))
    assert checked.problems == ()
    assert checked.configuration is not None
    (rule,) = checked.configuration.automation
    assert (rule.on, len(rule.then), rule.at_most.times, rule.active) == ("case.opened", 7, 2, True)
    assert rule.condition is not None
    # As the desk publishes it, others read it.
    assert type(checked.configuration).model_validate(checked.configuration.model_dump(mode="json", by_alias=True)) == checked.configuration


@pytest.mark.requirement("AUTO-1", "FACE-2")
@pytest.mark.parametrize(
    ("change", "path", "word"),
    [
        ({"on": "case.opend"}, "on", "is none of"),
        ({"iff": {}}, "iff", "did you mean 'if'?"),
        ({"if": {"field": "case.subjct", "equals": "leak"}}, "if.field", "did you mean case.subject?"),
        ({"if": {"field": "task.definition", "exists": True}}, "if.field", "there is no field task.definition"),
        ({"if": {"field": "case.subject", "equals": "leek"}}, "if.equals", "there is no subject 'leek'; did you mean 'leak'?"),
        ({"if": {"any": [{"field": "case.priority", "one_of": ["high", "hihg"]}]}}, "if.any[0].one_of[1]", "did you mean 'high'?"),
        ({"if": {"not": {"field": "case.owner", "equals": "reta"}}}, "if.not.equals", "there is no user 'reta'; did you mean 'rita'?"),
        ({"then": []}, "then", "at least 1"),
        ({"then": [{"do": "schedule_task", "definition": "call-bak"}]}, "then[0].definition", "did you mean 'call-back'?"),
        ({"then": [{"do": "schedule_task"}]}, "then[0]", "needs `definition`"),
        ({"then": [{"do": "schedule_task", "definition": "answer", "after": "1 working week"}]}, "then[0].after", "working time"),
        ({"then": [{"do": "send", "template": "acknowledge", "to": ["owner"]}]}, "then[0].to", "does not take `to`"),
        ({"then": [{"do": "send", "template": "acknowlege"}]}, "then[0].template", "did you mean 'acknowledge'?"),
        ({"then": [{"do": "alert", "template": "alert"}]}, "then[0]", "alerts nobody"),
        ({"then": [{"do": "alert", "template": "alert", "to": ["owner", "owner"]}]}, "then[0].to[1]", "listed twice"),
        ({"then": [{"do": "assign", "user": "rita", "unit": "repairs"}]}, "then[0]", "exactly one"),
        ({"then": [{"do": "assign", "unit": "repair"}]}, "then[0].unit", "did you mean 'repairs'?"),
        ({"then": [{"do": "assign", "role": "plumber"}]}, "then[0].role", "roles have tasks only"),
        ({"then": [{"do": "assign", "item": "task", "role": "plumber"}]}, "then[0].item", "no one task"),
        ({"then": [{"do": "set_urgency", "urgency": "hi"}]}, "then[0].urgency", "there is no urgency 'hi'"),
        ({"then": [{"do": "require_approval", "user": "max"}]}, "then[0]", "needs `what`"),
        ({"then": [{"do": "explode"}]}, "then[0].do", "is none of"),
        ({"on": "lead.won", "if": None}, "then[0].do", "this event is about a lead"),
        ({"at_most": {"times": 0}}, "at_most.times", "greater than or equal to 1"),
        ({"at_most": {"within": "1 working day"}}, "at_most.within", "not of the right form"),
    ],
)
def test_an_unsound_rule_is_refused_where_it_is_wrong(change: dict[str, Any], path: str, word: str) -> None:
    assert word in problems(RULE | change)[f"automation[0].{path}"]


def test_rules_have_codes_of_their_own() -> None:
    assert "is there twice" in problems(RULE, RULE)["automation[1].code"]


@pytest.mark.requirement("AUTO-1")
def test_every_fact_is_in_the_data_of_its_events_and_every_code_of_a_kind() -> None:
    models: dict[str, type[BaseModel]] = {"case": CaseState, "task": TaskState, "clock": ClockState, "lead": LeadState}
    for about, facts in FACTS.items():
        for name, fact in facts.items():
            model: Any = models[about]
            for part in fact.path.split("."):
                field = model.model_fields[part]
                shapes = [shape for shape in (field.annotation, *get_args(field.annotation)) if isinstance(shape, type)]
                model = next((shape for shape in shapes if issubclass(shape, BaseModel)), None)
            assert fact.kind in ("", *KINDS), name


def test_every_event_has_facts_and_every_action_its_keys() -> None:
    assert all(facts_on(happening) for happening in get_args(Happening))
    assert set(TAKES) == set(get_args(Deed))
    rule = AutomationRule.model_validate(RULE)
    fields = set(type(rule.then[0]).model_fields)
    assert all(takes.needs | takes.may <= fields for takes in TAKES.values())


def test_the_organisation_has_no_rules_of_itself() -> None:
    assert a_configuration().automation == ()
