"""A major case: one parent with a child for each customer it concerns, told together and closed at once (EDGE-15)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.case.domain.answers import NO_ANSWERS, Answers
from services.case.domain.case import Actor, Case, Change
from services.case.domain.life_cycle import ORDER, LifeCycle, LifeCycleRules
from services.case.domain.progress import Gate, set_status
from services.case.domain.refusals import CaseRefusal, LinkRefused

MOST_CHILDREN = 10_000
"""The most children of one case."""
CLOSING = frozenset({LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED})
"""The states that a parent passes on to its children."""


class Closed(NamedTuple):
    """What the parent's close did to a child. `stays`: why it has not got there; empty: it has."""

    case: Case
    changes: tuple[Change, ...] = ()
    stays: str = ""
    answers: Answers = NO_ANSWERS


def attach(child: Case, parent: Case, *, has_children: bool) -> tuple[Case, tuple[Change, ...]]:
    """The child under its parent. Raises `LinkRefused`.

    It keeps its own contact, and its revision: nothing that others are told changes.
    """
    what = f"putting case {child.number} under {parent.number}"
    for case, which in ((parent, "the major case"), (child, "it")):
        if case.state.is_closed:
            raise LinkRefused(what, f"{which} is {case.state}, and so is locked")
    if child.id == parent.id:
        raise LinkRefused(what, "that is the same case")
    if child.parent_id == parent.id:
        return child, ()
    if child.parent_id is not None:
        raise LinkRefused(what, "it belongs to another major case: detach it there first")
    if parent.parent_id is not None:
        raise LinkRefused(what, f"{parent.number} belongs to a major case itself")
    if has_children:
        raise LinkRefused(what, "it is a major case with children itself")
    return child._replace(parent_id=parent.id), (Change("parent", None, parent.number),)


def detach(child: Case, parent: Case) -> tuple[Case, tuple[Change, ...]]:
    """The child on its own again. Raises `LinkRefused`."""
    if child.parent_id != parent.id:
        raise LinkRefused(f"detaching case {child.number}", f"it does not belong to {parent.number}")
    return child._replace(parent_id=None), (Change("parent", parent.number, None),)


def close(
    child: Case, to: LifeCycle, rules: LifeCycleRules, actor: Actor, gate: Gate, now: datetime, reason: str, answers: Answers = NO_ANSWERS
) -> Closed:
    """The child led to the parent's state, step by step, in its subject's default status for each; as far as its rules and gates let it.

    Each state takes its default answer. A child that nobody has becomes the property of whoever closes the parent.
    """
    steps = [state for state in LifeCycle if ORDER[child.state] < ORDER[state] <= ORDER[to] and state is not LifeCycle.TEMPORARILY_RESOLVED]
    case, stays = child, ""
    given: tuple[Change, ...] = ()
    if case.owner is None:
        case, given = case._replace(owner=actor.user), (Change("owner", None, actor.user),)
    found: list[Change] = []
    given_answers = answers
    for state in steps:
        try:
            case, made, given_answers = set_status(case, rules.defaults[state], rules, actor, gate, now, reason, given_answers)
        except CaseRefusal as refusal:
            stays = refusal.why
            break
        found += made
    return Closed(case, (*given, *found), stays, given_answers) if found else Closed(child, (), stays, answers)
