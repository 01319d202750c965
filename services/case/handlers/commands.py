"""What staff ask of a case: a status, an assignment, acceptance, a priority; and sending cases again.

Each command locks the case, decides, writes case and history, and emits one event, all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.case.domain import assignment, priority, progress
from services.case.domain.case import Actor, Case, Change, entries
from services.case.domain.refusals import AssignmentRefused
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import cases, plans
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import CaseAssigned, CasePriorityChanged, CaseRepublished, CaseState, CaseStatusChanged
from shared.storage import Transaction

REPUBLISH_BATCH = 500


class UnknownCase(LookupError):
    """There is no case with this id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, when, and what is to be checked on the locked case before anything is decided (`permit` raises)."""

    case_id: UUID
    actor: Actor
    cause: UUID
    now: datetime
    traceparent: str
    permit: Callable[[Case], None]


Decision = tuple[Case, tuple[Change, ...]]


class Commands:
    """The commands of the service. Raise `UnknownCase`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules]) -> None:
        self._reference = reference
        self._rules = rules

    def set_status(self, tx: Transaction, asked: Asked, status: str, reason: str) -> Case:
        """Set a status, by the rules of the configuration that the case began with (CASE-3)."""

        def decide(case: Case) -> Decision:
            rules = self._rules.get(case.config_version).subjects[case.subject].life_cycle
            gate = plans.gate(tx, case.id)
            return progress.set_status(case, status, rules, asked.actor, gate, asked.now, reason)

        return self._change(tx, asked, CaseStatusChanged, decide)

    def assign(self, tx: Transaction, asked: Asked, unit: str | None, owner: str | None, reason: str) -> Case:
        """Give the case to a unit, a user, or both (CASE-7)."""

        def decide(case: Case) -> Decision:
            what = f"assignment of case {case.number}"
            if unit is not None and unit not in self._reference.units:
                raise AssignmentRefused(what, f"there is no unit {unit}")
            member = self._reference.staff.get(owner) if owner is not None else None
            if owner is not None and (member is None or not member.active):
                raise AssignmentRefused(what, f"there is no active user {owner}")
            return assignment.assign(case, unit, owner, asked.actor, asked.now, reason)

        return self._change(tx, asked, CaseAssigned, decide)

    def accept(self, tx: Transaction, asked: Asked) -> Case:
        """Take the case, as a member of its unit (CASE-7)."""
        return self._change(tx, asked, CaseAssigned, lambda case: assignment.accept(case, asked.actor, asked.now))

    def set_priority(self, tx: Transaction, asked: Asked, urgency: str | None, impact: str | None) -> Case:
        """Set urgency, impact, or both (CASE-5)."""

        def decide(case: Case) -> Decision:
            table = self._rules.get(case.config_version).priorities
            return priority.set_priority(case, urgency, impact, table, asked.actor, asked.now)

        return self._change(tx, asked, CasePriorityChanged, decide)

    def _change(self, tx: Transaction, asked: Asked, kind: type[CaseState], decide: Callable[[Case], Decision]) -> Case:
        case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
        if case is None:
            raise UnknownCase(str(asked.case_id))
        asked.permit(case)
        changed, changes = decide(case)
        if changes:
            cases.change(tx, [changed])
            cases.add_history(tx, entries(changed, changes))
            emit_case(tx, kind, changed, asked.cause, asked.now, asked.traceparent)
        return changed


def republish(tx: Transaction, after: UUID | None, cause: UUID, now: datetime, traceparent: str) -> list[UUID]:
    """Emit the present state of the next cases after this one (None: the first); their ids. Revisions stay as they are."""
    found = cases.lock_after(tx, after, REPUBLISH_BATCH)
    for case in found:
        emit_case(tx, CaseRepublished, case, cause, now, traceparent)
    return [case.id for case in found]
