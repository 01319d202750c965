"""What staff ask of a case: a status, an answer, an assignment, a priority, and so on; and sending cases again.

Each command locks the case, decides, writes case and history, and emits one event, all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.case.domain import acceptance, answering, assignment, categories, estimates, hearing, priority, progress
from services.case.domain.answers import Answers, Chosen
from services.case.domain.case import Actor, Case, Change, HistoryEntry, entries
from services.case.domain.history import Step
from services.case.domain.life_cycle import LifeCycleRules, Stage
from services.case.domain.refusals import AssignmentRefused, NotTold
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import answers as kept_answers
from services.case.storage import cases, plans
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.events import (
    CaseAcceptanceAsked,
    CaseAmended,
    CaseAssigned,
    CaseBroadcast,
    CasePriorityChanged,
    CaseRepublished,
    CaseState,
    CaseStatusChanged,
)
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


Decision = tuple[Case, tuple[Change, ...]] | Step
"""The case after the command, and what changed; the answers, where it may change those, are written by who decides."""


class Commands:
    """The commands of the service. Raise `UnknownCase`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules]) -> None:
        self._reference = reference
        self._rules = rules

    def set_status(self, tx: Transaction, asked: Asked, status: str, reason: str) -> Case:
        """Set a status, by the rules of the configuration that the case began with (CASE-3)."""

        def decide(case: Case) -> Step:
            given = kept_answers.of_case(tx, case.id)
            gate = plans.gate(tx, case.id)
            step = progress.set_status(case, status, self._life_cycle(case), asked.actor, gate, asked.now, reason, given)
            return _keeping(tx, given, step)

        return self._change(tx, asked, CaseStatusChanged, decide)

    def answer(self, tx: Transaction, asked: Asked, stage: Stage, chosen: Chosen, status: str | None) -> Case:
        """Give the response or a resolution by its category, and so move to its state; or amend it in that state (CASE-4)."""

        def decide(case: Case) -> Step:
            given = kept_answers.of_case(tx, case.id)
            step = answering.answer(case, given, stage, chosen, status, self._life_cycle(case), asked.actor, asked.now)
            return _keeping(tx, given, step)

        return self._change(tx, asked, CaseAmended, decide)

    def record_acceptance(self, tx: Transaction, asked: Asked, stage: Stage, accepted: bool, comment: str) -> Case:
        """Record the customer's word on the present answer (CASE-12): by staff, or by the `customer` through a link."""

        def decide(case: Case) -> Step:
            given = kept_answers.of_case(tx, case.id)
            return _keeping(tx, given, acceptance.record(case, given, stage, accepted, comment, asked.actor, asked.now))

        return self._change(tx, asked, CaseAmended, decide)

    def set_category(self, tx: Transaction, asked: Asked, category: str) -> Case:
        """Set the category, to one that the subject allows (CASE-2)."""

        def decide(case: Case) -> Decision:
            allowed = self._rules.get(case.config_version).subjects[case.subject].categories
            return categories.set_category(case, category, allowed, asked.actor, asked.now)

        return self._change(tx, asked, CaseAmended, decide)

    def estimate(self, tx: Transaction, asked: Asked, at: datetime | None, reason: str) -> Case:
        """Say when the case is reckoned to be complete; None takes it back (CASE-9)."""
        return self._change(tx, asked, CaseAmended, lambda case: estimates.estimate(case, at, asked.actor, asked.now, reason))

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

    def tell(self, tx: Transaction, asked: Asked, text: str) -> Case:
        """Tell its customer something, by the configuration's message on case.broadcast (EDGE-12)."""
        case = self._locked(tx, asked)
        what = f"telling the customer of case {case.number}"
        if not self._rules.get(0).tells_customers:
            raise NotTold(what, "the configuration has no communication on case.broadcast that goes to the customer")
        if not case.customer_email:
            raise NotTold(what, "no email address is known of its customer")
        by = asked.actor.user
        news, changes = hearing.told(case, by, asked.now)
        cases.change(tx, [news])
        cases.add_history(tx, [HistoryEntry(case.id, None, "broadcast", None, text, by, asked.now), *entries(news, changes)])
        told_by = news._replace(changed_by=by)
        emit_case(tx, CaseBroadcast, told_by, asked.cause, asked.now, asked.traceparent, parent_id=case.id, text=text)
        return news

    def _locked(self, tx: Transaction, asked: Asked) -> Case:
        case = cases.lock(tx, [asked.case_id]).get(asked.case_id)
        if case is None:
            raise UnknownCase(str(asked.case_id))
        asked.permit(case)
        return case

    def _change(self, tx: Transaction, asked: Asked, kind: type[CaseState], decide: Callable[[Case], Decision]) -> Case:
        case = self._locked(tx, asked)
        changed, changes = decide(case)[:2]
        if changes:
            changed, changes = hearing.answered(case, changed, changes, asked.now)
            cases.change(tx, [changed])
            cases.add_history(tx, entries(changed, changes))
            moved = case.expected_completion_at if changed.expected_completion_at != case.expected_completion_at else None
            kind = told(kind, case, changed, changes)
            emit_case(tx, kind, changed, asked.cause, asked.now, asked.traceparent, completion_was_expected_at=moved)
        return changed

    def _life_cycle(self, case: Case) -> LifeCycleRules:
        return self._rules.get(case.config_version).subjects[case.subject].life_cycle


def told(kind: type[CaseState], before: Case, after: Case, changes: tuple[Change, ...]) -> type[CaseState]:
    """What others are told: an answer asks the customer, moves the case, or amends it."""
    is_asking = after.awaiting_acceptance and any(
        change.field == "awaiting_acceptance" or change.field.endswith(("_text", "_category")) for change in changes
    )
    if is_asking:
        return CaseAcceptanceAsked
    return CaseStatusChanged if after.status != before.status else kind


def _keeping(tx: Transaction, before: Answers, step: Step) -> Step:
    """The step, its answers written."""
    if step.changes:
        kept_answers.change(tx, step.case.id, before, step.answers)
    return step


def republish(tx: Transaction, after: UUID | None, cause: UUID, now: datetime, traceparent: str) -> list[UUID]:
    """Emit the present state of the next cases after this one (None: the first); their ids. Revisions stay as they are."""
    found = cases.lock_after(tx, after, REPUBLISH_BATCH)
    for case in found:
        emit_case(tx, CaseRepublished, case, cause, now, traceparent)
    return [case.id for case in found]
