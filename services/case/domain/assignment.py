"""To whom a case belongs: a business unit, a user, or both (CASE-7)."""

from __future__ import annotations

from datetime import datetime

from services.case.domain.case import Actor, Case, Change
from services.case.domain.history import step
from services.case.domain.refusals import AssignmentRefused, CaseLocked


def assign(
    case: Case, unit: str | None, owner: str | None, actor: Actor, now: datetime, reason: str = ""
) -> tuple[Case, tuple[Change, ...]]:
    """The case with this unit, this user, or both; a unit alone takes it from its user, whom another unit's work is no longer.

    Raises `CaseLocked` or `AssignmentRefused`. No changes: it was so already.
    """
    what = f"assignment of case {case.number}"
    _check_open(case, what)
    if unit is None and owner is None:
        raise AssignmentRefused(what, "it names neither a unit nor a user")
    new_unit = unit or case.unit
    keeps_owner = unit is None or unit == case.unit
    new_owner = owner if owner is not None else (case.owner if keeps_owner else None)
    return _given(case, new_unit, new_owner, actor, now, reason)


def accept(case: Case, actor: Actor, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case taken by a member of the unit it lies with. Raises `CaseLocked` or `AssignmentRefused`."""
    what = f"acceptance of case {case.number} by {actor.user}"
    _check_open(case, what)
    if case.owner == actor.user:
        return case, ()
    if case.owner is not None:
        raise AssignmentRefused(what, f"it belongs to {case.owner} already")
    if case.unit != actor.unit:
        raise AssignmentRefused(what, f"it lies with unit {case.unit}, and {actor.user} is of unit {actor.unit or 'none'}")
    return _given(case, case.unit, actor.user, actor, now, "")


def _check_open(case: Case, what: str) -> None:
    if case.state.is_closed:
        raise CaseLocked(what, f"a {case.state} case is not modifiable")


def _given(case: Case, unit: str, owner: str | None, actor: Actor, now: datetime, reason: str) -> tuple[Case, tuple[Change, ...]]:
    if (unit, owner) == (case.unit, case.owner):
        return case, ()
    changed = case._replace(revision=case.revision + 1, unit=unit, owner=owner, reason=reason, changed_at=now, changed_by=actor.user)
    return changed, step(case, changed).changes
