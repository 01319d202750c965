"""When automation rules fire, and that chains of them end."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.automation.rules import DEEPEST, Occurrence, Rule, Verdict, firing_id, judge
from shared.ids import derive

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVENTS = ("case.opened", "case.assigned", "task.triggered")
LEADS_TO = st.lists(st.tuples(st.sampled_from(EVENTS), st.lists(st.sampled_from(EVENTS), max_size=2)), max_size=4)


def a_rule(code: str, on: str, times: int = 3) -> Rule:
    return Rule(code, code, on, lambda facts: facts.get("is_big") is not False, (), times, timedelta(days=1))


def happened(on: str, by: str = "rita", depth: int = 0, id: UUID | None = None, **facts: object) -> Occurrence:
    return Occurrence(id or derive(on), on, derive("item"), NOW, by, depth, facts)


@pytest.mark.requirement("AUTO-1")
def test_a_rule_fires_unless_something_keeps_it_from_it() -> None:
    rule = a_rule("r", "case.opened")
    assert judge(rule, happened("case.opened")) is Verdict.FIRES
    assert judge(rule, happened("case.opened", is_big=False)) is Verdict.DOES_NOT_HOLD
    assert judge(rule, happened("case.opened", "rule:r")) is Verdict.OWN_CHANGE
    assert judge(rule, happened("case.opened", depth=DEEPEST)) is Verdict.TOO_DEEP
    assert judge(rule, happened("case.opened"), 3) is Verdict.TOO_OFTEN


@pytest.mark.requirement("AUTO-1")
@given(LEADS_TO)
def test_chains_of_any_rules_end_with_no_rule_firing_too_often(leads_to: list[tuple[str, list[str]]]) -> None:
    rules = [(a_rule(f"r{number}", on), then) for number, (on, then) in enumerate(leads_to)]
    fired: Counter[str] = Counter()
    open_ = [happened("case.opened")]
    for _ in range(10_000):
        if not open_:
            break
        one = open_.pop()
        for rule, then in rules:
            if rule.on == one.on and judge(rule, one, fired[rule.code]) is Verdict.FIRES:
                fired[rule.code] += 1
                firing = firing_id(rule.code, one.id)
                open_ += [happened(on, rule.actor, one.depth + 1, derive(firing, place)) for place, on in enumerate(then)]
    assert open_ == []
    assert all(count <= 3 for count in fired.values())
