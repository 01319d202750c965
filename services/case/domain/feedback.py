"""What customers are asked about a case afterwards, and what their answers come to (CASE-13, EDGE-16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.case.domain.case import Case
from services.case.domain.life_cycle import LifeCycle
from services.case.domain.refusals import CaseRefusal
from shared.links.pages import LONGEST_TEXT, NotFilled
from shared.links.words import Said


class FeedbackRefused(CaseRefusal):
    """No feedback is taken on this case, or not now, or not again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: to be rated from 1 (the first of `labels`, the worst) on, or without labels to be answered in words."""

    code: str
    wording: str
    labels: tuple[str, ...]
    satisfied_from: int
    is_required: bool


@dataclass(frozen=True, slots=True)
class Form:
    """The questions on cases of some subjects; none named: of all."""

    code: str
    name: str
    intro: str
    subjects: frozenset[str]
    states: frozenset[LifeCycle]
    is_repeatable: bool
    questions: tuple[Asked, ...]


class Answered(NamedTuple):
    """The answer to a question. Field names are those of the table `feedback_answers`."""

    position: int
    question: str
    wording: str
    rating: int | None
    best: int | None
    satisfied: bool | None
    comment: str | None


def form_for(forms: Iterable[Form], case: Case, has_feedback: bool) -> Form:
    """The form of this case, as it is now. Raises `FeedbackRefused`."""
    what = f"feedback on case {case.number}"
    form = next((form for form in forms if not form.subjects or case.subject in form.subjects), None)
    if form is None:
        raise FeedbackRefused(what, f"no feedback form is for the subject {case.subject}")
    if case.state not in form.states:
        states = ", ".join(sorted(form.states))
        raise FeedbackRefused(what, f"it is asked for while the case is {states}, and this one is {case.state}")
    if has_feedback and not form.is_repeatable:
        raise FeedbackRefused(what, "it was given already, and is asked for once")
    return form


def answers_of(form: Form, given: Mapping[str, str]) -> list[Answered]:
    """The answers to a form as they were given, by the questions' codes. Raises `NotFilled`, which says what is wrong with each."""
    answers: list[Answered] = []
    errors = {code: Said("There is no such question.") for code in given if all(code != asked.code for asked in form.questions)}
    for position, asked in enumerate(form.questions):
        text = given.get(asked.code, "").strip()
        if not text:
            if asked.is_required:
                errors[asked.code] = Said("Please choose one.") if asked.labels else Said("Please write something.")
        elif not asked.labels:
            if len(text) > LONGEST_TEXT:
                errors[asked.code] = Said("This is longer than {most} characters.", most=LONGEST_TEXT)
            answers.append(Answered(position, asked.code, asked.wording, None, None, None, text))
        elif text not in map(str, range(1, len(asked.labels) + 1)):
            errors[asked.code] = Said("Please choose one from 1 to {best}.", best=len(asked.labels))
        else:
            rating = int(text)
            answers.append(Answered(position, asked.code, asked.wording, rating, len(asked.labels), rating >= asked.satisfied_from, None))
    if not answers and not errors:
        errors[""] = Said("Please answer at least one question.")
    if errors:
        raise NotFilled(errors)
    return answers


class Counted(NamedTuple):
    """How often a question was given a rating, within one group."""

    group: str
    question: str
    wording: str
    best: int
    rating: int
    times: int
    satisfied: int


def summed_up(counted: Sequence[Counted]) -> dict[str, list[dict[str, Any]]]:
    """Group -> for each question of a scale: count, average, how many gave which rating, and the share of satisfied ones (0 to 1)."""
    found: dict[tuple[str, str, int], list[Counted]] = {}
    for one in counted:
        found.setdefault((one.group, one.question, one.best), []).append(one)
    groups: dict[str, list[dict[str, Any]]] = {}
    for (group, question, best), ratings in sorted(found.items()):
        count = sum(one.times for one in ratings)
        by_rating = {rating: sum(one.times for one in ratings if one.rating == rating) for rating in range(1, best + 1)}
        groups.setdefault(group, []).append(
            {
                "question": question,
                "wording": ratings[-1].wording,
                "best": best,
                "count": count,
                "average": round(sum(rating * times for rating, times in by_rating.items()) / count, 2),
                "distribution": {str(rating): times for rating, times in by_rating.items()},
                "satisfied": round(sum(one.satisfied for one in ratings) / count, 4),
            }
        )
    return groups
