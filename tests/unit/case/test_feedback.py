"""Feedback: which form a case has, what its answers are, what they come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.case.domain.feedback import Counted, FeedbackRefused, answers_of, form_for, summed_up
from services.case.domain.life_cycle import LifeCycle
from services.case.handlers.feedback import forms_of
from shared.links.pages import NotFilled
from tests.support.case import a_case, a_case_configuration
from tests.support.feedback import FORM

NOISE = FORM | {"code": "noise", "subjects": ["noise"], "repeatable": False}
FORMS = forms_of(a_case_configuration(feedback=[NOISE, FORM]))
NOISE_FORM, REPAIR_FORM = FORMS


@pytest.mark.requirement("EDGE-16")
def test_a_case_has_the_first_form_that_is_for_its_subject() -> None:
    resolved = a_case(state=LifeCycle.FINALLY_RESOLVED)
    assert form_for(FORMS, resolved, False).code == "after-repair"
    assert form_for(FORMS, resolved._replace(subject="noise"), False).code == "noise"
    with pytest.raises(FeedbackRefused, match="no feedback form is for the subject leak"):
        form_for([NOISE_FORM], resolved, False)


@pytest.mark.requirement("EDGE-16")
def test_feedback_is_taken_in_the_forms_states_and_again_only_where_the_form_says_so() -> None:
    with pytest.raises(FeedbackRefused, match="asked for while the case is completed, finally_resolved, and this one is pending"):
        form_for(FORMS, a_case(), False)
    done = a_case(state=LifeCycle.COMPLETED)
    assert form_for(FORMS, done, True) is REPAIR_FORM
    with pytest.raises(FeedbackRefused, match="given already"):
        form_for(FORMS, done._replace(subject="noise"), True)


@pytest.mark.requirement("CASE-13")
def test_answers_are_ratings_with_their_scale_and_words() -> None:
    rated, words = answers_of(REPAIR_FORM, {"work": "4", "words": "  Quick.  ", "button": ""})
    assert (rated.question, rated.rating, rated.best, rated.satisfied, rated.comment) == ("work", 4, 5, True, None)
    assert (words.position, words.comment, words.rating) == (2, "Quick.", None)
    assert answers_of(REPAIR_FORM, {"work": "3"})[0].satisfied is False


@pytest.mark.requirement("CASE-13")
@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({"words": "Nice"}, {"work": "Please choose one."}),
        ({"work": "6"}, {"work": "Please choose one from 1 to 5."}),
        ({"work": "0"}, {"work": "Please choose one from 1 to 5."}),
        ({"work": "four"}, {"work": "Please choose one from 1 to 5."}),
        ({"work": "4", "words": "x" * 2001}, {"words": "This is longer than 2,000 characters."}),
        ({"work": "4", "nothing": "1"}, {"nothing": "There is no such question."}),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_by_its_question(given: dict[str, str], errors: dict[str, str]) -> None:
    with pytest.raises(NotFilled) as error:
        answers_of(REPAIR_FORM, given)
    assert error.value.errors == errors


@pytest.mark.requirement("CASE-13")
def test_a_form_without_any_required_question_wants_one_answer_all_the_same() -> None:
    section = FORM | {"questions": [FORM["questions"][1], FORM["questions"][2]]}
    (form,) = forms_of(a_case_configuration(feedback=[section]))
    with pytest.raises(NotFilled, match="at least one"):
        answers_of(form, {"words": "   "})


@pytest.mark.requirement("CASE-13")
@given(ratings=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5)), min_size=1))
def test_a_summary_counts_averages_and_shares_out_what_was_given(ratings: list[tuple[str, int]]) -> None:
    counted = [
        Counted(group, "work", "The work", 5, rating, ratings.count((group, rating)), ratings.count((group, rating)) if rating >= 4 else 0)
        for group, rating in sorted(set(ratings))
    ]
    found = summed_up(counted)
    for group in {group for group, _ in ratings}:
        own = [rating for of, rating in ratings if of == group]
        (question,) = found[group]
        assert question["count"] == sum(question["distribution"].values()) == len(own)
        assert question["average"] == pytest.approx(sum(own) / len(own), abs=0.005)
        assert question["satisfied"] == pytest.approx(sum(rating >= 4 for rating in own) / len(own), abs=0.0001)
        assert list(question["distribution"]) == ["1", "2", "3", "4", "5"]
