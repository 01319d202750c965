"""Answers to the customer's matter: the response, the temporary and the final resolution, each by its category (CASE-4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.life_cycle import NO_CATEGORIES, ORDER, STAGE_OF, LifeCycle, LifeCycleRules, Stage
from services.case.domain.refusals import CategoryRefused

TEXT_LENGTH = 20_000
"""The most characters that an answer has."""


class Answer(NamedTuple):
    """What was answered at one stage of a case. Field names are those of the table `answers`."""

    case_id: UUID
    stage: Stage
    category: str
    text: str
    requires_acceptance: bool
    given_by: str
    given_at: datetime
    accepted: bool | None = None
    """The customer's word on it; None: none yet."""
    accepted_by: str | None = None
    accepted_at: datetime | None = None
    comment: str = ""
    """What the customer said with it."""

    @property
    def is_settled(self) -> bool:
        """Whether the case may go further with it."""
        return not self.requires_acceptance or self.accepted is True

    @property
    def awaits_customer(self) -> bool:
        """Whether it waits for the customer's word."""
        return self.requires_acceptance and self.accepted is None


Answers = Mapping[Stage, Answer]
"""The answers of one case, by stage: of the state it is in and of those it came by."""
NO_ANSWERS: Answers = MappingProxyType({})


class Chosen(NamedTuple):
    """What a member of staff answers; an empty category takes the stage's default one."""

    category: str
    text: str


def checked_category(category: str, stage: Stage, rules: LifeCycleRules, what: str) -> tuple[str, bool]:
    """The category that an answer gets, and whether it requires acceptance. Raises `CategoryRefused`.

    A stage without configured categories takes none.
    """
    allowed = rules.answers.get(stage, NO_CATEGORIES)
    code = category or allowed.default
    if code in allowed.requires_acceptance:
        return code, allowed.requires_acceptance[code]
    name = stage.replace("_", " ")
    if not allowed.requires_acceptance:
        if code:
            raise CategoryRefused(what, f"there are no {name} categories for this subject, so it takes none")
        return "", False
    codes = ", ".join(sorted(allowed.requires_acceptance))
    why = f"{code!r} is not among its {name} categories" if code else f"choose a {name} category"
    raise CategoryRefused(what, f"{why}; it is one of {codes}")


def answers_in(
    case: Case, answers: Answers, state: LifeCycle, chosen: Chosen | None, rules: LifeCycleRules, by: str, now: datetime, what: str
) -> Answers:
    """The answers of the case once it stands in `state`. Raises `CategoryRefused`.

    Those of states that it goes back from are withdrawn. The state's own answer is what was `chosen`; else the one it had before; else,
    on entering, one of the default category.
    """
    kept = {stage: answer for stage, answer in answers.items() if ORDER[stage.state] <= ORDER[state] and state is not LifeCycle.CANCELLED}
    stage = STAGE_OF.get(state)
    if stage is None or (chosen is None and (stage in kept or state is case.state)):
        return kept
    category, requires_acceptance = checked_category(chosen.category if chosen else "", stage, rules, what)
    text = chosen.text if chosen else ""
    if not category and not text:
        kept.pop(stage, None)  # no categories here: the status says it all
        return kept
    before = kept.get(stage)
    if before is None or (before.category, before.text) != (category, text):
        # Another answer is another question to the customer: what was accepted or declined was the old one.
        kept[stage] = Answer(case.id, stage, category, text, requires_acceptance, by, now)
    return kept


def with_answers(case: Case, answers: Answers) -> Case:
    """The case with the fields that follow from its answers."""

    def category(stage: Stage) -> str:
        return answers[stage].category if stage in answers else ""

    present = STAGE_OF.get(case.state)
    answer = answers.get(present) if present else None
    return case._replace(
        response_category=category(Stage.RESPONSE),
        temporary_category=category(Stage.TEMPORARY_RESOLUTION),
        final_category=category(Stage.FINAL_RESOLUTION),
        awaiting_acceptance=answer.stage.value if answer and answer.awaits_customer else "",
    )
