"""Major cases: attaching children, telling their customers, closing them together, each in the caller's transaction (EDGE-15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.case.domain import hearing, major, progress
from services.case.domain.case import Case, Change, HistoryEntry, entries
from services.case.domain.life_cycle import LifeCycleRules
from services.case.domain.refusals import LinkRefused, TransitionRefused
from services.case.handlers.commands import Asked, UnknownCase
from services.case.handlers.events import emit_case
from services.case.handlers.rules import Rules
from services.case.storage import answers as kept_answers
from services.case.storage import cases
from services.case.storage import major as storage
from shared.messaging import VersionCache
from shared.schemas.events import CaseBroadcast, CaseStatusChanged
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a child. `why`: what keeps it from being done; empty: it is done."""

    child: Case
    why: str = ""


class Major:
    """The commands on a major case. Raise `UnknownCase`, what `permit` raises, or a `CaseRefusal`."""

    def __init__(self, rules: VersionCache[Rules]) -> None:
        self._rules = rules

    def attach(
        self, tx: Transaction, asked: Asked, wanted: Sequence[UUID], permit_child: Callable[[Case], None]
    ) -> tuple[Case, list[Case]]:
        """Put open cases under this one: all of them or none."""
        parent, children = self._locked(tx, asked, wanted, permit_child)
        if storage.count_children(tx, parent.id) + len(children) > major.MOST_CHILDREN:
            raise LinkRefused(f"putting cases under {parent.number}", f"a major case has {major.MOST_CHILDREN} children at most")
        grand = storage.parents(tx, wanted)
        moved = [major.attach(child, parent, has_children=child.id in grand) for child in children]
        self._keep(tx, asked, parent, moved)
        return parent, children

    def detach(self, tx: Transaction, asked: Asked, child_id: UUID, permit_child: Callable[[Case], None]) -> Case:
        """Let a child go on on its own."""
        parent, children = self._locked(tx, asked, [child_id], permit_child)
        self._keep(tx, asked, parent, [major.detach(child, parent) for child in children])
        return parent

    def broadcast(self, tx: Transaction, asked: Asked, text: str) -> tuple[Case, list[Result]]:
        """Have the customer of each open child told, by the newest configuration's message for it."""
        parent, children = self._with_children(tx, asked)
        what = f"telling the customers of case {parent.number}"
        if not children:
            raise LinkRefused(what, "it has no open children")
        if not self._rules.get(0).tells_customers:
            raise LinkRefused(what, "the configuration has no communication on case.broadcast that goes to the customer")
        results = [Result(child, "" if child.customer_email else "no email address is known of its customer") for child in children]
        told = [result.child for result in results if not result.why]
        by, now = asked.actor.user, asked.now
        history = [HistoryEntry(case.id, None, "broadcast", None, text, by, now) for case in (parent, *told)]
        heard = [hearing.told(child, by, now) for child in told]
        cases.change(tx, [child for child, _ in heard])
        cases.add_history(tx, [*history, *(entry for child, changes in heard for entry in entries(child, changes))])
        for child, _ in heard:
            news = child._replace(changed_by=by)
            emit_case(tx, CaseBroadcast, news, asked.cause, now, asked.traceparent, parent_id=parent.id, text=text)
        return parent, results

    def close(self, tx: Transaction, asked: Asked, status: str, reason: str) -> tuple[Case, list[Result]]:
        """Set the parent's status, a final one, and lead its open children to the same state.

        A parent that has the status already keeps it, so that children which stayed open can be tried again.
        """
        parent, children = self._with_children(tx, asked)
        rules = self._life_cycle(parent)
        chosen = rules.statuses.get(status)
        if chosen is not None and chosen.state not in major.CLOSING:
            why = f"{status} neither resolves it finally nor completes it: set it on the case alone"
            raise TransitionRefused(f"closing case {parent.number} with its children", why)
        concerned = [parent.id, *(child.id for child in children)]
        gates, given = storage.gates(tx, concerned), kept_answers.of_cases(tx, concerned)
        changed: list[Case] = []
        history: list[HistoryEntry] = []
        if parent.status != status:
            step = progress.set_status(parent, status, rules, asked.actor, gates[parent.id], asked.now, reason, given[parent.id])
            parent, changes = hearing.answered(parent, step.case, step.changes, asked.now)
            changed.append(parent)
            history += entries(parent, changes)
            kept_answers.change(tx, parent.id, given[parent.id], step.answers)
        results = []
        for child in children:
            why = f"major case {parent.number}" + (f": {reason}" if reason else "")
            done = major.close(child, parent.state, self._life_cycle(child), asked.actor, gates[child.id], asked.now, why, given[child.id])
            results.append(Result(done.case, done.stays))
            if done.changes:
                after, changes = hearing.answered(child, done.case, done.changes, asked.now)
                changed.append(after)
                history += entries(after, changes)
                kept_answers.change(tx, child.id, given[child.id], done.answers)
        cases.change(tx, changed)
        cases.add_history(tx, history)
        for case in changed:
            emit_case(tx, CaseStatusChanged, case, asked.cause, asked.now, asked.traceparent)
        return parent, results

    def _life_cycle(self, case: Case) -> LifeCycleRules:
        return self._rules.get(case.config_version).subjects[case.subject].life_cycle

    def _locked(
        self, tx: Transaction, asked: Asked, wanted: Sequence[UUID], permit_child: Callable[[Case], None]
    ) -> tuple[Case, list[Case]]:
        found = cases.lock(tx, [asked.case_id, *wanted])
        for id in (asked.case_id, *wanted):
            if id not in found:
                raise UnknownCase(str(id))
        asked.permit(found[asked.case_id])
        for id in wanted:
            permit_child(found[id])
        return found[asked.case_id], [found[id] for id in wanted]

    def _with_children(self, tx: Transaction, asked: Asked) -> tuple[Case, list[Case]]:
        """The parent and its open children, locked. Whoever may act on the parent acts on all of them: that is what it is for."""
        found = cases.lock(tx, [asked.case_id, *storage.open_children(tx, asked.case_id)])
        parent = found.pop(asked.case_id, None)
        if parent is None:
            raise UnknownCase(str(asked.case_id))
        asked.permit(parent)
        still = [child for child in found.values() if child.parent_id == parent.id and not child.state.is_closed]
        return parent, sorted(still, key=lambda child: (child.opened_at, child.number))

    def _keep(self, tx: Transaction, asked: Asked, parent: Case, moved: Sequence[tuple[Case, tuple[Change, ...]]]) -> None:
        by, now = asked.actor.user, asked.now
        changed = [(child, changes) for child, changes in moved if changes]
        cases.change(tx, [child for child, _ in changed])
        history = [HistoryEntry(child.id, None, each.field, each.old, each.new, by, now) for child, changes in changed for each in changes]
        for child, _ in changed:
            old, new = (None, child.number) if child.parent_id else (child.number, None)
            history.append(HistoryEntry(parent.id, None, "child", old, new, by, now))
        cases.add_history(tx, history)
