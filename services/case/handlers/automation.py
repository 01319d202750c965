"""On firings of automation rules: what they ask of the case is done or refused, and noted in its history; so are cuts (AUTO-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case.domain import assignment, priority
from services.case.domain.case import Actor, Case, Change, HistoryEntry, entries
from services.case.domain.refusals import AssignmentRefused, CaseRefusal
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import cases
from shared.clock import Clock
from shared.ids import derive
from shared.messaging import ReferenceData, VersionCache
from shared.schemas.envelope import Event
from shared.schemas.events import CaseAssigned, CasePriorityChanged, CaseState, RuleAction, RuleCut, RuleFired
from shared.storage import Transaction

CUTS = {"too-deep": "it follows from too many others", "too-often": "it fired too often"}


@dataclass(slots=True)
class Firings:
    """What a batch's firings meet and make."""

    now: datetime
    cases: dict[UUID, Case] = field(default_factory=dict)
    changed: dict[UUID, Case] = field(default_factory=dict)
    history: list[HistoryEntry] = field(default_factory=list)
    told: list[tuple[type[CaseState], Case, int, Event]] = field(default_factory=list)
    """What changed, the case as it was then, the action's position and the firing."""


class OnFirings:
    """Part of the handler of `casestream.tasks`."""

    def __init__(self, reference: ReferenceData, rules: VersionCache[Rules], clock: Clock) -> None:
        self._reference = reference
        self._rules = rules
        self._clock = clock

    def load(self, tx: Transaction, events: Sequence[Event]) -> Firings | None:
        """Lock the cases that rules fired for; None: no rule did."""
        concerned = {event.data.case_id for event in events if isinstance(event.data, (RuleFired, RuleCut))}
        return Firings(self._clock(), dict(cases.lock(tx, sorted(concerned)))) if concerned else None

    def fired(self, batch: Firings, event: Event) -> None:
        """Do what is asked of the case. A lead, or a task without a case, has none: nothing is asked of it."""
        data: RuleFired = event.data
        if data.case_id not in batch.cases:
            return
        told = [self._do(batch, event, position, action) for position, action in enumerate(data.actions)]
        self._note(batch, data, f"{data.name}: {'; '.join(told)}")

    def cut(self, batch: Firings, event: Event) -> None:
        """Say in the case's history that the rule did not fire."""
        data: RuleCut = event.data
        if data.case_id in batch.cases:
            self._note(batch, data, f"{data.name}: not done, as {CUTS[data.reason]}")

    def _note(self, batch: Firings, data: RuleFired | RuleCut, text: str) -> None:
        batch.history.append(HistoryEntry(data.case_id, None, "rule", None, text, f"rule:{data.rule}", batch.now))

    def _do(self, batch: Firings, event: Event, position: int, action: RuleAction) -> str:
        """What came of one action, in words."""
        data: RuleFired = event.data
        what = _words(action)
        if action.outcome == "refused":
            return f"{what} refused: {action.why}"
        case = batch.cases[data.case_id]
        actor = Actor(f"rule:{data.rule}", "")
        try:
            if action.do == "assign" and action.item == "case":
                kind: type[CaseState] = CaseAssigned
                changed, changes = self._assign(case, action, actor, batch.now)
            elif action.do in ("set_urgency", "set_impact"):
                kind = CasePriorityChanged
                table = self._rules.get(case.config_version).priorities
                changed, changes = priority.set_priority(case, action.urgency, action.impact, table, actor, batch.now)
            else:
                return what
        except CaseRefusal as refusal:
            return f"{what} refused: {refusal.why}"
        if not changes:
            return f"{what}: it was so already"
        batch.cases[case.id] = batch.changed[case.id] = changed
        batch.history += entries(changed, changes)
        batch.told.append((kind, changed, position, event))
        return what

    def _assign(self, case: Case, action: RuleAction, actor: Actor, now: datetime) -> tuple[Case, tuple[Change, ...]]:
        what, owner = f"assignment of case {case.number}", action.owner
        if owner is None or owner.kind == "role":
            raise AssignmentRefused(what, "a case is given to a unit or a user")
        if owner.kind == "unit":
            if owner.code not in self._reference.units:
                raise AssignmentRefused(what, f"there is no unit {owner.code}")
            return assignment.assign(case, owner.code, None, actor, now)
        member = self._reference.staff.get(owner.code)
        if member is None or not member.active:
            raise AssignmentRefused(what, f"there is no active user {owner.code}")
        return assignment.assign(case, None, owner.code, actor, now)


def save(tx: Transaction, batch: Firings) -> None:
    """Write the changed cases and the history, and tell of each change with the firing that made it."""
    if batch.changed:
        cases.change(tx, list(batch.changed.values()))
    cases.add_history(tx, batch.history)
    for kind, case, position, event in batch.told:
        cause = derive("rule action", event.id, position)
        emit_case(tx, kind, case, cause, batch.now, event.traceparent, firing_id=event.data.firing_id)


def _words(action: RuleAction) -> str:
    match action.do:
        case "schedule_task":
            return f"schedule task {action.definition}"
        case "assign":
            owner = action.owner
            return f"assign {action.item or 'case'} to {owner.kind} {owner.code}" if owner else "assign"
        case "set_urgency":
            return f"urgency {action.urgency}"
        case "set_impact":
            return f"impact {action.impact}"
        case "require_approval":
            return f"approval of {action.what} by {action.user}"
        case "alert":
            return f"alert {', '.join((*action.to, *([action.user] if action.user else [])))}"
        case "send":
            return f"send {action.template} to the customer"
