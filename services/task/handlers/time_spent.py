"""Services on a task and the time that they took: recorded, corrected, and made up to the minimum when a task is completed (TASK-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.task.domain.lifecycle import TaskState
from services.task.domain.resources.time_spent import Entry, missing_minimums, spent_by_service, standing
from services.task.domain.task import Task
from services.task.handlers.causes import Cause
from services.task.handlers.known import Known
from services.task.storage import time_spent as storage
from shared.ids import derive
from shared.schemas.events import TimeSpent
from shared.storage import Transaction

MOST_ENTRIES = 500
"""On one task."""
BY_ITSELF = "Recorded by itself when the task was completed: the minimum of this service."


class TimeRefused(Exception):
    """Time cannot be recorded so; the message is for people. `conflict`: because of what is there already."""

    def __init__(self, message: str, *, conflict: bool = False) -> None:
        super().__init__(message)
        self.conflict = conflict


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks to have recorded. A correction's `service` may be another one than before."""

    service: str
    minutes: int
    user: str
    spent_at: datetime
    note: str
    corrects: UUID | None


def allowed_services(work: Known, task: Task) -> list[str]:
    """What may be on the task: the definition's services, or any where it lists none."""
    definition = work.configuration_of(task).definitions.get(task.definition or "")
    if definition is not None and definition.services:
        return [each.service for each in definition.services]
    return list(work.compiled(0).services)


def services_on(tx: Transaction, work: Known, task: Task) -> dict[str, str]:
    """The services of the task, and who added each: the mandatory ones of its definition (`system`), and those added by hand."""
    definition = work.configuration_of(task).definitions.get(task.definition or "")
    mandatory = {each.service: "system" for each in definition.services if each.mandatory} if definition else {}
    return mandatory | {code: by for code, by in storage.added_services(tx, task.id).items() if code not in mandatory}


def record(tx: Transaction, work: Known, task: Task, wanted: Wanted, cause: Cause, *, oversees: bool = True) -> Entry:
    """Append an entry, under the task's lock, and tell of it. Who does not oversee corrects only their own. Raises `TimeRefused`."""
    if task.state is TaskState.PLANNED:
        raise TimeRefused("The task has not started yet.", conflict=True)
    if wanted.service not in (known := services_on(tx, work, task)):
        there = ", ".join(known) or "none so far"
        raise TimeRefused(f"The service {wanted.service} is not on this task (there are: {there}); add it first.")
    if wanted.spent_at > work.now:
        raise TimeRefused("Time cannot be spent in the future.")
    entries = storage.entries_of(tx, (task.id,))
    if len(entries) >= MOST_ENTRIES:
        raise TimeRefused(f"A task has at most {MOST_ENTRIES} entries.", conflict=True)
    entry_id = derive("time entry", cause.id, task.id)
    before = None if wanted.corrects is None else _corrected(entries, wanted.corrects)
    if before is not None and not oversees and cause.by not in (before.user, before.recorded_by):
        raise TimeRefused("Time of others is corrected by who oversees the task.")
    entry = Entry(
        entry_id,
        task.id,
        wanted.service,
        wanted.minutes,
        wanted.user,
        wanted.spent_at,
        wanted.note,
        wanted.corrects,
        automatic=False,
        recorded_by=cause.by,
        recorded_at=cause.at,
    )
    storage.insert_entries(tx, (entry,))
    _tell(tx, work, task, entry, before, cause)
    return entry


def _corrected(entries: Sequence[Entry], wanted: UUID) -> Entry:
    """The entry that is to be corrected, which stands yet."""
    if all(entry.id != wanted for entry in entries):
        raise TimeRefused("The entry to correct is not one of this task.")
    for entry in standing(entries):
        if entry.id == wanted:
            return entry
    later = next(entry.id for entry in entries if entry.corrects == wanted)
    raise TimeRefused(f"This entry was corrected already, by {later}; correct that one.", conflict=True)


def apply_minimums(tx: Transaction, work: Known, completed: Sequence[tuple[Task, Cause]]) -> None:
    """Record what mandatory services of these completed tasks lack of their minimum, unless they are waived."""
    concerned = []
    for task, cause in completed:
        definition = work.configuration_of(task).definitions.get(task.definition or "")
        if definition is not None and any(each.mandatory for each in definition.services):
            concerned.append((task, cause, definition.services))
    if not concerned:
        return
    by_task: dict[UUID, list[Entry]] = {}
    for entry in storage.entries_of(tx, [task.id for task, _, _ in concerned]):
        by_task.setdefault(entry.task_id, []).append(entry)
    waived = storage.waivers_of(tx, [task.id for task, _, _ in concerned])
    made: list[tuple[Task, Entry, Cause]] = []
    for task, cause, listed in concerned:
        services = [each for each in listed if each.service not in waived.get(task.id, ())]
        for service, minutes in missing_minimums(services, spent_by_service(by_task.get(task.id, ()))):
            entry = Entry(
                derive("minimum of a service", cause.id, task.id, service),
                task.id,
                service,
                minutes,
                task.assignee or cause.by,
                cause.at,
                BY_ITSELF,
                None,
                automatic=True,
                recorded_by="system",
                recorded_at=cause.at,
            )
            made.append((task, entry, cause))
    storage.insert_entries(tx, [entry for _, entry, _ in made])
    for task, entry, cause in made:
        _tell(tx, work, task, entry, None, cause)


def _tell(tx: Transaction, work: Known, task: Task, entry: Entry, before: Entry | None, cause: Cause) -> None:
    """Tell of an entry. Billing adds up by service: a correction that moves time to another service takes it from the first by an event of
    its own."""
    moved = before is not None and (before.service, before.user) != (entry.service, entry.user)
    if before is not None and moved:
        _emit(tx, work, task, entry, (before.service, before.user, 0, -before.minutes), cause, 1)
        _emit(tx, work, task, entry, (entry.service, entry.user, entry.minutes, entry.minutes), cause, 2)
    else:
        difference = entry.minutes - (before.minutes if before else 0)
        _emit(tx, work, task, entry, (entry.service, entry.user, entry.minutes, difference), cause, 1)


def _emit(tx: Transaction, work: Known, task: Task, entry: Entry, what: tuple[str, str, int, int], cause: Cause, revision: int) -> None:
    service, user, minutes, difference = what
    case = None if task.case_id is None else work.cases[task.case_id]
    customer = task.customer if case is None else case.customer
    payload = TimeSpent(
        entry_id=entry.id,
        task_id=task.id,
        case_id=task.case_id or task.id,
        case_number=case.number if case else "",
        lead_id=case.id if case and case.is_lead else None,
        definition=task.definition,
        account_id=customer.account_id if customer else None,
        contact_id=customer.contact_id if customer else None,
        service=service,
        service_name=work.compiled(0).services.get(service, service),
        minutes=minutes,
        difference=difference,
        user=user,
        spent_at=entry.spent_at,
        corrects=entry.corrects,
        automatic=entry.automatic,
        recorded_by=entry.recorded_by,
    )
    tx.emit(
        payload,
        aggregate_id=entry.id,
        key=str(task.case_id or task.id),
        revision=revision,
        cause=cause.id,
        time=cause.at,
        config_version=task.config_version,
        traceparent=cause.traceparent,
        ordinal=revision - 1,
    )
