"""Setting a status (CASE-3, CASE-8): the life cycle, the transition rules, and the gates before completion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.case.domain.acceptance import require_settled
from services.case.domain.answers import NO_ANSWERS, Answers, Chosen, answers_in, with_answers
from services.case.domain.case import SYSTEM, Actor, Case, Change
from services.case.domain.history import Step, step
from services.case.domain.life_cycle import ORDER, STEPS, LifeCycle, LifeCycleRules, Status, TransitionRule
from services.case.domain.refusals import CaseLocked, TransitionRefused

EXPIRED = "expired"
"""The reason of a case that its communications' expiry cancelled."""


@dataclass(frozen=True, slots=True)
class OpenApproval:
    """An approval that the case waits for (EDGE-6): by whom, asked or declined `since`."""

    approver: str
    since: datetime
    is_declined: bool = False

    def __str__(self) -> str:
        at = self.since.isoformat(timespec="minutes")
        if self.is_declined:
            return f"{self.approver} declined its approval on {at}, which blocks it until it is asked again or withdrawn"
        return f"it waits for approval by {self.approver}, who is asked since {at}"


@dataclass(frozen=True, slots=True)
class Gate:
    """What completion waits for: whether the case's workflow has been planned, how many of its tasks are open, which approvals."""

    is_planned: bool
    open_tasks: int
    approvals: tuple[OpenApproval, ...] = ()


OPEN_GATE = Gate(is_planned=True, open_tasks=0)
"""For steps that lead to no completion."""


def set_status(
    case: Case, to: str, rules: LifeCycleRules, actor: Actor, gate: Gate, now: datetime, reason: str = "", answers: Answers = NO_ANSWERS
) -> Step:
    """The case in status `to`, and what changed. Raises a `CaseRefusal`.

    A completed case leaves its state only by a rule that reopens; a cancelled one never does. A status that makes the step to a response
    or resolution takes the default category of that, and is refused where there is none to take: then the answer is to be given.
    """
    return move(case, to, rules, actor, gate, now, reason, answers=answers)


def move(
    case: Case,
    to: str,
    rules: LifeCycleRules,
    actor: Actor,
    gate: Gate,
    now: datetime,
    reason: str = "",
    *,
    answers: Answers,
    chosen: Chosen | None = None,
) -> Step:
    """`set_status`, with the answer that was chosen for the state it leads to."""
    what = f"status {to} on case {case.number}"
    status = rules.statuses.get(to)
    if status is None:
        allowed = ", ".join(sorted(rules.statuses))
        raise TransitionRefused(what, f"not among the statuses of subject {case.subject} ({allowed})")
    if to == case.status:
        raise TransitionRefused(what, "the case has that status already")
    rule = _rule(case, to, rules, actor, what)
    is_reopening = _check_step(case, status, rules, rule, what)
    if status.state is not case.state and status.state is not LifeCycle.CANCELLED and case.owner is None:
        raise TransitionRefused(what, "it has to belong to a user first: assign or accept it")
    if ORDER[status.state] > ORDER[case.state]:
        require_settled(case, answers, what)
    if status.state is LifeCycle.CANCELLED:
        reason = rules.cancellation.chosen(reason, what)
    is_overriding = False
    if status.state is LifeCycle.COMPLETED:
        is_overriding = _check_gate(gate, actor, reason, what)
    after = answers_in(case, answers, status.state, chosen, rules, actor.user, now, what)
    changed = with_answers(_moved(case, status, rules, actor.user, reason, now), after)
    extra: list[Change] = []
    if is_reopening:
        extra.append(Change("reopened", case.status, status.code))
    if is_overriding:
        extra.append(Change("completion gate overridden", _passed(gate), reason))
    return step(case, changed, answers, after, *extra)


def expire(case: Case, rules: LifeCycleRules, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case cancelled because every communication that fed it expired (COM-8).

    Expiry stands outside the transition rules: nobody asks for it.
    """
    status = rules.statuses[rules.defaults[LifeCycle.CANCELLED]]
    changed = _moved(case, status, rules, SYSTEM, EXPIRED, now)
    return changed, step(case, changed).changes


def put_up_for_review(case: Case, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case on the review list: its communications expired, and it is too urgent to be cancelled unseen (COM-8).

    Its revision stays: others are told nothing, as nothing of what they see has changed.
    """
    changed = case._replace(needs_review=True, changed_at=now, changed_by=SYSTEM)
    return changed, (Change("needs_review", "false", "true"),)


def _rule(case: Case, to: str, rules: LifeCycleRules, actor: Actor, what: str) -> TransitionRule | None:
    if not rules.transitions:
        return None
    candidates = [rule for rule in rules.transitions if rule.from_status == case.status and rule.to_status == to]
    if not candidates:
        raise TransitionRefused(what, f"no transition rule of subject {case.subject} leads there from {case.status}")
    permitting = [rule for rule in candidates if rule.permits(actor.user, actor.unit)]
    if not permitting:
        units = sorted(set().union(*(rule.units for rule in candidates)))
        users = sorted(set().union(*(rule.users for rule in candidates)))
        whom = "; ".join(f"{kind} {', '.join(names)}" for kind, names in (("units", units), ("users", users)) if names)
        raise TransitionRefused(what, f"the transition rule is for {whom}")
    return next((rule for rule in permitting if rule.reopens), permitting[0])


def _check_step(case: Case, status: Status, rules: LifeCycleRules, rule: TransitionRule | None, what: str) -> bool:
    """Whether the step reopens the case; raises when the life cycle has no such step."""
    if case.state is LifeCycle.CANCELLED:
        raise CaseLocked(what, "a cancelled case is not modifiable")
    is_reopening = case.state is LifeCycle.COMPLETED
    if is_reopening and (rule is None or not rule.reopens or status.state.is_closed):
        raise CaseLocked(what, "a completed case is not modifiable, unless a transition rule reopens it")
    if status.state is LifeCycle.TEMPORARILY_RESOLVED and not rules.has_temporary_resolution:
        raise TransitionRefused(what, f"subject {case.subject} does not use temporary resolution")
    if is_reopening:
        return True
    if status.state is case.state or status.state in STEPS[case.state]:
        return False
    if status.state is LifeCycle.CANCELLED:
        raise TransitionRefused(what, f"a case is cancelled only while pending, and this one is {case.state}")
    is_step_back = ORDER[status.state] < ORDER[case.state]
    if is_step_back and rule is not None:
        return False
    if is_step_back:
        raise TransitionRefused(what, f"back from {case.state} to {status.state} needs a transition rule")
    raise TransitionRefused(what, f"the life cycle does not lead from {case.state} to {status.state}")


def _check_gate(gate: Gate, actor: Actor, reason: str, what: str) -> bool:
    """Whether the gate is overridden; raises when it is shut."""
    if gate.is_planned and gate.open_tasks == 0 and not gate.approvals:
        return False
    reasons = [str(approval) for approval in gate.approvals]
    if not gate.is_planned:
        reasons.insert(0, "its tasks are not planned yet")
    elif gate.open_tasks:
        reasons.insert(0, f"{gate.open_tasks} of its tasks are still open")
    why = "; ".join(reasons)
    if not actor.may_override:
        raise TransitionRefused(what, why)
    if not reason.strip():
        raise TransitionRefused(what, f"{why}; overriding that needs a reason")
    return True


def _passed(gate: Gate) -> str:
    """What was passed over, for the history."""
    asked = ", ".join(approval.approver for approval in gate.approvals)
    tasks = f"{gate.open_tasks} open tasks"
    return f"{tasks}, approval by {asked}" if asked else tasks


def _moved(case: Case, status: Status, rules: LifeCycleRules, user: str, reason: str, now: datetime) -> Case:
    state = status.state
    is_resolved = state in (LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED)
    responded_at = (case.responded_at or now) if ORDER[state] in _AFTER_RESPONSE else _kept(case, state)
    expected_at = case.expected_completion_at
    if rules.completion.recalculates and responded_at != case.responded_at:
        expected_at = rules.completion.expected(case.opened_at, responded_at)
    return case._replace(
        revision=case.revision + 1,
        state=state,
        status=status.code,
        status_before=case.status,
        waiting_for_customer=status.waiting_for_customer,
        needs_review=case.needs_review and not state.is_closed,
        reason=reason,
        responded_at=responded_at,
        resolved_at=(case.resolved_at or now) if is_resolved else None,
        completed_at=now if state.is_closed else None,
        expected_completion_at=expected_at,
        changed_at=now,
        changed_by=user,
    )


_AFTER_RESPONSE = range(ORDER[LifeCycle.RESPONDED], ORDER[LifeCycle.COMPLETED] + 1)


def _kept(case: Case, state: LifeCycle) -> datetime | None:
    return case.responded_at if state is LifeCycle.CANCELLED else None
