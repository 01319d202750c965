"""Warranty and return of products, around their last days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.case.domain.periods import last_day
from services.case.domain.returns import ReturnOutcome, ReturnPolicy, check_return
from services.case.domain.warranty import check_warranty, warranty_end
from shared.calendars import parse_duration

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
PERIODS = st.builds(
    lambda amount, unit: parse_duration(f"{amount} {unit}"), st.integers(1, 60), st.sampled_from(["days", "weeks", "months", "years"])
)
REASONS = {"faulty": ReturnOutcome.COVERED, "not-wanted": ReturnOutcome.REFUNDABLE}
POLICY = ReturnPolicy("thirty-days", parse_duration("30 days"), REASONS)


@pytest.mark.requirement("CASE-14")
@pytest.mark.parametrize(
    ("first", "period", "last"),
    [
        (date(2026, 3, 1), "30 days", date(2026, 3, 31)),
        (date(2026, 1, 31), "1 month", date(2026, 2, 28)),
        (date(2024, 1, 31), "1 month", date(2024, 2, 29)),
        (date(2024, 2, 29), "1 year", date(2025, 2, 28)),
        (date(2024, 2, 29), "4 years", date(2028, 2, 29)),
        (date(2023, 2, 28), "1 year", date(2024, 2, 28)),
        (date(2026, 12, 31), "2 months", date(2027, 2, 28)),
        (date(2026, 3, 28), "1 week", date(2026, 4, 4)),
    ],
)
def test_a_period_ends_on_the_same_day_of_the_month_or_its_last(first: date, period: str, last: date) -> None:
    assert last_day(first, parse_duration(period)) == last


@pytest.mark.requirement("CASE-14")
@given(issued=DAYS, period=PERIODS, asked=st.integers(-40, 40))
def test_a_warranty_covers_from_its_first_day_to_its_last_and_not_a_day_more(issued: date, period: object, asked: int) -> None:
    until = warranty_end(issued, period)  # type: ignore[arg-type]
    assert until is not None
    assert check_warranty(issued, issued, until).is_covered
    assert check_warranty(until, issued, until).is_covered
    assert not check_warranty(issued - timedelta(days=1), issued, until).is_covered
    assert not check_warranty(until + timedelta(days=1), issued, until).is_covered
    day = until + timedelta(days=asked)
    answer = check_warranty(day, issued, until)
    assert answer.is_covered == (issued <= day <= until)
    assert str(until) in answer.reckoning
    assert str(day) in answer.reckoning


@pytest.mark.requirement("CASE-14")
def test_without_an_end_there_is_no_warranty() -> None:
    assert warranty_end(None, parse_duration("2 years")) is None
    assert warranty_end(date(2026, 1, 1), None) is None
    assert check_warranty(date(2026, 1, 1), date(2026, 1, 1), None).why == "It has no warranty."


@pytest.mark.requirement("CASE-14")
def test_a_warranty_whose_issue_nobody_knows_goes_by_its_end() -> None:
    assert check_warranty(date(2026, 1, 1), None, date(2026, 1, 1)).is_covered
    assert check_warranty(date(2026, 1, 2), None, date(2026, 1, 1)).why == "The warranty was over 1 day before."


@pytest.mark.requirement("CASE-14")
@given(issued=DAYS, period=PERIODS, offset=st.integers(-40, 40), reason=st.sampled_from([*REASONS, "bored"]))
def test_a_good_is_taken_back_up_to_the_last_day_for_a_reason_of_the_policy(issued: date, period: object, offset: int, reason: str) -> None:
    policy = ReturnPolicy("any", period, REASONS)  # type: ignore[arg-type]
    end = last_day(issued, period)  # type: ignore[arg-type]
    for day in (end + timedelta(days=offset), issued, end, end + timedelta(days=1)):
        answer = check_return(day, issued, True, policy, reason)
        is_in_time = issued <= day <= end
        assert answer.outcome == (REASONS.get(reason, ReturnOutcome.REFUSED) if is_in_time else ReturnOutcome.REFUSED)
        assert answer.last_day == end
        assert answer.why


@pytest.mark.requirement("CASE-14")
@pytest.mark.parametrize(
    ("returned", "issued", "is_physical", "policy", "reason", "why"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), False, POLICY, "faulty", "Only a physical good can be returned."),
        (date(2026, 3, 2), date(2026, 3, 1), True, None, "faulty", "It cannot be returned."),
        (date(2026, 3, 2), None, True, POLICY, "faulty", "Nobody knows when it left the warehouse."),
        (date(2026, 2, 28), date(2026, 3, 1), True, POLICY, "faulty", "It had not left the warehouse yet."),
        (date(2026, 4, 2), date(2026, 3, 1), True, POLICY, "faulty", "It came back 2 days too late."),
        (
            date(2026, 3, 31),
            date(2026, 3, 1),
            True,
            POLICY,
            "bored",
            "bored is no reason of the return policy thirty-days, which has faulty, not-wanted.",
        ),
    ],
)
def test_every_refusal_of_a_return_says_why(
    returned: date, issued: date | None, is_physical: bool, policy: ReturnPolicy | None, reason: str, why: str
) -> None:
    answer = check_return(returned, issued, is_physical, policy, reason)
    assert (answer.outcome, answer.why) == (ReturnOutcome.REFUSED, why)


@pytest.mark.requirement("CASE-14")
def test_what_a_return_gives_is_the_reasons_to_say() -> None:
    last = date(2026, 3, 31)
    assert check_return(last, date(2026, 3, 1), True, POLICY, "faulty").outcome is ReturnOutcome.COVERED
    refund = check_return(last, date(2026, 3, 1), True, POLICY, "not-wanted")
    assert refund.outcome is ReturnOutcome.REFUNDABLE
    assert refund.reckoning == "30 days from its issue on 2026-03-01 end on 2026-03-31, that day included; it came back on 2026-03-31."
