"""Working off chases (EDGE-10): under the lock of its case each is decided, written and told in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case.domain import chasing
from services.case.domain.answers import Answers
from services.case.domain.case import Case, Change, HistoryEntry, entries
from services.case.domain.chasing import Chase, ChaseRules, Deed
from services.case.domain.life_cycle import LifeCycleRules
from services.case.handlers.commands import told
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import answers as kept_answers
from services.case.storage import cases, chases, plans
from shared.clock import Clock, utc_now
from shared.ids import derive
from shared.messaging import EventPublisher, VersionCache
from shared.observability.tracing import current_traceparent
from shared.schemas.events import CaseChased, CaseStatusChanged
from shared.storage import Transaction

BEGUN = 500
"""Chases begun in one transaction."""
LOOKED_AT = 50
"""Chases looked at in one transaction: few, since their cases are locked meanwhile."""


@dataclass(slots=True)
class Looked:
    """What a look at some chases writes."""

    kept: list[Chase] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)
    changed: list[Case] = field(default_factory=list)
    history: list[HistoryEntry] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


class Chaser:
    """Chases by the newest configuration; a case is closed by the rules of the one that it began with."""

    def __init__(self, publisher: EventPublisher, rules: VersionCache[Rules], clock: Clock = utc_now) -> None:
        self._publisher = publisher
        self._rules = rules
        self._clock = clock

    def begin(self) -> int:
        """Begin the chase of cases that wait, and wake those that rest; how many. Less than `BEGUN`: all are."""
        now = self._clock()
        subjects = list(self._chased())
        with self._publisher.database.transaction() as tx:
            begun = chases.begin(tx, subjects, now, BEGUN) if subjects else 0
            return begun + chases.wake(tx, now)

    def look(self) -> Counter[str] | None:
        """Do what is due; how often what came of it. None: nothing is due that nobody else is looking at."""
        now = self._clock()
        chased = self._chased()
        with self._publisher.transaction() as tx:
            found = chases.lock_due(tx, now, LOOKED_AT)
            if not found:
                return None
            since = chases.silent_since(tx, list(found))
            given = kept_answers.of_cases(tx, list(found))
            looked = Looked()
            for id, (case, chase) in found.items():
                self._do(tx, looked, case, given[id], chasing.look(chase, case, since[id], chased.get(case.subject), now), chased, now)
            chases.keep(tx, looked.kept)
            chases.end(tx, looked.ended)
            cases.change(tx, looked.changed)
            cases.add_history(tx, looked.history)
        return looked.outcomes

    def _chased(self) -> Mapping[str, ChaseRules]:
        return {code: subject.chase for code, subject in self._rules.get().subjects.items() if subject.chase is not None}

    def _do(
        self,
        tx: Transaction,
        looked: Looked,
        case: Case,
        given: Answers,
        found: chasing.Look,
        chased: Mapping[str, ChaseRules],
        now: datetime,
    ) -> None:
        if found.deed is Deed.END:
            looked.ended.append(case.id)
            return
        looked.kept.append(found.chase)
        if found.deed is Deed.REMIND:
            reminded, changes = chasing.remind(case, found.chase.reminded, now)
            emit_case(tx, CaseChased, reminded, _cause(reminded), now, current_traceparent(), reminder=found.chase.reminded)
            _write(looked, reminded, changes, "reminded")
        elif found.deed is Deed.CLOSE:
            self._close(tx, looked, case, given, chased[case.subject].close_status, now)

    def _close(self, tx: Transaction, looked: Looked, case: Case, given: Answers, status: str, now: datetime) -> None:
        closing = chasing.close(case, given, status, self._life_cycle(case), plans.gate(tx, case.id), now)
        if not closing.steps:
            after, changes = chasing.give_up(case, closing.why, now)
            _write(looked, after, changes, "for_review")
            return
        before = case
        for step in closing.steps:
            looked.history += entries(step.case, step.changes)
            kind = told(CaseStatusChanged, before, step.case, step.changes)
            emit_case(tx, kind, step.case, _cause(step.case), now, current_traceparent())
            before = step.case
        kept_answers.change(tx, case.id, given, closing.steps[-1].answers)
        _write(looked, before, (), "closed")

    def _life_cycle(self, case: Case) -> LifeCycleRules:
        return self._rules.get(case.config_version).subjects[case.subject].life_cycle


def _cause(case: Case) -> UUID:
    """A revision is made once: whoever tries again makes the same event."""
    return derive("chase", case.id, case.revision)


def _write(looked: Looked, case: Case, changes: tuple[Change, ...], outcome: str) -> None:
    looked.changed.append(case)
    looked.history += entries(case, changes)
    looked.outcomes[outcome] += 1
