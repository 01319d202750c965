"""Tasks that somebody gives by hand to a user who is away: whoever stands in has them until they are back (TASK-7, EDGE-13)."""

from __future__ import annotations

from services.task import metrics
from services.task.domain import lifecycle
from services.task.domain.assignment.absences import Holding, Loan, Meanwhile, lent, stand_in_for
from services.task.domain.lifecycle import Refusal, Standing, TransitionRefused
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Task
from services.task.handlers.work import Work
from services.task.storage import absences
from shared.storage import Transaction


def meanwhile(tx: Transaction, work: Work, owner: Owner, by: str) -> Meanwhile | None:
    """Who has what `by` gives to `owner` now. None: they are here, or are no one user. Who takes something oneself is there to do it."""
    if owner.kind is not OwnerKind.USER or owner.code == by:
        return None
    away = absences.away(tx, work.now)
    found = away.get(owner.code)
    if found is None:
        return None
    stand_in = stand_in_for(owner.code, {user: each.stand_in for user, each in away.items()}, work.compiled(0).staff.members)
    return Meanwhile(owner.code, found.absence_id, found.until, stand_in, found.hand_over, found.give_back)


def require_stand_in(there: Meanwhile) -> str:
    """Who stands in. Raises `TransitionRefused` where nobody does."""
    if there.stand_in is None:
        until = f"until {there.until:%Y-%m-%d %H:%M} UTC" if there.until else "until further notice"
        why = f"they are away {until}, and nobody stands in; give it to somebody else, or to them all the same (`although_away`)"
        raise TransitionRefused(f"give the task to {there.user}", Refusal.AWAY, why)
    return there.stand_in


def lend(work: Work, task: Task, given: Standing, there: Meanwhile) -> Standing:
    """How a task stands that was `given` to somebody who is away; what comes back is kept with `work`."""
    require_stand_in(there)
    before = Holding(given.owner, given.assignee)
    now = lent(before, there.stand_in, task.unit)
    if there.give_back:
        work.loans.append(Loan(task.id, there.absence_id, before, now))
    metrics.ABSENCES.labels("lent").inc()
    return lifecycle.give(given, now.owner, now.assignee)
