"""The time to completion of subjects that have it counted from the response (CASE-9)."""

from __future__ import annotations

import dataclasses

import pytest

from services.sla.domain.clocks import ClockKind
from services.sla.handlers.policies import build_policy
from tests.support.configuration import SUBJECTS, a_configuration
from tests.unit.sla.rules import POLICY, Life, a_case_fact, a_target, at
from tests.unit.sla.test_cases import due_times

RULES = dataclasses.replace(
    POLICY,
    default_targets=(a_target(ClockKind.RESOLUTION, "8 working hours"), a_target(ClockKind.COMPLETION, "8 working hours")),
    recalculating=frozenset({"leak"}),
)


@pytest.mark.requirement("CASE-9", "SLA-1")
def test_the_time_to_completion_counts_from_the_response_and_no_other_does() -> None:
    life = Life(RULES)
    life.event(a_case_fact())
    assert due_times(life) == {"RESOLUTION": at("2026-03-02 17:00"), "COMPLETION": at("2026-03-02 17:00")}

    life.event(a_case_fact(2, state="responded", responded_at=at("2026-03-02 12:00"), at=at("2026-03-02 12:00")))
    assert due_times(life) == {"RESOLUTION": at("2026-03-02 17:00"), "COMPLETION": at("2026-03-03 12:00")}
    # Whatever else becomes known of it, the response stays where it was.
    life.event(a_case_fact(3, state="responded", responded_at=at("2026-03-02 12:00"), at=at("2026-03-02 15:00")))
    assert due_times(life)["COMPLETION"] == at("2026-03-03 12:00")
    # Back in pending, nothing has been responded to.
    life.event(a_case_fact(4, at=at("2026-03-02 15:30")))
    assert due_times(life)["COMPLETION"] == at("2026-03-02 17:00")


def test_the_new_time_has_its_own_alerts() -> None:
    life = Life(RULES)
    life.event(a_case_fact())
    life.until(at("2026-03-02 16:30"))
    assert life.rungs() == [("due-soon", 0), ("due-soon", 0)]

    life.event(a_case_fact(2, state="responded", responded_at=at("2026-03-02 16:30"), at=at("2026-03-02 16:30")))
    life.until(at("2026-03-03 16:29"))

    told = [(alert.type.value, alert.clock.kind.name) for alert in life.told]
    assert told.count(("due-soon", "COMPLETION")) == 2
    assert ("overdue", "COMPLETION") not in told


def test_the_subject_says_so_in_the_configuration() -> None:
    leak, *others = SUBJECTS
    assert build_policy(a_configuration(subjects=[leak | {"recalculate_on_response": True}, *others])).recalculating == {"leak"}
    assert build_policy(a_configuration()).recalculating == frozenset()
