"""The customer's acceptance of an answer, where its category requires it (CASE-4, CASE-12).

The customer gives it by a link, or staff record it. Until an answer that requires it is accepted, the case goes no further. Declined, the
case stays where it is and waits for us: for an amended answer, on which the customer is asked anew, or for a step back by a transition
rule. Until the case goes further the last word counts, so that a slip can be put right.
"""

from __future__ import annotations

from datetime import datetime

from services.case.domain.answers import Answers, with_answers
from services.case.domain.case import Actor, Case
from services.case.domain.history import Step, step
from services.case.domain.life_cycle import STAGE_OF, Stage
from services.case.domain.refusals import AcceptanceRefused, CaseLocked, TransitionRefused


def require_settled(case: Case, answers: Answers, what: str) -> None:
    """Raise `TransitionRefused` while the answer of the case's state has not been accepted as it must be."""
    stage = STAGE_OF.get(case.state)
    answer = answers.get(stage) if stage else None
    if answer is None or answer.is_settled:
        return
    name = answer.stage.replace("_", " ")
    if answer.awaits_customer:
        raise TransitionRefused(what, f"the customer has to accept the {name} first")
    raise TransitionRefused(what, f"the customer declined the {name}: amend it first")


def record(case: Case, answers: Answers, stage: Stage, is_accepted: bool, comment: str, actor: Actor, now: datetime) -> Step:
    """The case with the customer's word on its present answer. Raises `CaseLocked` or `AcceptanceRefused`."""
    name = stage.replace("_", " ")
    what = f"acceptance of the {name} of case {case.number}"
    if case.state.is_closed:
        raise CaseLocked(what, f"a {case.state} case is not modifiable")
    answer = answers.get(stage)
    if answer is None:
        raise AcceptanceRefused(what, f"no {name} has been given")
    if case.state is not stage.state:
        raise AcceptanceRefused(what, f"the case has gone on, and is {case.state}")
    if not answer.requires_acceptance:
        raise AcceptanceRefused(what, f"its category {answer.category or 'none'} requires no acceptance")
    if (answer.accepted, answer.comment) == (is_accepted, comment):
        return Step(case, (), answers)
    told = answer._replace(accepted=is_accepted, accepted_by=actor.user, accepted_at=now, comment=comment)
    after = {**answers, stage: told}
    changed = with_answers(case._replace(revision=case.revision + 1, reason="", changed_at=now, changed_by=actor.user), after)
    return step(case, changed, answers, after)
