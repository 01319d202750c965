"""Giving out tasks that start: to a member of the group that they are for, or to who stands in for their user (TASK-7, EDGE-13).

All that start in one transaction are given out together, with the same few statements however many they are; a transaction in which
nothing starts that is given out asks the database nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from services.task import metrics
from services.task.domain.assignment.absences import Holding, Loan, Meanwhile, lent, stand_in_for
from services.task.domain.assignment.choosing import Chooser, Policy, Staff
from services.task.domain.lifecycle import TaskState
from services.task.domain.ownership import OwnerKind
from services.task.domain.task import Task
from services.task.handlers.beginnings import Beginnings
from services.task.handlers.compile import Compiled
from services.task.handlers.openings import Openings
from services.task.storage import absences, assignments
from services.task.storage.absences import Away
from shared.storage import Transaction


class Given(NamedTuple):
    """A task that has just started has another holder than its definition says, and why."""

    task: Task
    holding: Holding
    why: str


class Starting(Protocol):
    """What giving out needs of a transaction's unit of work."""

    compiled: Callable[[int], Compiled]
    now: datetime
    openings: Openings

    def unfold_where(self, test: Callable[[Beginnings], bool]) -> None:
        """Unfold what cases begin with, where it is such."""

    def started(self) -> list[Task]:
        """Tasks that can be worked on from now, in the order in which they started."""

    def configuration_of(self, task: Task) -> Compiled:
        """The configuration that the task was planned under."""

    although_away: set[UUID]
    """Tasks that stay with their users even if these are away."""

    def written(self) -> dict[UUID, Task]:
        """What is new or changed, and not in the database yet."""

    def give(self, given: Iterable[Given]) -> None:
        """Give the started tasks to these holders."""


class Assignment(NamedTuple):
    """A task that a member of its group is to get."""

    task: Task
    skills: frozenset[str]
    policy: Policy


def give_out(tx: Transaction, work: Starting) -> None:
    """Give out what has started in this transaction; to be called before it is written.

    Two transactions never give out of the same group at once, nor of two groups that have a member with a capacity in common: turns and
    capacities are kept exactly. What people accept or are given by hand counts for the next choice, and is never refused.
    """
    users = work.openings.users()
    work.unfold_where(lambda begins: begins.is_given_out)
    theirs, wanted = _sorted(work)
    if not theirs and not wanted and not users:
        return
    away = absences.away(tx, work.now)
    if not users.isdisjoint(away):
        work.unfold_where(lambda begins: not begins.users.isdisjoint(away))
        theirs, wanted = _sorted(work)
    staff = work.compiled(0).staff
    work.give(_lend(tx, theirs, away, staff))
    if wanted:
        _choose(tx, work, wanted, away, staff)


def _sorted(work: Starting) -> tuple[list[Task], list[Assignment]]:
    """Tasks that are one user's by definition, and those that a member of a group is to get."""
    theirs: list[Task] = []
    wanted: list[Assignment] = []
    for task in work.started():
        if task.state is not TaskState.PENDING:
            continue
        if task.assignee is not None:
            if _may_be_lent(work, task):
                theirs.append(task)
            continue
        definition = work.configuration_of(task).definitions.get(task.definition or "")
        if definition is not None and definition.assign is not Policy.ACCEPT:
            wanted.append(Assignment(task, definition.skills, definition.assign))
    return theirs, wanted


def _may_be_lent(work: Starting, task: Task) -> bool:
    if not _is_theirs(task) or task.id in work.although_away:
        return False
    # What somebody adds for themselves stays: whoever takes something oneself is there to do it.
    return task.changed_by != task.assignee or task.is_planned_with_case


def _is_theirs(task: Task) -> bool:
    """Whether whom it is for is one user, who has it."""
    return task.owner.kind is OwnerKind.USER and task.owner.code == task.assignee


def lend(tx: Transaction, work: Starting, given: Sequence[Task]) -> list[Given]:
    """What of these tasks, which a rule gave to users, goes to whoever stands in for them, or to their unit."""
    workable = (TaskState.PENDING, TaskState.IN_PROGRESS)
    theirs = [task for task in given if task.state in workable and _is_theirs(task)]
    return _lend(tx, theirs, absences.away(tx, work.now), work.compiled(0).staff) if theirs else []


def _lend(tx: Transaction, theirs: Sequence[Task], away: Mapping[str, Away], staff: Staff) -> list[Given]:
    absent = {user: each.stand_in for user, each in away.items()}
    given: list[Given] = []
    loans: list[Loan] = []
    for task in theirs:
        user = task.owner.code
        if user not in away or (task.definition is None and not _is_handed_over(away[user], task)):
            continue
        before = Holding.of(task)
        now = lent(before, stand_in_for(user, absent, staff.members), task.unit)
        given.append(Given(task, now, f"absence of {user}"))
        if away[user].give_back:
            loans.append(Loan(task.id, away[user].absence_id, before, now))
    absences.lend(tx, loans)
    metrics.ABSENCES.labels("lent").inc(len(given))
    return given


def _is_handed_over(away: Away, task: Task) -> bool:
    there = Meanwhile(task.owner.code, away.absence_id, away.until, away.stand_in, away.hand_over, away.give_back)
    return there.takes(task.due_at)


def _choose(tx: Transaction, work: Starting, wanted: Sequence[Assignment], away: Mapping[str, Away], staff: Staff) -> None:
    groups = {each.task.owner for each in wanted}
    turns = assignments.lock_turns(tx, frozenset().union(*(staff.bound_with(group) for group in groups)))
    by_load = {each.task.owner for each in wanted if each.policy is Policy.LEAST_LOADED}
    counted = {
        user
        for group in groups
        for user in staff.groups.get(group, ())
        if user not in away and (group in by_load or staff.members[user].capacity is not None)
    }
    chooser = Chooser(staff, away, _loads(tx, work, counted), turns)
    given: list[Given] = []
    for task, skills, policy in wanted:
        group = task.owner
        user = chooser.choose(group, skills, policy)
        metrics.GIVEN_OUT.labels(policy.value, "left" if user is None else "given").inc()
        if user is not None:
            given.append(Given(task, Holding(group, user), policy.in_words))
    work.give(given)
    assignments.keep_turns(tx, chooser.turns)


def _loads(tx: Transaction, work: Starting, users: set[str]) -> dict[str, int]:
    """What each of these users has, with what this transaction is about to write."""
    if not users:
        return {}
    written = work.written()
    stored = Counter(assignments.loads(tx, users, written))
    workable = (TaskState.PENDING, TaskState.IN_PROGRESS)
    stored.update(task.assignee for task in written.values() if task.assignee in users and task.state in workable)
    return stored
