"""What a communication does, whose it is, and what its expiry does."""

from __future__ import annotations

import pytest

from services.case.domain.expiry import Outcome, outcome_of_expiry
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.matching import Effect, effect, whose
from shared.ids import derive
from tests.support.case import a_case

ANN, BOB = derive("ann"), derive("bob")


@pytest.mark.requirement("CASE-1", "COM-7")
@pytest.mark.parametrize(
    ("direction", "robot", "has_cases", "has_references", "is_threaded", "expected"),
    [
        ("inbound", "none", False, False, True, Effect.OPENS),
        ("inbound", "none", False, True, True, Effect.OPENS),
        ("inbound", "none", True, True, True, Effect.JOINS),
        ("inbound", "none", True, False, True, Effect.OPENS),
        ("inbound", "none", True, False, False, Effect.JOINS),
        ("inbound", "auto_reply", False, True, True, Effect.RECORDED),
        ("inbound", "bounce", True, True, True, Effect.JOINS),
        ("inbound", "bulk", True, False, True, Effect.RECORDED),
        ("outbound", "none", False, False, True, Effect.RECORDED),
        ("outbound", "none", True, True, True, Effect.JOINS),
    ],
)
def test_what_a_communication_does(
    direction: str, robot: str, has_cases: bool, has_references: bool, is_threaded: bool, expected: Effect
) -> None:
    found = effect(direction=direction, robot=robot, has_cases=has_cases, has_references=has_references, is_threaded=is_threaded)

    assert found is expected


@pytest.mark.requirement("COM-5")
@pytest.mark.parametrize(("has_cases", "expected"), [(False, Effect.RECORDED), (True, Effect.JOINS)])
def test_what_may_open_no_case_joins_one_or_is_recorded(has_cases: bool, expected: Effect) -> None:
    found = effect(direction="inbound", robot="none", has_cases=has_cases, has_references=False, is_threaded=False, opens_case=False)

    assert found is expected


@pytest.mark.requirement("CON-1")
def test_whose_a_communication_is() -> None:
    assert whose([ANN], []) == ANN
    assert whose([ANN, BOB], []) is None
    assert whose([ANN, BOB], [BOB, None, BOB]) == BOB
    assert whose([ANN, BOB], [BOB, ANN]) is None
    assert whose([], [ANN]) is None


@pytest.mark.requirement("COM-8")
def test_what_expiry_does_to_a_case() -> None:
    assert outcome_of_expiry(a_case(), True, "high") is Outcome.CANCELLED
    assert outcome_of_expiry(a_case(), False, "high") is Outcome.STAYS
    assert outcome_of_expiry(a_case(owner="rita"), True, "high") is Outcome.STAYS
    assert outcome_of_expiry(a_case(state=LifeCycle.RESPONDED), True, "high") is Outcome.STAYS
    assert outcome_of_expiry(a_case(urgency="high"), True, "high") is Outcome.FOR_REVIEW
    assert outcome_of_expiry(a_case(urgency="high", needs_review=True), True, "high") is Outcome.STAYS


@pytest.mark.parametrize(("has_cases", "expected"), [(True, Effect.HISTORY), (False, Effect.RECORDED)])
def test_an_old_mail_is_history(has_cases: bool, expected: Effect) -> None:
    found = effect(direction="inbound", robot="none", has_cases=has_cases, has_references=True, is_threaded=True, old=True)
    assert found is expected
