"""Conditions of the configuration, and whether they hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.conditions import compile_condition
from shared.schemas.configuration.conditions import DEEPEST, Condition, check_fields
from shared.schemas.configuration.document import read_document

FACTS = {"case.subject": "Leak", "case.age": 3, "case.open": True, "case.tags": ["wet", "urgent"], "case.owner": None, "case.unit": ""}


def holds(**raw: Any) -> bool:
    return compile_condition(Condition.model_validate(raw))(FACTS)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"field": "case.subject", "equals": "leak"}, True),
        ({"field": "case.subject", "one_of": ["heating", "LEAK"]}, True),
        ({"field": "case.subject", "contains": "EA"}, True),
        ({"field": "case.subject", "matches": "^L..k$"}, True),
        ({"field": "case.subject", "matches": "^E"}, False),
        ({"field": "case.age", "at_least": 3}, True),
        ({"field": "case.age", "at_most": 2}, False),
        ({"field": "case.age", "equals": 3.0}, True),
        ({"field": "case.subject", "at_least": 1}, False),
        ({"field": "case.open", "equals": True}, True),
        ({"field": "case.open", "equals": 1}, False),
        ({"field": "case.tags", "equals": "urgent"}, True),
        ({"field": "case.tags", "contains": "rge"}, True),
        ({"field": "case.owner", "exists": False}, True),
        ({"field": "case.unit", "exists": True}, False),
        ({"field": "case.nothing", "equals": "x"}, False),
        ({"not": {"field": "case.owner", "equals": "ben"}}, True),
        ({"all": [{"field": "case.age", "equals": 3}, {"any": [{"field": "case.open", "equals": False}]}]}, False),
    ],
)
def test_a_condition_holds_for_what_it_says(raw: dict[str, Any], expected: bool) -> None:
    assert holds(**raw) is expected


def test_without_a_condition_all_is_well() -> None:
    assert compile_condition(None)({})


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({}, "exactly one of"),
        ({"field": "a.b"}, "compare a.b"),
        ({"field": "a.b", "equals": 1, "at_least": 0}, "compare a.b"),
        ({"all": [], "field": "a.b", "exists": True}, "at least 1 item"),
        ({"any": [{"field": "a", "exists": True}], "equals": 1}, "needs a field"),
        ({"field": "a", "matches": "("}, "RE2"),
        ({"field": "a", "equal": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_reason(raw: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Condition.model_validate(raw)


def test_an_unknown_field_is_reported_where_it_stands_with_the_nearest_name() -> None:
    condition = {"all": [{"field": "case.subject", "exists": True}, {"not": {"field": "case.prority", "equals": "high"}}]}
    document = read_document("rules: []")
    check_fields(document, ("rules", 0, "if"), condition, {"case.subject": "", "case.priority": ""})
    (problem,) = document.problems
    assert "did you mean case.priority?" in problem.message


def test_conditions_nested_too_deep_are_reported() -> None:
    condition: dict[str, Any] = {"field": "a", "exists": True}
    for _ in range(DEEPEST + 1):
        condition = {"not": condition}
    document = read_document("rules: []")
    check_fields(document, (), condition, {"a": ""})
    assert "nested deeper" in document.problems[0].message


conditions = st.recursive(
    st.builds(
        lambda field, value: {"field": field, "equals": value},
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 2) | st.sampled_from(["x", "y"]),
    ),
    lambda inner: (
        st.builds(lambda group, members: {group: members}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda member: {"not": member}, inner)
    ),
    max_leaves=8,
)


def brute(raw: dict[str, Any], facts: dict[str, object]) -> bool:
    if "all" in raw:
        return all(brute(each, facts) for each in raw["all"])
    if "any" in raw:
        return any(brute(each, facts) for each in raw["any"])
    if "not" in raw:
        return not brute(raw["not"], facts)
    return raw["field"] in facts and facts[raw["field"]] == raw["equals"]


@given(conditions, st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 2) | st.sampled_from(["x", "y"])))
def test_any_nesting_means_what_it_says(raw: dict[str, Any], facts: dict[str, object]) -> None:
    assert compile_condition(Condition.model_validate(raw))(facts) is brute(raw, facts)


def test_a_condition_is_published_as_it_is_written() -> None:
    written = {"any": [{"not": {"field": "case.unit", "equals": "repairs"}}, {"all": [{"field": "case.priority", "exists": True}]}]}
    condition = Condition.model_validate(written)
    assert condition.model_dump(mode="json", exclude_none=True) == written
    assert Condition.model_validate(condition.model_dump(mode="json")) == condition
