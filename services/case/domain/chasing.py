"""Chasing a customer for whom a case waits, and closing the case when nothing comes (EDGE-10).

Silence lasts from the moment when the case began to wait as it does now, or from the customer's last word, whichever is later. Times count
on the organisation's calendar. A reminder counts from the one before as it was sent, so a worker that was away makes no volley.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.case.domain import acceptance
from services.case.domain.answers import Answers
from services.case.domain.case import SYSTEM, Actor, Case, Change
from services.case.domain.history import Step
from services.case.domain.life_cycle import LifeCycle, LifeCycleRules, Stage
from services.case.domain.progress import Gate, put_up_for_review, set_status
from services.case.domain.refusals import CaseRefusal, TransitionRefused
from shared.calendars import Calendar, CalendarError, Duration, due
from shared.calendars.arithmetic import next_open

SILENCE = "no word from the customer"
"""The reason of what the end of a chase does."""


@dataclass(frozen=True, slots=True)
class ChaseRules:
    """What a subject says: a reminder after each `after` of silence, `reminders` times, and closed `close_after` later.

    `close_after` None: it is only reminded. `close_status` empty: a pending case is cancelled, another completed.
    """

    after: Duration | None
    reminders: int
    close_after: Duration | None
    close_status: str
    calendar: Calendar

    def due_at(self, at: datetime, reminded: int) -> datetime | None:
        """When something is to be done next, `reminded` times reminded and last at `at`; None: nothing is, ever."""
        duration = self.after if reminded < self.reminders else self.close_after
        if duration is None:
            return None
        try:
            found = due(duration, at, self.calendar)
            # Three days from Thursday is a Sunday; nobody is reminded then.
            return found if duration.business else next_open(self.calendar, found)
        except CalendarError:
            return None


class Chase(NamedTuple):
    """How far the chase of a case is. Field names are those of the table `chases`."""

    case_id: UUID
    since: datetime | None
    """Since when the customer is silent, as it was found last; None: nobody has looked yet."""
    reminded: int
    due_at: datetime | None
    """When to look at it next; None: not before the case changes."""
    revision: int
    """The case's, when it was looked at last."""
    is_over: bool = False
    """Nothing more is done in this silence."""


class Deed(StrEnum):
    """What is to be done about a chase."""

    END = "end"
    """The case does not wait any more, or its subject does not chase."""
    WAIT = "wait"
    REMIND = "remind"
    CLOSE = "close"


class Look(NamedTuple):
    """What a look at a chase finds: what is to be done, and the chase after it."""

    deed: Deed
    chase: Chase


class Closing(NamedTuple):
    """The steps that close a case, in order; none with `why`: it cannot be closed."""

    steps: tuple[Step, ...]
    why: str = ""


def is_waiting(case: Case) -> bool:
    """Whether it is the customer's turn."""
    return not case.state.is_closed and (case.waiting_for_customer or bool(case.awaiting_acceptance))


def look(chase: Chase, case: Case, since: datetime, rules: ChaseRules | None, now: datetime) -> Look:
    """What is to be done now. `since`: since when the customer is silent. A chase that began otherwise begins anew."""
    if rules is None or not is_waiting(case):
        return Look(Deed.END, chase)
    if chase.since != since:
        return Look(Deed.WAIT, _until(chase._replace(since=since, reminded=0, revision=case.revision), rules.due_at(since, 0)))
    if chase.is_over:  # looked at since the case has changed
        return Look(Deed.WAIT, _until(chase._replace(revision=case.revision), None))
    if chase.due_at is None or chase.due_at > now:
        return Look(Deed.WAIT, chase)
    if chase.reminded < rules.reminders:
        reminded = chase.reminded + 1
        then = rules.due_at(now, reminded)
        return Look(Deed.REMIND, _until(chase._replace(reminded=reminded, revision=case.revision + 1), then))
    over = _until(chase._replace(revision=case.revision), None)
    # Without a time to close after, the configuration is another than when its time was reckoned.
    return Look(Deed.WAIT if rules.close_after is None else Deed.CLOSE, over)


def _until(chase: Chase, due_at: datetime | None) -> Chase:
    return chase._replace(due_at=due_at, is_over=due_at is None)


def remind(case: Case, reminder: int, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case, its customer reminded for the `reminder`-th time."""
    changed = case._replace(revision=case.revision + 1, changed_at=now, changed_by=SYSTEM)
    return changed, (Change("chased", str(reminder - 1) if reminder > 1 else None, str(reminder)),)


def close(case: Case, answers: Answers, close_status: str, rules: LifeCycleRules, gate: Gate, now: datetime) -> Closing:
    """The steps that close the case: all of them, or none. A pending case is cancelled, another finally resolved and completed.

    An answer that the customer was asked to accept counts as accepted: that is what was chased. Where the final resolution asks for
    acceptance in its turn, the case waits for that, and the customer is chased anew. Whom transition rules list counts for people only.
    """
    system = Actor(SYSTEM, case.unit)
    freed = replace(rules, transitions=tuple(replace(rule, units=frozenset(), users=frozenset()) for rule in rules.transitions))
    steps: list[Step] = []
    try:
        target = _target(case, close_status, rules)
        at = Step(case, (), answers)
        if case.awaiting_acceptance:
            at = acceptance.record(case, answers, Stage(case.awaiting_acceptance), True, SILENCE, system, now)
            steps.append(at)
        while at.case.status != target:
            status = _next(at.case.state, target, rules)
            reason = "" if rules.statuses[status].state is LifeCycle.CANCELLED else SILENCE  # a cancellation takes the default code
            at = set_status(at.case, status, freed, system, gate, now, reason, at.answers)
            steps.append(at)
            if at.case.awaiting_acceptance:
                break
    except CaseRefusal as error:
        return Closing((), error.why)
    return Closing(tuple(steps))


def give_up(case: Case, why: str, now: datetime) -> tuple[Case, tuple[Change, ...]]:
    """The case on the review list, since it cannot be closed. Its revision stays, as others are told nothing."""
    changed, changes = (case, ()) if case.needs_review else put_up_for_review(case, now)
    return changed._replace(changed_at=now, changed_by=SYSTEM), (*changes, Change("not closed", None, why))


def _target(case: Case, close_status: str, rules: LifeCycleRules) -> str:
    if not close_status:
        return rules.defaults[LifeCycle.CANCELLED if case.state is LifeCycle.PENDING else LifeCycle.COMPLETED]
    status = rules.statuses.get(close_status)
    if status is None or not status.state.is_closed:
        raise TransitionRefused(f"close of case {case.number}", f"{close_status} is no status of subject {case.subject} that closes a case")
    return close_status


_ONWARD = {
    LifeCycle.PENDING: LifeCycle.RESPONDED,
    LifeCycle.RESPONDED: LifeCycle.FINALLY_RESOLVED,
    LifeCycle.TEMPORARILY_RESOLVED: LifeCycle.FINALLY_RESOLVED,
}


def _next(state: LifeCycle, target: str, rules: LifeCycleRules) -> str:
    """The next status on the way to the status `target`."""
    if rules.statuses[target].state is LifeCycle.CANCELLED or state not in _ONWARD:
        return target
    return rules.defaults[_ONWARD[state]]
