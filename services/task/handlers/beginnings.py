"""What cases begin with: the tasks of their subject's workflow, and what events tell of them.

A batch has many cases that open under one subject at one moment, and begin alike. What they have in common (due times, owners, texts) is
worked out once, as patterns; a case then costs no more than its own ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from services.task.domain.assignment.choosing import Policy
from services.task.domain.lifecycle import Standing, TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.plan import PlannedTask, first_tasks
from services.task.domain.task import Task
from services.task.handlers import payloads
from services.task.handlers.compile import Compiled, workflow_without
from services.task.handlers.happenings import facts_of
from services.task.storage import repository
from shared.schemas import events
from shared.schemas.envelope import encode
from shared.schemas.events import CaseState

_NO_CASE: Final = UUID(int=0)


class Beginning(NamedTuple):
    """One task that cases begin with."""

    code: str
    """Of its definition."""
    task: Task
    """As it belongs to no case yet; never changed, since many cases are made from it."""
    told: events.TaskState
    """The data of the event that tells of it, likewise."""
    kind: type[events.TaskState]
    """The type of that event."""
    row: bytes
    """What its row has after its id and its case's."""
    encoded: bytes
    """What its event has as JSON between its id and what is shown of its case."""


class Beginnings:
    """What some cases begin with, in the workflow's order."""

    __slots__ = ("asks", "codes", "each", "is_given_out", "kinds", "users")

    def __init__(self, each: Sequence[Beginning], compiled: Compiled) -> None:
        self.each = tuple(each)
        self.kinds = {begin.kind for begin in each}
        self.codes = [begin.code for begin in each]
        started = [begin for begin in each if begin.task.state is TaskState.PENDING]
        self.users = frozenset(begin.task.owner.code for begin in started if begin.task.owner.kind is OwnerKind.USER)
        """Who gets a task that starts at once by its definition."""
        policies = [compiled.definitions[begin.code].assign for begin in started if begin.task.assignee is None]
        self.is_given_out = any(policy is not Policy.ACCEPT for policy in policies)
        """Whether one of those is to go to a member of its group."""
        self.asks = any(begin.code in compiled.asks_at_start for begin in started)
        """Whether one of those needs an approval."""


NOTHING: Final[frozenset[str]] = frozenset()


def left_out(compiled: Compiled, subject: str, opening: CaseState) -> frozenset[str]:
    """The tasks of the subject's workflow that the case does not get that this opens."""
    conditions = compiled.conditions.get(subject)
    if not conditions:
        return NOTHING
    facts = facts_of("case.opened", opening)
    return frozenset([code for code, holds in conditions if not holds(facts)])


@lru_cache(maxsize=256)
def beginnings(
    compiled: Compiled, config_version: int, subject: str, unit: str, at: datetime, without: frozenset[str] = NOTHING
) -> Beginnings:
    """What a case begins with that opens at this moment; `unit` is the case's, `without` are the tasks that it does not get."""
    planned = first_tasks(workflow_without(compiled, subject, without), at, compiled.calendars)
    tasks = [_task(each, compiled, config_version, unit, at) for each in planned.values()]
    rows = repository.fields_after_case(tasks)
    return Beginnings([_beginning(task, compiled, row) for task, row in zip(tasks, rows, strict=True)], compiled)


def _task(planned: PlannedTask, compiled: Compiled, config_version: int, unit: str, at: datetime) -> Task:
    definition = compiled.definitions[planned.code]
    owner = definition.owner or Owner(OwnerKind.UNIT, unit)
    return Task(
        id=_NO_CASE,
        case_id=None,
        definition=planned.code,
        config_version=config_version,
        revision=0,
        subject_line=definition.subject_line,
        description="",
        standing=Standing(planned.state, compiled.statuses.default_of(planned.state), owner, owner.assignee),
        unit=definition.unit or unit,
        priority=definition.priority,
        customer=None,
        planned_at=at,
        triggered_at=planned.starts_at,
        due_at=planned.due_at,
    )


def _beginning(task: Task, compiled: Compiled, row: bytes) -> Beginning:
    event = events.TaskTriggered if task.state is TaskState.PENDING else events.TaskPlanned
    told = payloads.task_payload(event, task, None, compiled)
    return Beginning(task.definition or "", task, told, event, row, encode(payloads.alike(told))[1:-1])
