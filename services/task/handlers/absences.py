"""Working off absences: what somebody holds is lent as their absence begins, and given back as it ends (TASK-7, EDGE-13)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.task.domain import lifecycle
from services.task.domain.assignment.absences import Absence, HandOver, Holding, Loan, lent, stand_in_for
from services.task.domain.lifecycle import TaskState
from services.task.domain.task import Task
from services.task.handlers.handing_over import MOST, load_listed
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import absences
from shared.clock import Clock, utc_now
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.schemas.events import TaskAssigned
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Looked:
    """What one transaction has done."""

    lent: int = 0
    given_back: int = 0


class Absences:
    """Begins and ends absences, some tasks in each transaction: what it moves and that it did are committed together."""

    def __init__(self, publisher: EventPublisher, compiled: CompiledOf, clock: Clock = utc_now, most: int = MOST) -> None:
        self._publisher = publisher
        self._compiled = compiled
        self._clock = clock
        self._most = most

    def look(self) -> Looked | None:
        """Do a piece of what is due. None: nothing is due that nobody else is at."""
        with self._publisher.transaction() as tx:
            work = Work(self._compiled, self._clock())
            absence = absences.lock_due(tx, work.now)
            if absence is None:
                return None
            looked = self._begin(tx, work, absence) if absence.begun_at is None else self._end(tx, work, absence)
            work.save(tx)
        return looked

    def _begin(self, tx: Transaction, work: Work, absence: Absence) -> Looked:
        over = absence.ends_at is not None and absence.ends_at <= work.now
        if over or absence.hand_over is HandOver.NONE:
            absences.mark_begun(tx, absence.id, work.now)
            return Looked()
        listed = absences.held_at_beginning(tx, absence, self._most)
        # Somebody may have been faster, before the locks were ours.
        held = [task for task in load_listed(tx, work, listed) if task.assignee == absence.user and _is_workable(task)]
        staff = work.compiled(0).staff
        away = {user: each.stand_in for user, each in absences.away(tx, work.now).items()}
        stand_in = stand_in_for(absence.user, away, staff.members)
        member = staff.members.get(absence.user)
        loans = [
            Loan(task.id, absence.id, before, lent(before, stand_in, member.unit if member else task.unit))
            for task in held
            for before in (Holding.of(task),)
        ]
        for loan in loans:
            _move(work, work.tasks[loan.task_id], loan.now, absence.id, f"absence of {absence.user}")
        absences.move_loans(tx, [(loan.task_id, loan.before, loan.now) for loan in loans])
        if absence.give_back:
            absences.lend(tx, loans)
        if len(listed) < self._most:
            absences.mark_begun(tx, absence.id, work.now)
        return Looked(lent=len(loans))

    def _end(self, tx: Transaction, work: Work, absence: Absence) -> Looked:
        again = absences.away(tx, work.now).get(absence.user)
        if again is not None and again.absence_id != absence.id:  # they are away again already: it is theirs after that
            absences.carry_over(tx, absence.id, again.absence_id if again.give_back else None)
            absences.mark_ended(tx, absence.id, work.now)
            return Looked()
        listed = absences.lent_by(tx, absence.id, self._most)
        tasks = load_listed(tx, work, listed)
        loans = absences.loans_of(tx, absence.id, [task_id for task_id, _ in listed])
        here = absence.user in work.compiled(0).staff.members
        # What was handed on meanwhile, or accepted by a colleague, is where somebody wanted it.
        back = [task for task in tasks if here and task.id in loans and _is_workable(task) and Holding.of(task) == loans[task.id].now]
        for task in back:
            _move(work, task, loans[task.id].before, absence.id, f"return of {absence.user}")
        absences.drop_later(tx, absence.id, [task.id for task in back])
        absences.end_loans(tx, absence.id, loans)
        absences.move_loans(tx, [(task.id, loans[task.id].now, loans[task.id].before) for task in back])
        if len(listed) < self._most:
            absences.mark_ended(tx, absence.id, work.now)
        return Looked(given_back=len(back))


def _is_workable(task: Task) -> bool:
    return task.state in (TaskState.PENDING, TaskState.IN_PROGRESS)


def _move(work: Work, task: Task, to: Holding, absence_id: UUID, why: str) -> None:
    before = Holding.of(task)
    task.standing = lifecycle.give(task.standing, to.owner, to.assignee)
    changes: dict[str, tuple[object, object]] = {"assignee": (before.assignee, to.assignee)}
    if before.owner != to.owner:
        changes["owner"] = (str(before.owner), str(to.owner))
    # A revision is made once: whoever tries again makes the same event.
    cause = Cause(derive("absence", absence_id, task.id, task.revision), work.now, "system", current_traceparent())
    work.record(TaskAssigned, task, cause, changes, why=why)
