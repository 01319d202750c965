"""Feedback as the desk's page shows it, from what case's API answers."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.desk.domain.feedback import groups_of, said_of

ID = "7f3c1d52-0b1a-4c7e-9a55-1f2e3d4c5b6a"
RATED = {"question": "work", "wording": "The work", "rating": 4, "best": 5, "satisfied": True, "comment": None}
WRITTEN = {"question": "words", "wording": "Else?", "rating": None, "best": None, "satisfied": None, "comment": "Good"}


@pytest.mark.requirement("CASE-13")
def test_a_summary_becomes_groups_with_shares_the_best_rating_first() -> None:
    question = {"question": "work", "wording": "The work", "best": 3, "count": 3, "average": 2.33, "satisfied": 0.6667}
    item = {"unit": "repairs", "feedback": 4, "questions": [question | {"distribution": {"1": 1, "2": 0, "3": 2}}]}
    (group,) = groups_of({"by": "unit", "items": [item]})
    assert (group.code, group.count) == ("repairs", 4)
    (shown,) = group.questions
    assert (shown.satisfied, shown.average) == (67, 2.33)
    assert shown.shares == ((3, 2, 67), (2, 0, 0), (1, 1, 33))


@pytest.mark.requirement("CASE-13")
def test_a_feedback_is_shown_with_its_ratings_and_what_was_written() -> None:
    item = {"case_id": ID, "number": "C-1", "subject": "leak", "given_at": "2026-03-02T10:00:00+00:00", "answers": [RATED, WRITTEN]}
    (said,) = said_of({"items": [item], "next": None})
    assert (said.case_id, said.ratings, said.comments) == (UUID(ID), (("The work", 4, 5),), ("Good",))
