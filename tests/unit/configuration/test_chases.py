"""What a configuration may say about customers who keep silent."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import STATUSES, SUBJECTS, a_document

GOOD = {"after": "3 working days", "reminders": 2, "close_after": "5 working days", "close_status": "closed"}


def problems(organisation: Any, **subject: Any) -> dict[str, str]:
    """Those of an organisation with this chase, and of a first subject with these members."""
    document = a_document(chase=organisation, subjects=[SUBJECTS[0] | subject, *SUBJECTS[1:]])
    return {problem.path: problem.message for problem in check_configuration(yaml.safe_dump(document)).problems}


@pytest.mark.requirement("EDGE-10", "FACE-2")
@pytest.mark.parametrize("chase", [GOOD, {"after": "1 week"}, {"reminders": 0}, {"reminders": 0, "close_after": "1 month"}, None])
def test_a_sound_chase_is_taken_for_the_organisation_and_for_a_subject(chase: Any) -> None:
    assert problems(chase) == problems(None, chase=chase) == {}


@pytest.mark.requirement("EDGE-10", "FACE-2")
@pytest.mark.parametrize(
    ("chase", "path", "word"),
    [
        ({"close_after": "1 day"}, "", "say `after` how long"),
        (GOOD | {"after": "soon"}, ".after", "soon"),
        (GOOD | {"after": "0 days"}, ".after", "not of the right form"),
        (GOOD | {"close_after": "999999999 years"}, ".close_after", "999999999"),
        (GOOD | {"reminders": 21}, ".reminders", "20"),
        (GOOD | {"close_status": "shut"}, ".close_status", "there is no status 'shut'"),
        (GOOD | {"close_status": "answered"}, ".close_status", "stands for responded, which closes no case"),
        (GOOD | {"close_after": None}, ".close_status", "add that, or remove this"),
        (GOOD | {"again": 1}, ".again", ""),
    ],
)
def test_an_unsound_one_is_refused_where_it_stands(chase: dict[str, Any], path: str, word: str) -> None:
    assert word in problems(chase)[f"chase{path}"]
    assert word in problems(None, chase=chase)[f"subjects[0].chase{path}"]


def test_a_subject_allows_the_status_that_closes_its_cases() -> None:
    statuses = [status["code"] for status in STATUSES if status["code"] != "closed"]
    found = problems(None, chase=GOOD, statuses=[*statuses, "closed"])
    assert "subjects[0].chase.close_status" not in found
    assert "not among the statuses" in problems(None, chase=GOOD, statuses=statuses)["subjects[0].chase.close_status"]
