"""Setting a status (CASE-3, CASE-8): the life cycle, the transition rules, and the gates before completion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.case.domain.case import SYSTEM, Actor, Case, Change
from services.case.domain.life_cycle import ORDER, STEPS, LifeCycle, LifeCycleRules, Status, TransitionRule
from services.case.domain.refusals import CaseLocked, TransitionRefused

EXPIRED = "expired"
"""The reason of a case that its communications' expiry cancelled."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What completion waits for: whether the case's workflow has been planned, and how many of its tasks are open."""

    is_planned: bool
    open_tasks: int


def set_status(
    case: Case, to: str, rules: LifeCycleRules, actor: Actor, gate: Gate, now: datetime, reason: str = ""
) -> tuple[Case, tuple[Change, ...]]:
    """The case in status `to`, and what changed. Raises `TransitionRefused` or `CaseLocked`.

    A completed case leaves its state only by a rule that reopens; a cancelled one never does.
    """
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
    is_overriding = False
    if status.state is LifeCycle.COMPLETED:
        is_overriding = _check_gate(gate, actor, reason, what)
    changed = _moved(case, status, actor.user, reason, now)
    extra: list[Change] = []
    if is_reopening:
        extra.append(Change("reopened", case.status, status.code))
    if is_overriding:
        extra.append(Change("completion gate overridden", f"{gate.open_tasks} open tasks", reason))
    return changed, (*_changes(case, changed), *extra)


def expire(case: Case, rules: LifeCycleRules, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case cancelled because every communication that fed it expired (COM-8).

    Expiry stands outside the transition rules: nobody asks for it.
    """
    status = rules.statuses[rules.defaults[LifeCycle.CANCELLED]]
    changed = _moved(case, status, SYSTEM, EXPIRED, now)
    return changed, _changes(case, changed)


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
    if case.state is LifeCycle.COMPLETED:
        if rule is None or not rule.reopens or status.state.is_closed:
            raise CaseLocked(what, "a completed case is not modifiable, unless a transition rule reopens it")
        return True
    if status.state is LifeCycle.TEMPORARILY_RESOLVED and not rules.has_temporary_resolution:
        raise TransitionRefused(what, f"subject {case.subject} does not use temporary resolution")
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
    if gate.is_planned and gate.open_tasks == 0:
        return False
    why = f"{gate.open_tasks} of its tasks are still open" if gate.is_planned else "its tasks are not planned yet"
    if not actor.may_override:
        raise TransitionRefused(what, why)
    if not reason.strip():
        raise TransitionRefused(what, f"{why}; overriding that needs a reason")
    return True


def _moved(case: Case, status: Status, user: str, reason: str, now: datetime) -> Case:
    state = status.state
    is_resolved = state in (LifeCycle.FINALLY_RESOLVED, LifeCycle.COMPLETED)
    return case._replace(
        revision=case.revision + 1,
        state=state,
        status=status.code,
        status_before=case.status,
        waiting_for_customer=status.waiting_for_customer,
        needs_review=case.needs_review and not state.is_closed,
        reason=reason,
        responded_at=(case.responded_at or now) if ORDER[state] in _AFTER_RESPONSE else _kept(case, state),
        resolved_at=(case.resolved_at or now) if is_resolved else None,
        completed_at=now if state.is_closed else None,
        changed_at=now,
        changed_by=user,
    )


_AFTER_RESPONSE = range(ORDER[LifeCycle.RESPONDED], ORDER[LifeCycle.COMPLETED] + 1)


def _kept(case: Case, state: LifeCycle) -> datetime | None:
    return case.responded_at if state is LifeCycle.CANCELLED else None


def _changes(old: Case, new: Case) -> tuple[Change, ...]:
    found = [Change("status", old.status, new.status)]
    if old.state is not new.state:
        found.append(Change("state", old.state.value, new.state.value))
    if new.reason and new.reason != old.reason:
        found.append(Change("reason", old.reason or None, new.reason))
    if old.needs_review and not new.needs_review:
        found.append(Change("needs_review", "true", "false"))
    return tuple(found)
