"""The life cycle of a lead: statuses, transition rules, who has it, and that it is locked once closed (LEAD-1, CASE-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.case.domain.case import Actor, Change
from services.case.domain.leads.lead import Decision, Lead, LeadLifeCycle
from services.case.domain.leads.types import LeadTypeRules
from services.case.domain.life_cycle import TransitionRule
from services.case.domain.refusals import AssignmentRefused, CaseLocked, TransitionRefused

STEPS: Mapping[LeadLifeCycle, frozenset[LeadLifeCycle]] = {
    LeadLifeCycle.PENDING: frozenset({LeadLifeCycle.IN_PROGRESS, LeadLifeCycle.CANCELLED}),
    LeadLifeCycle.IN_PROGRESS: frozenset({LeadLifeCycle.WON, LeadLifeCycle.LOST}),
    LeadLifeCycle.WON: frozenset(),
    LeadLifeCycle.LOST: frozenset(),
    LeadLifeCycle.CANCELLED: frozenset(),
}
"""The way forward. Back from in progress, or from lost, is for a transition rule to allow."""


@dataclass(frozen=True, slots=True)
class Move:
    """What is asked: a status, why, and for a lost lead the reason's code (empty: the type's default)."""

    to: str
    reason: str = ""
    lost_reason: str = ""


def set_status(lead: Lead, move: Move, rules: LeadTypeRules, actor: Actor, now: datetime) -> Decision:
    """The lead in this status. Raises `TransitionRefused` or `CaseLocked`.

    A lost lead leaves its state only by a rule that reopens; a won or cancelled one never does.
    """
    what = f"status {move.to} on lead {lead.number}"
    state = rules.statuses.get(move.to)
    if state is None:
        raise TransitionRefused(what, f"not among the statuses of lead type {rules.code} ({', '.join(sorted(rules.statuses))})")
    if move.to == lead.status:
        raise TransitionRefused(what, "the lead has that status already")
    rule = _rule(lead, move.to, rules, actor, what)
    is_reopening = _check_step(lead, state, rule, what)
    if state is not lead.state and state is not LeadLifeCycle.CANCELLED and lead.owner is None:
        raise TransitionRefused(what, "it has to belong to a user first: assign or accept it")
    lost_reason = _lost_reason(move, rules, what) if state is LeadLifeCycle.LOST else ""
    changed = lead._replace(
        revision=lead.revision + 1,
        state=state,
        status=move.to,
        status_before=lead.status,
        lost_reason=lost_reason,
        reason=move.reason,
        started_at=(lead.started_at or now) if state is not LeadLifeCycle.PENDING and state is not LeadLifeCycle.CANCELLED else None,
        closed_at=now if state.is_closed else None,
        changed_at=now,
        changed_by=actor.user,
    )
    changes = changes_between(lead, changed, ("status", "state", "lost_reason"))
    if move.reason and move.reason != lead.reason:
        changes = (*changes, Change("reason", lead.reason or None, move.reason))
    if is_reopening:
        changes = (*changes, Change("reopened", lead.status, move.to))
    return changed, changes


def close(lead: Lead, state: LeadLifeCycle, reason: str, lost_reason: str, rules: LeadTypeRules, actor: Actor, now: datetime) -> Decision:
    """The lead won, lost or cancelled, in the type's default status for that. Raises `TransitionRefused` or `CaseLocked`."""
    return set_status(lead, Move(rules.defaults[state], reason, lost_reason), rules, actor, now)


def assign(lead: Lead, unit: str | None, owner: str | None, actor: Actor, now: datetime, reason: str = "") -> Decision:
    """The lead with this unit, this user, or both; a unit alone takes it from its user. Raises `CaseLocked` or `AssignmentRefused`."""
    what = f"assignment of lead {lead.number}"
    check_open(lead, what)
    if unit is None and owner is None:
        raise AssignmentRefused(what, "it names neither a unit nor a user")
    new_unit = unit or lead.unit
    new_owner = owner if owner is not None else (lead.owner if new_unit == lead.unit else None)
    return _given(lead, new_unit, new_owner, actor, now, reason)


def accept(lead: Lead, actor: Actor, now: datetime) -> Decision:
    """The lead taken by a member of the unit it lies with. Raises `CaseLocked` or `AssignmentRefused`."""
    what = f"acceptance of lead {lead.number} by {actor.user}"
    check_open(lead, what)
    if lead.owner == actor.user:
        return lead, ()
    if lead.owner is not None:
        raise AssignmentRefused(what, f"it belongs to {lead.owner} already")
    if lead.unit != actor.unit:
        raise AssignmentRefused(what, f"it lies with unit {lead.unit}, and {actor.user} is of unit {actor.unit or 'none'}")
    return _given(lead, lead.unit, actor.user, actor, now, "")


def check_open(lead: Lead, what: str) -> None:
    """Raises `CaseLocked` for a closed lead."""
    if lead.state.is_closed:
        raise CaseLocked(what, f"a {lead.state} lead is not modifiable")


def changes_between(old: Lead, new: Lead, fields: tuple[str, ...]) -> tuple[Change, ...]:
    """What differs in these fields, as the history shows it."""
    pairs = ((field, getattr(old, field), getattr(new, field)) for field in fields)
    return tuple(Change(field, _shown(before), _shown(after)) for field, before, after in pairs if before != after)


def _shown(value: object) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else None if value is None or value == "" else str(value)


def _given(lead: Lead, unit: str, owner: str | None, actor: Actor, now: datetime, reason: str) -> Decision:
    changed = lead._replace(revision=lead.revision + 1, unit=unit, owner=owner, reason=reason, changed_at=now, changed_by=actor.user)
    changes = changes_between(lead, changed, ("unit", "owner"))
    return (changed, changes) if changes else (lead, ())


def _rule(lead: Lead, to: str, rules: LeadTypeRules, actor: Actor, what: str) -> TransitionRule | None:
    if not rules.transitions:
        return None
    candidates = [rule for rule in rules.transitions if rule.from_status == lead.status and rule.to_status == to]
    if not candidates:
        raise TransitionRefused(what, f"no transition rule of lead type {rules.code} leads there from {lead.status}")
    permitting = [rule for rule in candidates if rule.permits(actor.user, actor.unit)]
    if not permitting:
        units = sorted(set().union(*(rule.units for rule in candidates)))
        users = sorted(set().union(*(rule.users for rule in candidates)))
        whom = "; ".join(f"{kind} {', '.join(names)}" for kind, names in (("units", units), ("users", users)) if names)
        raise TransitionRefused(what, f"the transition rule is for {whom}")
    return next((rule for rule in permitting if rule.reopens), permitting[0])


def _check_step(lead: Lead, state: LeadLifeCycle, rule: TransitionRule | None, what: str) -> bool:
    """Whether the step reopens the lead; raises when the life cycle has no such step."""
    if lead.state is LeadLifeCycle.LOST:
        if rule is None or not rule.reopens or state is not LeadLifeCycle.IN_PROGRESS:
            raise CaseLocked(what, "a lost lead is not modifiable, unless a transition rule takes it back into progress")
        return True
    check_open(lead, what)
    if state is lead.state or state in STEPS[lead.state]:
        return False
    if state is LeadLifeCycle.CANCELLED:
        raise TransitionRefused(what, f"a lead is cancelled only while pending, and this one is {lead.state}")
    if state is LeadLifeCycle.PENDING:
        if rule is not None:
            return False
        raise TransitionRefused(what, f"back from {lead.state} to {state} needs a transition rule")
    raise TransitionRefused(what, f"the life cycle does not lead from {lead.state} to {state}")


def _lost_reason(move: Move, rules: LeadTypeRules, what: str) -> str:
    reason = move.lost_reason or rules.default_lost_reason
    if not reason:
        known = ", ".join(sorted(rules.lost_reasons))
        raise TransitionRefused(what, f"a lost lead needs a reason, and its type has none by default; name one of: {known or 'none'}")
    if reason not in rules.lost_reasons:
        raise TransitionRefused(what, f"{reason} is none of the type's reasons ({', '.join(sorted(rules.lost_reasons))})")
    return reason
