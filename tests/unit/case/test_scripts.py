"""What is answered to the scripts of a communication method."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.case.domain.refusals import PromptRefused
from services.case.domain.scripts import Answered, Prompt, record_answers

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
NAME, BIRTHDAY, GONE = Prompt("pre", "Your name?"), Prompt("security", "Your birthday?"), Prompt("pre", "Your cat?")
KNOWN = [{"script": "pre", "prompt": "Your name?", "answer": "Ann"}, {"script": "pre", "prompt": "Your cat?", "answer": "Tom"}]


@pytest.mark.requirement("COM-2")
def test_an_answer_replaces_that_of_its_prompt_and_an_empty_one_takes_it_back() -> None:
    given = [("Your name?", " Anna "), ("Your birthday?", "1 May"), ("Your cat?", "")]

    after, changes = record_answers(KNOWN, given, [NAME, BIRTHDAY], "rita", NOW)

    said = {"by": "rita", "at": NOW.isoformat()}
    assert after == [
        {"script": "pre", "prompt": "Your name?", "answer": "Anna"} | said,
        {"script": "security", "prompt": "Your birthday?", "answer": "1 May"} | said,
    ]
    assert changes == [Answered(NAME, "Ann", "Anna"), Answered(BIRTHDAY, None, "1 May"), Answered(GONE, "Tom", None)]


def test_the_same_answer_again_changes_nothing_and_keeps_who_recorded_it() -> None:
    assert record_answers(KNOWN, [("Your name?", "Ann"), ("Your birthday?", " ")], [NAME, BIRTHDAY], "rita", NOW) == (KNOWN, [])


def test_a_prompt_of_two_scripts_is_that_of_the_first_and_an_unknown_one_is_named() -> None:
    (answer,), _ = record_answers([], [("Your name?", "Ann")], [NAME, Prompt("security", "Your name?")], "rita", NOW)
    assert answer["script"] == "pre"
    with pytest.raises(PromptRefused, match="'Your dog\\?'"):
        record_answers(KNOWN, [("Your dog?", "Rex")], [NAME], "rita", NOW)
