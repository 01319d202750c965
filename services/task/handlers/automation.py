"""Automation rules on what a transaction tells of: which fire, what they do, and what that makes others do (AUTO-1).

Rules are those of the newest configuration, also for cases that began under an older one: who mends a rule means every case. All is decided
before the transaction is written, firing after firing, so that a chain is whole or not there. Chains end because each firing that follows
from another is one deeper, and there is a deepest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.task import metrics
from services.task.domain.automation import rules as domain
from services.task.domain.automation.rules import Occurrence, Rule, Rules, Verdict, judge
from services.task.handlers.actions import Doing
from services.task.handlers.beginnings import Beginnings
from services.task.handlers.happenings import HAPPENINGS, Told, facts_of, item_id, item_of, task_of
from services.task.handlers.work import Cause, Emission, Work, before_saving
from services.task.storage import firings
from services.task.storage.firings import CutRow, Firing
from shared.ids import event_id
from shared.schemas.envelope import Event, Payload
from shared.schemas.events import CaseState, RuleAction, RuleCut, RuleFired
from shared.storage import Transaction

Apply = Callable[[Work, Event], None]


def hearing(apply: dict[type[Payload], Apply]) -> dict[type[Payload], Apply]:
    """The same decisions; what they did not refuse is heard by automation rules."""
    return {payload: _hearing(do) if payload in HAPPENINGS else do for payload, do in apply.items()}


def _hearing(do: Apply) -> Apply:
    def decide(work: Work, event: Event) -> None:
        do(work, event)
        work.heard.append(event)

    return decide


def pass_over(_work: Work, _event: Event) -> None:
    """The decision on an event that only rules are interested in."""


class Happened(NamedTuple):
    """An occurrence, with what its actions need of the event."""

    occurrence: Occurrence
    data: Told
    traceparent: str


def follow(work: Work, tx: Transaction) -> None:
    """Fire the rules on what was heard and what is going to be told; and on what that makes, until nothing follows."""
    rules = work.compiled(0).rules
    if rules.by_event:
        _Following(work, tx, rules).follow()
    work.heard.clear()


class _Following:
    def __init__(self, work: Work, tx: Transaction, rules: Rules) -> None:
        self.work = work
        self.tx = tx
        self.rules = rules
        self.depths: dict[UUID, int] = {}
        """By cause: how deep what it makes is."""
        self.fired: Counter[tuple[str, UUID]] = Counter()
        """Firings by rule and item of this transaction."""
        self.cuts: dict[UUID, tuple[CutRow, Rule, Happened]] = {}
        self.made: list[Firing] = []

    def follow(self) -> None:
        self._find_depths()
        found = [one for event in self.work.heard for one in self._of_event(event)]
        self.work.unfold_where(self._is_told_of)
        read = 0
        while True:
            told = self.work.recorded()[read:]
            read += len(told)
            found += [one for emission in told for one in self._of_emission(emission)]
            if not found:
                break
            self._fire(found)
            found = []
        self._save()

    def _is_told_of(self, begins: Beginnings) -> bool:
        """Whether rules are for what is told of one of these tasks."""
        return any(name in self.rules.by_event for begin in begins.each for name in _names(begin.told))

    def _find_depths(self) -> None:
        """What rules made happen elsewhere, or earlier, is as deep as its firing."""
        origins = dict(self.work.origins)
        for event in self.work.heard:
            if isinstance(event.data, CaseState) and event.data.firing_id is not None:
                origins[event.id] = event.data.firing_id
        known = firings.depths(self.tx, set(origins.values()))
        self.depths = {cause: known[firing] for cause, firing in origins.items() if firing in known}

    def _of_event(self, event: Event) -> Iterable[Happened]:
        at = min(event.time, self.work.now)
        return self._happened(event.id, event.data, at, event.traceparent, self.depths.get(event.id, 0))

    def _of_emission(self, emission: Emission) -> Iterable[Happened]:
        payload, cause = emission.payload, emission.cause
        if not any(name in self.rules.by_event for name in _names(payload)):
            return ()
        id = event_id(cause.id, emission.aggregate_id, payload.event_type, emission.ordinal)
        return self._happened(id, payload, cause.at, cause.traceparent, self.depths.get(cause.id, 0))

    def _happened(self, id: UUID, data: Any, at: datetime, traceparent: str, depth: int) -> Iterable[Happened]:
        return happened(id, data, at, traceparent, depth, self.rules.by_event)

    def _fire(self, found: Sequence[Happened]) -> None:
        due = [(rule, one) for one in found for rule in self.rules.by_event[one.occurrence.on]]
        # Without the count first: most conditions do not hold, and nothing has to be counted for those.
        due = [(rule, one) for rule, one in due if judge(rule, one.occurrence) is not Verdict.DOES_NOT_HOLD]
        if not due:
            return
        known = firings.known(self.tx, {domain.firing_id(rule.code, one.occurrence.id) for rule, one in due})
        since = {(rule.code, one.occurrence.item, one.occurrence.at - rule.within) for rule, one in due}
        before = firings.counts(self.tx, since)
        for rule, one in due:
            id = domain.firing_id(rule.code, one.occurrence.id)
            if id in known:
                continue
            place = (rule.code, one.occurrence.item)
            verdict = judge(rule, one.occurrence, before.get(place, 0) + self.fired[place])
            if verdict is Verdict.FIRES:
                self.fired[place] += 1
                self._do(id, rule, one)
                continue
            metrics.RULES_CUT.labels(rule.code, verdict.value).inc()
            if verdict.is_cut:
                self._cut(rule, one, verdict)

    def _do(self, id: UUID, rule: Rule, one: Happened) -> None:
        work, occurrence = self.work, one.occurrence
        cause = Cause(id, occurrence.at, rule.actor, one.traceparent)
        depth = self.depths[id] = occurrence.depth + 1
        actions, fired = fire(work, rule, one, self.rules.version, cause, depth)
        self.made.append(
            Firing(
                id,
                rule.code,
                occurrence.item,
                fired.task_id,
                occurrence.on,
                occurrence.id,
                depth,
                occurrence.at,
                outcome_of(actions),
                [action.model_dump(mode="json", exclude_defaults=True) for action in actions],
            )
        )
        work.tell(Emission(fired, id, occurrence.item, 1, cause, self.rules.version, 0))
        metrics.RULES_FIRED.labels(rule.code).inc()

    def _cut(self, rule: Rule, one: Happened, verdict: Verdict) -> None:
        what = one.occurrence
        id = domain.cut_id(rule, what.item, verdict, what.at)
        row = CutRow(id, rule.code, what.item, task_of(one.data), what.on, what.id, what.depth + 1, what.at, verdict.value)
        self.cuts.setdefault(id, (row, rule, one))

    def _save(self) -> None:
        firings.add(self.tx, self.made)
        new = firings.cut(self.tx, [row for row, _, _ in self.cuts.values()])
        for id, (row, rule, one) in self.cuts.items():
            if id not in new:
                continue
            payload = RuleCut.model_validate(
                {
                    "rule": rule.code,
                    "name": rule.name,
                    "on": row.happening,
                    "cause_id": row.cause_id,
                    "case_id": row.item_id,
                    "task_id": row.task_id,
                    "depth": row.depth,
                    "cut_id": id,
                    "reason": row.reason,
                }
            )
            cause = Cause(id, row.at, rule.actor, one.traceparent)
            self.work.tell(Emission(payload, id, row.item_id, 1, cause, self.rules.version, 0))


def _names(data: Payload) -> tuple[str, ...]:
    names = HAPPENINGS.get(type(data))
    return () if names is None else names(data)


def happened(id: UUID, data: Any, at: datetime, traceparent: str, depth: int, wanted: Container[str] | None = None) -> Iterator[Happened]:
    """What this event is to rules, as far as it is `wanted`; None: all of it."""
    by = getattr(data, "changed_by", "")
    for on in _names(data):
        if wanted is None or on in wanted:
            yield Happened(Occurrence(id, on, item_id(data), at, by, depth, facts_of(on, data)), data, traceparent)


def fire(work: Work, rule: Rule, one: Happened, version: int, cause: Cause, depth: int) -> tuple[list[RuleAction], RuleFired]:
    """Do what the rule does, as far as it is task's; what was done, and the event that asks others for the rest."""
    data, about = one.data, one.occurrence.item
    case, task_id = work.cases.get(about), task_of(data)
    item = item_of(data, case)
    doing = Doing(work, item, case, work.tasks.get(task_id) if task_id else None, about, version, cause)
    actions = [doing.do(position, action) for position, action in enumerate(rule.actions)]
    fired = RuleFired(
        rule=rule.code,
        name=rule.name,
        on=one.occurrence.on,
        cause_id=one.occurrence.id,
        case_id=about,
        task_id=task_id,
        depth=depth,
        firing_id=cause.id,
        item=item,
        actions=tuple(actions),
    )
    return actions, fired


def outcome_of(actions: Sequence[RuleAction]) -> str:
    """`done`, `partly` or `refused`, as far as task knows."""
    refused = sum(action.outcome == "refused" for action in actions)
    return "done" if not refused else "refused" if refused == len(actions) else "partly"


before_saving(follow)
