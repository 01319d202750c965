"""What a customer's reply does to a case that is closed (CASE-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from services.case.domain.answers import NO_ANSWERS, Answers
from services.case.domain.case import SYSTEM, Actor, Case
from services.case.domain.history import Step
from services.case.domain.life_cycle import LifeCycle, LifeCycleRules, TransitionRule
from services.case.domain.progress import Gate, set_status
from services.case.domain.refusals import CaseRefusal

LATE_REPLY = "late reply"
"""The reason of a case that a reply reopened."""


class LateReply(StrEnum):
    """What a subject says; the values are those of the configuration."""

    RECORD = "record"
    REOPEN = "reopen"
    OPEN_LINKED = "open_linked"


def is_reply(direction: str, robot: str, old: bool) -> bool:
    """Whether somebody writes who waits for something: not we, not a machine, and not before our time."""
    return direction == "inbound" and robot == "none" and not old


def deciding(closed: Sequence[Case]) -> Case:
    """Of several closed cases that a reply reaches, the one it is taken to be about: the one closed last. Never none."""
    return max(closed, key=lambda case: (case.completed_at or case.changed_at, case.number))


def reopened(case: Case, rules: LifeCycleRules, now: datetime, answers: Answers = NO_ANSWERS) -> Step | None:
    """The completed case reopened by the first transition rule that does so; None: it stays as it is.

    Whom the rule lists is who may reopen by hand. That a reply may is what the subject says.
    """
    if case.state is not LifeCycle.COMPLETED:
        return None
    rule = next((rule for rule in rules.transitions if rule.reopens and rule.from_status == case.status), None)
    if rule is None:
        return None
    for_replies = replace(rules, transitions=(TransitionRule(rule.from_status, rule.to_status, reopens=True),))
    try:
        return set_status(case, rule.to_status, for_replies, Actor(SYSTEM, case.unit), Gate(True, 0), now, LATE_REPLY, answers)
    except CaseRefusal:
        # It is nobody's, or its status is gone from the configuration: staff judge.
        return None
