"""Cases, tasks and history as the commands and consumers need them: locked in sorted order, written by the set."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

import orjson
from psycopg.errors import UniqueViolation

from services.task.domain import lifecycle
from services.task.domain.case import Case, Customer
from services.task.domain.lifecycle import TaskState
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.task import Change, Task
from shared.storage import Transaction, arrays
from shared.storage.database import Row

CASE_COLUMNS = "id, revision, number, title, subject, unit, owner, state, customer, config_version, plan_revision, planned_at"
TASK_COLUMNS = (
    "id, case_id, definition, config_version, revision, subject_line, description, unit, priority, customer, planned_at,"
    " starts_at, start_by, triggered_at, due_at, changed_by, state, status, owner_kind, owner_code, assignee,"
    " cancellation_reason, in_progress_at, ended_at"
)

_CASE_AGAIN = """
    on conflict (id) do update set
        revision = excluded.revision, title = excluded.title, unit = excluded.unit, owner = excluded.owner,
        state = excluded.state, customer = excluded.customer, config_version = excluded.config_version,
        plan_revision = excluded.plan_revision, planned_at = excluded.planned_at
"""

_TASK_AGAIN = """
    on conflict (id) do update set
        revision = excluded.revision, subject_line = excluded.subject_line, description = excluded.description,
        unit = excluded.unit, priority = excluded.priority, customer = excluded.customer, starts_at = excluded.starts_at,
        start_by = excluded.start_by, triggered_at = excluded.triggered_at, due_at = excluded.due_at, changed_by = excluded.changed_by,
        state = excluded.state, status = excluded.status, owner_kind = excluded.owner_kind,
        owner_code = excluded.owner_code, assignee = excluded.assignee,
        cancellation_reason = excluded.cancellation_reason, in_progress_at = excluded.in_progress_at,
        ended_at = excluded.ended_at
"""


def lock_cases(tx: Transaction, case_ids: Iterable[UUID]) -> dict[UUID, Case]:
    """The known ones of these cases. Whoever writes a task of a case holds its case's lock, so that plans stay whole."""
    rows = tx.rows(f"select {CASE_COLUMNS} from cases where id = any(%b) order by id for update", (arrays.uuids(set(case_ids)),))
    return {row[0]: case_of(row) for row in rows}


def tasks_of_cases(tx: Transaction, case_ids: Iterable[UUID]) -> dict[UUID, Task]:
    """All tasks of cases whose locks are held, locked too."""
    rows = tx.rows(f"select {TASK_COLUMNS} from tasks where case_id = any(%b) order by id for update", (arrays.uuids(set(case_ids)),))
    return {row[0]: task_of(row) for row in rows}


def case_of_task(tx: Transaction, task_id: UUID) -> tuple[bool, UUID | None]:
    """Whether the task exists, and its case, which never changes."""
    row = tx.row("select case_id from tasks where id = %s", (task_id,))
    return (False, None) if row is None else (True, row[0])


def lock_task(tx: Transaction, task_id: UUID) -> Task | None:
    """The task, locked; of one that belongs to a case the case's lock must be held already."""
    row = tx.row(f"select {TASK_COLUMNS} from tasks where id = %s for update", (task_id,))
    return None if row is None else task_of(row)


def open_tasks_held_by(tx: Transaction, user: str, limit: int) -> list[tuple[UUID, UUID | None]]:
    """(task, case) of open tasks that this user has; not locked."""
    rows = tx.rows(
        "select id, case_id from tasks where assignee = %s and state in ('planned', 'pending', 'in_progress') order by id limit %s",
        (user, limit),
    )
    return [(row[0], row[1]) for row in rows]


def lock_tasks_without_case(tx: Transaction, task_ids: Iterable[UUID]) -> list[Task]:
    """These tasks, as far as they belong to no case."""
    rows = tx.rows(
        f"select {TASK_COLUMNS} from tasks where id = any(%b) and case_id is null order by id for update",
        (arrays.uuids(set(task_ids)),),
    )
    return [task_of(row) for row in rows]


def insert_new(tx: Transaction, cases: Collection[Case], tasks: Collection[Task]) -> None:
    """Insert what was not known, which costs a third less than `save_cases` and `save_tasks` do.

    Where another replica was faster, its rows are overwritten, as those two would do: a unique key must not look as if the message were
    to blame.
    """
    if not cases and not tasks:
        return
    tx.execute("savepoint before_new")
    try:
        _write_cases(tx, cases)
        _write_tasks(tx, tasks)
    except UniqueViolation:
        tx.execute("rollback to savepoint before_new")
        save_cases(tx, cases)
        save_tasks(tx, tasks)
    tx.execute("release savepoint before_new")


def save_cases(tx: Transaction, cases: Collection[Case]) -> None:
    """Insert or overwrite."""
    _write_cases(tx, cases, _CASE_AGAIN)


def save_tasks(tx: Transaction, tasks: Collection[Task]) -> None:
    """Insert or overwrite."""
    _write_tasks(tx, tasks, _TASK_AGAIN)


def _write_cases(tx: Transaction, cases: Collection[Case], on_conflict: str = "") -> None:
    if not cases:
        return
    columns = {
        "id": arrays.uuids(case.id for case in cases),
        "revision": arrays.big_ints(case.revision for case in cases),
        "number": arrays.texts(case.number for case in cases),
        "title": arrays.texts(case.title for case in cases),
        "subject": arrays.texts(case.subject for case in cases),
        "unit": arrays.texts(case.unit for case in cases),
        "owner": arrays.texts(case.owner for case in cases),
        "state": arrays.texts(case.state for case in cases),
        "customer": arrays.documents(_customer_json(case.customer) for case in cases),
        "config_version": arrays.ints(case.config_version for case in cases),
        "plan_revision": arrays.big_ints(case.plan_revision for case in cases),
        "planned_at": arrays.moments(case.planned_at for case in cases),
    }
    arrays.insert(tx, "cases", columns, on_conflict)


def _write_tasks(tx: Transaction, tasks: Collection[Task], on_conflict: str = "") -> None:
    if not tasks:
        return
    standings = [task.standing for task in tasks]
    columns = {
        "id": arrays.uuids(task.id for task in tasks),
        "case_id": arrays.uuids(task.case_id for task in tasks),
        "definition": arrays.texts(task.definition for task in tasks),
        "config_version": arrays.ints(task.config_version for task in tasks),
        "revision": arrays.big_ints(task.revision for task in tasks),
        "subject_line": arrays.texts(task.subject_line for task in tasks),
        "description": arrays.texts(task.description for task in tasks),
        "unit": arrays.texts(task.unit for task in tasks),
        "priority": arrays.texts(task.priority for task in tasks),
        "customer": arrays.documents(None if task.customer is None else _customer_json(task.customer) for task in tasks),
        "planned_at": arrays.moments(task.planned_at for task in tasks),
        "starts_at": arrays.moments(task.starts_at for task in tasks),
        "start_by": arrays.moments(task.start_by for task in tasks),
        "triggered_at": arrays.moments(task.triggered_at for task in tasks),
        "due_at": arrays.moments(task.due_at for task in tasks),
        "changed_by": arrays.texts(task.changed_by for task in tasks),
        # A StrEnum is its text.
        "state": arrays.texts(standing.state for standing in standings),
        "status": arrays.texts(standing.status for standing in standings),
        "owner_kind": arrays.texts(standing.owner.kind for standing in standings),
        "owner_code": arrays.texts(standing.owner.code for standing in standings),
        "assignee": arrays.texts(standing.assignee for standing in standings),
        "cancellation_reason": arrays.texts(standing.cancellation_reason for standing in standings),
        "in_progress_at": arrays.moments(standing.in_progress_at for standing in standings),
        "ended_at": arrays.moments(standing.ended_at for standing in standings),
    }
    arrays.insert(tx, "tasks", columns, on_conflict)


def save_history(tx: Transaction, changes: Collection[Change]) -> None:
    """Append."""
    if not changes:
        return
    columns = {
        "task_id": arrays.uuids(change.task_id for change in changes),
        "revision": arrays.big_ints(change.revision for change in changes),
        "at": arrays.moments(change.at for change in changes),
        "changed_by": arrays.texts(change.changed_by for change in changes),
        "event": arrays.texts(change.event for change in changes),
        "changes": arrays.documents(orjson.dumps(change.changes) for change in changes),
    }
    arrays.insert(tx, "history", columns, "on conflict do nothing")


def _customer_json(customer: Customer) -> bytes:
    return orjson.dumps(
        {
            "contact_id": customer.contact_id,
            "account_id": customer.account_id,
            "name": customer.name,
            "email": customer.email,
        }
    )


def customer_of(data: dict[str, str | None]) -> Customer:
    """The customer in a column's JSON."""
    contact, account = data["contact_id"], data["account_id"]
    return Customer(UUID(contact) if contact else None, UUID(account) if account else None, data["name"] or "", data["email"] or "")


def case_of(row: Row) -> Case:
    """The case in a row of `CASE_COLUMNS`."""
    id, revision, number, title, subject, unit, owner, state, customer, config_version, plan_revision, planned_at = row
    return Case(id, revision, number, title, subject, unit, owner, state, customer_of(customer), config_version, plan_revision, planned_at)


def task_of(row: Row) -> Task:
    """The task in a row of `TASK_COLUMNS`."""
    state, status, owner_kind, owner_code, assignee, cancellation_reason, in_progress_at, ended_at = row[16:24]
    standing = lifecycle.Standing(
        TaskState(state),
        status,
        Owner(OwnerKind(owner_kind), owner_code),
        assignee,
        cancellation_reason,
        in_progress_at,
        ended_at,
    )
    id, case_id, definition, config_version, revision, subject_line, description, unit, priority, customer = row[:10]
    planned_at, starts_at, start_by, triggered_at, due_at, changed_by = row[10:16]
    return Task(
        id,
        case_id,
        definition,
        config_version,
        revision,
        subject_line,
        description,
        standing,
        unit,
        priority,
        None if customer is None else customer_of(customer),
        planned_at,
        starts_at,
        start_by,
        triggered_at,
        due_at,
        changed_by,
    )
