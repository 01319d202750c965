"""The sample organisation is in order, and does what its story says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.case.domain.answers import NO_ANSWERS
from services.case.domain.case import Actor
from services.case.domain.life_cycle import Stage
from services.case.domain.progress import OPEN_GATE, set_status
from services.case.handlers.rules import rules_of
from services.sla.domain.clocks import ClockKind
from services.sla.domain.policy import Target
from services.sla.handlers.policies import build_policy
from services.task.domain.recurrence import next_occurrence
from services.task.handlers.compile_rules import rules_of as automation_rules_of
from services.task.handlers.recurring import compile_rules
from shared.schemas.configuration import Configuration
from shared.schemas.configuration.check import check_configuration
from tests.support.case import NOW, a_case

SAMPLE = Path(__file__).parents[3] / "config" / "housing.yaml"


@pytest.fixture(scope="module")
def housing() -> Configuration:
    checked = check_configuration(SAMPLE.read_text(encoding="utf-8"))
    assert not checked.problems, "\n".join(map(str, checked.problems))
    assert checked.configuration is not None
    return checked.configuration


@pytest.mark.requirement("COM-2")
def test_the_sample_has_the_methods_and_subjects_of_a_housing_organisation(housing: Configuration) -> None:
    methods = {method.code for method in housing.methods}
    assert {"telephone", "email", "sms", "surgery", "post-room", "web-form", "social-media", "letter"} <= methods
    assert len(housing.subjects) == 10
    assert "contact@housing.example" in {account.address for account in housing.mail_accounts}


def test_every_subject_has_work_that_can_begin_at_once(housing: Configuration) -> None:
    for subject in housing.subjects:
        waiting = {link.task for link in subject.workflow.dependencies}
        assert set(subject.workflow.codes) - waiting, subject.code
        assert waiting, subject.code


def test_every_team_has_somebody_to_lead_it_and_sample_users_can_sign_in(housing: Configuration) -> None:
    assert all(unit.leader and unit.manager for unit in housing.units)
    assert len(housing.users) == 12
    assert all((user.password_hash or "").startswith("$argon2id$") for user in housing.users)


@pytest.mark.requirement("CASE-3", "CASE-4")
def test_a_case_of_every_subject_gets_to_its_end_by_statuses_alone_and_by_answers(housing: Configuration) -> None:
    actor = Actor("julia.reid", "customer-relations")
    for subject in rules_of(housing).subjects.values():
        rules = subject.life_cycle
        case, answers = a_case(owner=actor.user, status="new", subject=subject.code), NO_ANSWERS
        steps = ["being-looked-at", *(["made-safe"] if rules.has_temporary_resolution else []), "resolved", "closed"]
        for status in steps:
            case, _, answers = set_status(case, status, rules, actor, OPEN_GATE, NOW, answers=answers)
        assert len(answers) == len(steps) - 1
        for stage in Stage:
            assert rules.answers[stage].default or stage is Stage.TEMPORARY_RESOLUTION, subject.code


def test_the_customer_has_to_accept_what_is_decided_on_a_complaint(housing: Configuration) -> None:
    decisions = rules_of(housing).subjects["complaint"].life_cycle.answers[Stage.FINAL_RESOLUTION].requires_acceptance
    assert {code for code, required in decisions.items() if required} == {"complaint-decided", "upheld", "partly-upheld", "not-upheld"}


@pytest.mark.requirement("SLA-1", "EDGE-9")
def test_what_the_law_demands_of_a_complaint_runs_on_and_climbs_a_ladder_of_its_own(housing: Configuration) -> None:
    policy = build_policy(housing)

    def target(kind: ClockKind) -> Target:
        found = policy.target(kind, "complaint", "email", "normal", "customer-relations")
        assert found is not None
        return found

    for kind in (ClockKind.RESPONSE, ClockKind.COMPLETION):
        ladder = target(kind).ladder
        assert ladder is not None
        assert (target(kind).pauses, ladder.code, [step.tell for step in ladder.steps]) == (
            False,
            "statutory",
            [("owner",), ("owner", "leader"), ("leader", "manager")],
        )
    assert (target(ClockKind.UPDATE).pauses, target(ClockKind.UPDATE).ladder) == (True, None)
    assert [(str(step.after), step.tell) for step in policy.ladder.steps] == [
        ("4 working hours", ("leader",)),
        ("2 working days", ("manager",)),
    ]


@pytest.mark.requirement("TASK-5", "AUTO-1")
@pytest.mark.parametrize(
    ("title", "is_danger"),
    [
        ("Smell of gas in the hall", True),
        ("It smells gas here", True),
        ("CARBON MONOXIDE alarm went off", True),
        ("A socket is sparking", True),
        ("My gas bill", False),
        ("No heating", False),
    ],
)
def test_what_may_be_dangerous_goes_to_repairs_at_once(housing: Configuration, title: str, is_danger: bool) -> None:
    (danger,) = automation_rules_of(housing, 1).by_event["case.opened"]
    assert danger.holds({"case.title": title}) is is_danger
    assert [action.do for action in danger.actions] == ["set_urgency", "set_impact", "assign", "schedule_task", "alert"]


@pytest.mark.requirement("TASK-5", "EDGE-7")
def test_gas_is_checked_every_year_with_eight_weeks_to_arrange_it_and_new_tenants_are_visited(housing: Configuration) -> None:
    (gas,) = compile_rules(housing).values()
    following = next_occurrence(gas.schedule, None, datetime(2026, 11, 23, tzinfo=UTC))
    assert following is not None
    assert (following.date.isoformat(), following.made_at.date().isoformat()) == ("2027-10-01", "2027-08-06")
    assert gas.holds is not None
    assert [gas.holds({"account.kind": kind}) for kind in ("tenancy", "contractor")] == [True, False]
    (visit,) = automation_rules_of(housing, 1).by_event["lead.won"]
    assert [visit.holds({"lead.type": kind}) for kind in ("market-rent", "garage-letting")] == [True, False]
