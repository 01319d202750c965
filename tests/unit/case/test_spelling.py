"""Which words a misspelt one may have been meant as."""

from __future__ import annotations

import pytest

from services.case.domain.spelling import meant, slips


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ("boiler", "boiler", 0),
        ("boilr", "boiler", 1),
        ("hosue", "house", 1),
        ("lek", "leak", 1),
        ("jansen", "hansen", 1),
        ("radiatro", "radiator", 1),
    ],
)
def test_letters_too_many_too_few_other_or_exchanged_are_one_slip(first: str, second: str, distance: int) -> None:
    assert slips(first, second, 2) == distance
    assert slips(second, first, 2) == distance


def test_far_words_are_far() -> None:
    assert slips("radiator", "window", 2) > 2
    assert slips("abcdef", "badcfe", 2) > 2


@pytest.mark.requirement("FACE-1")
def test_the_nearest_words_are_meant_the_more_frequent_first() -> None:
    known = [("leek", 3), ("leak", 500), ("lens", 9), ("break", 70), ("leaks", 20)]

    assert meant("leakk", known) == ["leak", "leaks"]
    assert meant("lek", known) == ["leak", "leek"]
    assert meant("zzzz", known) == []
