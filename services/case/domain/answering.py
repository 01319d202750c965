"""Giving an answer, and amending it (CASE-4): the step to its state, made by choosing its category."""

from __future__ import annotations

from datetime import datetime

from services.case.domain import progress
from services.case.domain.answers import Answers, Chosen, answers_in, with_answers
from services.case.domain.case import Actor, Case
from services.case.domain.history import Step, step
from services.case.domain.life_cycle import ORDER, LifeCycleRules, Stage
from services.case.domain.refusals import AnswerRefused


def answer(
    case: Case,
    answers: Answers,
    stage: Stage,
    chosen: Chosen,
    status: str | None,
    rules: LifeCycleRules,
    actor: Actor,
    now: datetime,
) -> Step:
    """The case with this answer. Raises a `CaseRefusal`.

    It moves the case to `status`, by default the default status of the stage's state. In that state already, the answer is amended, and
    the status stays unless another one of that state is given; what the customer accepted or declined was the old answer. Once the case
    has gone on, the answers behind it stand.
    """
    name = stage.replace("_", " ")
    what = f"{name} of case {case.number}"
    if status is not None and status in rules.statuses and rules.statuses[status].state is not stage.state:
        raise AnswerRefused(what, f"the status {status} stands for {rules.statuses[status].state}, not for {stage.state}")
    if case.state is stage.state:
        return _amended(case, answers, stage, chosen, status, rules, actor, now, what)
    if not case.state.is_closed and ORDER[stage.state] < ORDER[case.state] and not rules.transitions:
        raise AnswerRefused(what, f"the case is {case.state}: its {name} could be amended until then, and stands")
    to = status or rules.defaults[stage.state]
    return progress.move(case, to, rules, actor, progress.OPEN_GATE, now, answers=answers, chosen=chosen)


def _amended(
    case: Case,
    answers: Answers,
    stage: Stage,
    chosen: Chosen,
    status: str | None,
    rules: LifeCycleRules,
    actor: Actor,
    now: datetime,
    what: str,
) -> Step:
    if case.owner is None:
        raise AnswerRefused(what, "it has to belong to a user first: assign or accept it")
    if status is not None and status != case.status:
        return progress.move(case, status, rules, actor, progress.OPEN_GATE, now, answers=answers, chosen=chosen)
    after = answers_in(case, answers, stage.state, chosen, rules, actor.user, now, what)
    if after == answers:
        return Step(case, (), answers)
    changed = with_answers(case._replace(revision=case.revision + 1, reason="", changed_at=now, changed_by=actor.user), after)
    return step(case, changed, answers, after)
