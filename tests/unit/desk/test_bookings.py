"""Bookings as pages show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.desk.domain.bookings import Slot, minutes_words, slot_of, stretches
from services.desk.domain.staffing import Given, Outcome, given_of
from shared.ids import derive

pytestmark = pytest.mark.requirement("TASK-10")
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def slot(start: float, length: float = 0.5) -> Slot:
    begins = NINE + timedelta(hours=start)
    return Slot("van", begins, begins + timedelta(hours=length))


def test_free_times_that_touch_are_one() -> None:
    found = stretches([slot(0), slot(0.5), slot(1), slot(2), slot(2.5)])
    assert found == [(NINE, NINE + timedelta(hours=1.5)), (NINE + timedelta(hours=2), NINE + timedelta(hours=3))]


def test_a_chosen_time_is_read_as_the_form_sends_it() -> None:
    assert slot_of(slot(1).value) == slot(1)
    for garbage in ("", "van", "van 9 10", "van 2026-03-02T09:00 later", "a b c d"):
        assert slot_of(garbage) is None


@pytest.mark.parametrize(("minutes", "words"), [(0, "0 min"), (45, "45 min"), (60, "1 h"), (100, "1 h 40 min")])
def test_a_length_of_time_in_words(minutes: int, words: str) -> None:
    assert minutes_words(minutes) == words


@pytest.mark.requirement("TASK-7")
def test_what_was_given_is_said_in_numbers() -> None:
    outcomes = [Outcome(derive("task", n), outcome, why) for n, (outcome, why) in enumerate([("reassigned", ""), ("unchanged", "")])]
    assert given_of(outcomes).words == "1 task is given to them. 1 task is theirs already."
    assert Given(3, 0, lent=True).words == "3 tasks are given to them. They are away: who stands in has them until they are back."
    assert Given().words == ""
