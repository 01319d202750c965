"""Cases, tasks and history as the commands and consumers need them: locked in sorted order, written by the set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any
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

CASE_COLUMNS = "id, revision, number, title, subject, unit, owner, state, customer, config_version, plan_revision, planned_at, kind"
TASK_COLUMNS = (
    "id, case_id, definition, config_version, revision, subject_line, description, unit, priority, customer, planned_at,"
    " starts_at, start_by, triggered_at, due_at, changed_by, state, status, owner_kind, owner_code, assignee,"
    " cancellation_reason, in_progress_at, ended_at, note_id, firing_id"
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


def insert_new(tx: Transaction, cases: Collection[Case], tasks: Collection[Task], rows: Sequence[bytes] = ()) -> bool:
    """Insert what was not known, which costs a third less than `save_cases` and `save_tasks` do. `rows`: more tasks, see
    `fields_after_case`.

    False: another replica was faster with some of it, and nothing was inserted. Those two have to overwrite its rows: a unique key must
    not look as if the message were to blame.
    """
    if not cases and not tasks and not rows:
        return True
    tx.execute("savepoint before_new")
    try:
        _write_cases(tx, cases)
        _write_tasks(tx, tasks)
        if rows:
            arrays.copy(tx, "tasks", task_columns(()), rows)
    except UniqueViolation:
        tx.execute("rollback to savepoint before_new")
        return False
    tx.execute("release savepoint before_new")
    return True


def fields_after_case(patterns: Sequence[Task]) -> list[bytes]:
    """The row of a new task like each of these, after its own id and its case's, which are `uuid_field`s."""
    columns = task_columns([replace(task, revision=1) for task in patterns])
    return arrays.fields([column for name, column in columns.items() if name not in ("id", "case_id")])


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
        "subject": arrays.codes(case.subject for case in cases),
        "unit": arrays.codes(case.unit for case in cases),
        "owner": arrays.codes(case.owner for case in cases),
        "state": arrays.codes(case.state for case in cases),
        "customer": arrays.documents(_customer_json(case.customer) for case in cases),
        "config_version": arrays.ints(case.config_version for case in cases),
        "plan_revision": arrays.big_ints(case.plan_revision for case in cases),
        "planned_at": arrays.moments(case.planned_at for case in cases),
        "kind": arrays.codes(case.kind for case in cases),
    }
    arrays.insert(tx, "cases", columns, on_conflict)


def _write_tasks(tx: Transaction, tasks: Collection[Task], on_conflict: str = "") -> None:
    if tasks:
        arrays.insert(tx, "tasks", task_columns(tasks), on_conflict)


def task_columns(tasks: Collection[Task]) -> dict[str, arrays.Array]:
    """Ids and those of cases first."""
    standings = [task.standing for task in tasks]
    return {
        "id": arrays.uuids(task.id for task in tasks),
        "case_id": arrays.uuids(task.case_id for task in tasks),
        "definition": arrays.codes(task.definition for task in tasks),
        "config_version": arrays.ints(task.config_version for task in tasks),
        "revision": arrays.big_ints(task.revision for task in tasks),
        "subject_line": arrays.codes(task.subject_line for task in tasks),
        "description": arrays.texts(task.description for task in tasks),
        "unit": arrays.codes(task.unit for task in tasks),
        "priority": arrays.codes(task.priority for task in tasks),
        "customer": arrays.documents(None if task.customer is None else _customer_json(task.customer) for task in tasks),
        "planned_at": arrays.moments(task.planned_at for task in tasks),
        "starts_at": arrays.moments(task.starts_at for task in tasks),
        "start_by": arrays.moments(task.start_by for task in tasks),
        "triggered_at": arrays.moments(task.triggered_at for task in tasks),
        "due_at": arrays.moments(task.due_at for task in tasks),
        "changed_by": arrays.codes(task.changed_by for task in tasks),
        # A StrEnum is its text, but is looked up more slowly.
        "state": arrays.codes(standing.state.value for standing in standings),
        "status": arrays.codes(standing.status for standing in standings),
        "owner_kind": arrays.codes(standing.owner.kind.value for standing in standings),
        "owner_code": arrays.codes(standing.owner.code for standing in standings),
        "assignee": arrays.codes(standing.assignee for standing in standings),
        "cancellation_reason": arrays.codes(standing.cancellation_reason for standing in standings),
        "in_progress_at": arrays.moments(standing.in_progress_at for standing in standings),
        "ended_at": arrays.moments(standing.ended_at for standing in standings),
        "note_id": arrays.uuids(task.note_id for task in tasks),
        "firing_id": arrays.uuids(task.firing_id for task in tasks),
    }


def last_changes(tx: Transaction, tasks: Collection[Task]) -> dict[UUID, dict[str, Any]]:
    """What the last change of each of these tasks was, as its history has it."""
    rows = tx.rows(
        "select task_id, changes from unnest(%b, %b) as w (task_id, revision) join history using (task_id, revision)",
        (arrays.uuids(task.id for task in tasks), arrays.big_ints(task.revision for task in tasks)),
    )
    return {row[0]: row[1] for row in rows}


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


def follow_ups_of_contacts(tx: Transaction, contacts: Iterable[UUID]) -> list[Task]:
    """Follow-ups of these contacts that belong to no case, locked."""
    rows = tx.rows(
        f"""select {TASK_COLUMNS} from tasks where case_id is null and customer ->> 'contact_id' = any(%b)
            order by id for update""",
        (arrays.texts(sorted(map(str, contacts))),),
    )
    return [task_of(row) for row in rows]


def forget_texts(tx: Transaction, task_ids: Collection[UUID]) -> None:
    """Take what staff wrote from the histories of these tasks, and from the answers that are kept for repeated commands."""
    if not task_ids:
        return
    ids = {"ids": arrays.uuids(sorted(task_ids)), "written": arrays.texts(("subject_line", "description", "reason", "customer"))}
    tx.execute("update history set changes = changes - %(written)b::text[] where task_id = any(%(ids)b)", ids)
    tx.execute(
        """update commands set response = jsonb_set(response, '{content}', jsonb_build_object('id', response -> 'content' -> 'id'))
           where response -> 'content' ->> 'id' in (select id::text from unnest(%(ids)b::uuid[]) as t (id))""",
        ids,
    )


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
    id, revision, number, title, subject, unit, owner, state, customer, config_version, plan_revision, planned_at, kind = row
    known = customer_of(customer)
    return Case(id, revision, number, title, subject, unit, owner, state, known, config_version, plan_revision, planned_at, kind)


def task_of(row: Row) -> Task:
    """The task in a row of `TASK_COLUMNS`."""
    state, status, owner_kind, owner_code, assignee, cancellation_reason, in_progress_at, ended_at, note_id, firing_id = row[16:26]
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
        note_id,
        firing_id,
    )
