"""What a communication does, whose it is, and what its expiry does."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.case.domain.expiry import Outcome, outcome_of_expiry
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.loops import Cap, Caps, Frequent, LoopBreaker
from services.case.domain.matching import Effect, effect, is_among, whose
from services.case.domain.quoting import case_number, quoted_numbers
from shared.ids import derive
from tests.support.case import NOW, a_case

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


@pytest.mark.requirement("COM-7")
@pytest.mark.parametrize(
    ("robot", "has_cases", "expected"),
    [
        ("auto_reply", False, Effect.OPENS),
        ("bulk", False, Effect.OPENS),
        ("auto_reply", True, Effect.JOINS),
        ("bounce", False, Effect.RECORDED),
    ],
)
def test_what_a_trusted_robots_mail_does(robot: str, has_cases: bool, expected: Effect) -> None:
    found = effect(direction="inbound", robot=robot, has_cases=has_cases, has_references=True, is_threaded=True, is_trusted=True)

    assert found is expected


@pytest.mark.requirement("COM-7")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Portal@Contractor.example", True),
        ("any@alarms.example", True),
        ("any@contractor.example", False),
        ("any@sub.alarms.example", False),
        ("any@notalarms.example", False),
        ("", False),
    ],
)
def test_who_is_listed_by_address_or_by_domain(address: str, expected: bool) -> None:
    assert is_among(frozenset({"portal@contractor.example", "@alarms.example"}), address) is expected


@pytest.mark.requirement("EDGE-1")
@pytest.mark.parametrize("robot", ["none", "auto_reply"])
def test_a_quoted_number_of_ones_own_case_joins_it(robot: str) -> None:
    found = effect(direction="inbound", robot=robot, has_cases=False, has_references=False, is_threaded=True, quotes_own_case=True)

    assert found is Effect.JOINS


@pytest.mark.requirement("EDGE-1")
@pytest.mark.parametrize(
    ("subject_line", "expected"),
    [
        ("Re: [C-2026-000123] Leak", ("C-2026-000123",)),
        ("about c-2026-1000123, and C-2025-000007; C-2026-1000123 again", ("C-2026-1000123", "C-2025-000007")),
        ("ABC-2026-000123", ()),
        ("C-2026-00012", ()),
        ("C-2026-" + "1" * 13, ()),
        (" ".join(case_number(2026, count) for count in range(9)), tuple(case_number(2026, count) for count in range(5))),
        ("", ()),
    ],
)
def test_which_case_numbers_a_subject_line_quotes(subject_line: str, expected: tuple[str, ...]) -> None:
    assert quoted_numbers(subject_line) == expected


@pytest.mark.requirement("COM-5")
@pytest.mark.parametrize(("has_cases", "expected"), [(False, Effect.RECORDED), (True, Effect.JOINS)])
def test_what_may_open_no_case_joins_one_or_is_recorded(has_cases: bool, expected: Effect) -> None:
    found = effect(direction="inbound", robot="none", has_cases=has_cases, has_references=False, is_threaded=False, opens_case=False)

    assert found is expected


def a_breaker() -> LoopBreaker:
    return LoopBreaker(Caps(timedelta(hours=1), openings=2, trusted_openings=3, joins=2))


@pytest.mark.requirement("EDGE-2")
def test_a_sender_opens_no_more_cases_in_a_window_than_its_cap() -> None:
    breaker = a_breaker()

    def opens(sender: str, minutes: int, *, is_trusted: bool = False) -> bool:
        return breaker.may_open(sender, NOW + timedelta(minutes=minutes), is_trusted=is_trusted)

    assert [opens("ann", minute) for minute in (0, 30, 31, 59)] == [True, True, False, False]
    assert opens("ann", 60), "the first is out of the window, and those that were held do not count"
    assert not opens("ann", 61)
    assert opens("bob", 61), "each sender has a count of its own"
    assert [opens("alarm", 0, is_trusted=True) for _ in range(4)] == [True, True, True, False]
    assert all(opens("", 0) for _ in range(4)), "what names no sender gets no answer, so it is no loop"
    assert opens("ann", -60), "a mail that was long under way is counted with those of its time"
    assert breaker.broken == {(Cap.SENDER, "ann"): 3, (Cap.SENDER, "alarm"): 1}


@pytest.mark.requirement("EDGE-2")
def test_only_of_those_who_write_often_the_database_is_asked() -> None:
    usual, tight = a_breaker().caps._replace(openings=100), a_breaker().caps
    seen = Frequent()

    assert [seen.is_frequent("ann", NOW, usual) for _ in range(7)] == [False] * 5 + [True] * 2
    assert not seen.is_frequent("bob", NOW, usual)
    assert seen.is_frequent("bob", NOW, tight), "a small cap is met by few"
    assert not seen.is_frequent("ann", NOW + usual.window, usual), "a window later the count begins anew"


@pytest.mark.requirement("EDGE-2")
def test_a_case_takes_no_more_mail_of_one_sender_or_of_robots_than_its_cap() -> None:
    breaker = a_breaker()

    def joins(who: str, *cases: UUID, is_robot: bool = False) -> bool:
        return breaker.may_join(cases, who, NOW, is_robot=is_robot)

    one, two = derive("one"), derive("two")
    assert [joins("ann", one) for _ in range(3)] == [True, True, False]
    assert not joins("ann", one, two)
    assert joins("ann", two)
    assert [joins(who, one, is_robot=True) for who in ("r1", "r2", "r3")] == [True, True, False]
    assert joins("bob", one), "people are not counted with robots"
    assert breaker.broken == {(Cap.CASE, one): 3}


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
