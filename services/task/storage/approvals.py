"""Approvals as commands, gates, reminders and lists need them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.task.domain.approvals import Approval, ApprovalState, Before
from shared.storage import Transaction, arrays
from shared.storage.database import Row

COLUMNS = ", ".join(field.name for field in fields(Approval))


@dataclass(frozen=True, slots=True)
class ApprovalChange:
    """One entry of an approval's history: `changes` has the old and the new value of each field."""

    approval_id: UUID
    revision: int
    at: datetime
    changed_by: str
    event: str
    changes: dict[str, tuple[object, object]]
    note: str = ""


class Withdrawn(NamedTuple):
    """An approval that was withdrawn, and what that changed: the old and the new value of each field."""

    approval: Approval
    changes: dict[str, tuple[object, object]]


class About(NamedTuple):
    """The case and the task that an approval is about; empty: there is none."""

    case_number: str
    case_title: str
    subject_line: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which approvals are asked for; None: whatever."""

    approver: str | None = None
    asked_by: str | None = None
    case_id: UUID | None = None
    task_id: UUID | None = None
    state: str | None = None


def get(tx: Transaction, id: UUID) -> Approval | None:
    """One approval, to look at."""
    row = tx.row(f"select {COLUMNS} from approvals where id = %s", (id,))
    return None if row is None else _approval(row)


def lock(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, Approval]:
    """These approvals, locked in the order of their ids; the locks of their cases, or tasks without one, are held."""
    rows = tx.rows(f"select {COLUMNS} from approvals where id = any(%b) order by id for update", (arrays.uuids(ids),))
    return {row[0]: _approval(row) for row in rows}


def lock_of_task(tx: Transaction, task_id: UUID) -> dict[UUID, Approval]:
    """All approvals of a task whose case's lock is held, locked too."""
    rows = tx.rows(f"select {COLUMNS} from approvals where task_id = %s order by id for update", (task_id,))
    return {row[0]: _approval(row) for row in rows}


def lock_blocking(tx: Transaction, tasks: Iterable[UUID], cases: Iterable[UUID]) -> list[Approval]:
    """What still blocks these tasks, or something in these cases; locked."""
    rows = tx.rows(
        f"""select {COLUMNS} from approvals where id in (
                select id from approvals where task_id = any(%b) and state in ('asked', 'declined')
                union all select id from approvals where case_id = any(%b) and state in ('asked', 'declined'))
            order by id for update""",
        (arrays.uuids(tasks), arrays.uuids(cases)),
    )
    return [_approval(row) for row in rows]


def lock_withdrawn(tx: Transaction, cases: Collection[UUID], why: str) -> dict[UUID, Withdrawn]:
    """What was withdrawn in these cases with this comment, locked."""
    rows = tx.rows(
        f"""select {COLUMNS}, (select changes from approval_history h where h.approval_id = id and h.revision = approvals.revision)
            from approvals where case_id = any(%b) and state = 'withdrawn' and comment = %s and decided_by = 'system'
            order by id for update""",
        (arrays.uuids(cases), why),
    )
    return {row[0]: Withdrawn(_approval(row[:-1]), row[-1]) for row in rows}


def lock_due(tx: Transaction, now: datetime, most: int) -> list[Approval]:
    """Up to `most` approvals whose approvers are to be reminded, but for those that somebody is at just now."""
    rows = tx.rows(
        f"select {COLUMNS} from approvals where remind_at <= %s order by remind_at limit %s for update skip locked",
        (now, most),
    )
    return [_approval(row) for row in rows]


def save(tx: Transaction, approvals: Collection[Approval], history: Collection[ApprovalChange]) -> None:
    """Insert or overwrite; append."""
    if approvals:
        columns = {
            "id": arrays.uuids(each.id for each in approvals),
            "case_id": arrays.uuids(each.case_id for each in approvals),
            "task_id": arrays.uuids(each.task_id for each in approvals),
            "definition": arrays.texts(each.definition for each in approvals),
            "config_version": arrays.ints(each.config_version for each in approvals),
            "revision": arrays.big_ints(each.revision for each in approvals),
            "before": arrays.texts(each.before for each in approvals),
            "what": arrays.texts(each.what for each in approvals),
            "approver": arrays.texts(each.approver for each in approvals),
            "asked_by": arrays.texts(each.asked_by for each in approvals),
            "asked_at": arrays.moments(each.asked_at for each in approvals),
            "held_since": arrays.moments(each.held_since for each in approvals),
            "state": arrays.texts(each.state for each in approvals),
            "decided_by": arrays.texts(each.decided_by for each in approvals),
            "decided_at": arrays.moments(each.decided_at for each in approvals),
            "comment": arrays.texts(each.comment for each in approvals),
            "delegated_from": arrays.texts(each.delegated_from for each in approvals),
            "remind_every": arrays.texts(each.remind_every for each in approvals),
            "remind_times": arrays.ints(each.remind_times for each in approvals),
            "reminders": arrays.ints(each.reminders for each in approvals),
            "remind_at": arrays.moments(each.remind_at for each in approvals),
            "links_revoked_at": arrays.moments(each.links_revoked_at for each in approvals),
        }
        fixed = ("id", "case_id", "task_id", "definition", "config_version", "before", "what", "remind_every", "remind_times")
        again = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in fixed)
        arrays.insert(tx, "approvals", columns, f"on conflict (id) do update set {again}")
    if history:
        entries = {
            "approval_id": arrays.uuids(each.approval_id for each in history),
            "revision": arrays.big_ints(each.revision for each in history),
            "at": arrays.moments(each.at for each in history),
            "changed_by": arrays.texts(each.changed_by for each in history),
            "event": arrays.texts(each.event for each in history),
            "changes": arrays.documents(orjson.dumps(each.changes) for each in history),
            "note": arrays.texts(each.note for each in history),
        }
        arrays.insert(tx, "approval_history", entries)


def forget_texts(tx: Transaction, cases: Collection[UUID], tasks: Collection[UUID], erased: str) -> None:
    """Take what staff wrote from the approvals of these cases and tasks, their histories, and the answers kept for repeated commands."""
    ids = [
        row[0]
        for row in tx.rows(
            """select id from approvals where case_id = any(%b) union select id from approvals where task_id = any(%b) order by 1""",
            (arrays.uuids(cases), arrays.uuids(tasks)),
        )
    ]
    if not ids:
        return
    tx.execute(
        "update approvals set what = %s, comment = case comment when '' then '' else %s end where id = any(%s)",
        (erased, erased, ids),
    )
    tx.execute("update approval_history set note = '', changes = changes - 'comment' where approval_id = any(%s)", (ids,))
    tx.execute(
        """update commands set response = jsonb_set(response, '{content}', jsonb_build_object('id', response -> 'content' -> 'id'))
           where response -> 'content' ->> 'id' = any(%s)""",
        ([str(id) for id in ids],),
    )


def of_list(tx: Transaction, wanted: Wanted, limit: int, after: tuple[datetime, UUID] | None) -> list[Approval]:
    """Up to `limit` approvals, the oldest first, after this place."""
    conditions: list[str] = []
    values: dict[str, Any] = {"limit": limit}
    for name in ("approver", "asked_by", "case_id", "task_id", "state"):
        value = getattr(wanted, name)
        if value is not None:
            # Written out, so that the planner sees what the partial indexes hold.
            conditions.append("state = 'asked'" if value == ApprovalState.ASKED.value else f"{name} = %({name})s")
            values[name] = value
    if wanted.asked_by is not None:
        conditions.append("asked_by <> 'system'")
    if after is not None:
        conditions.append("(asked_at, id) > (%(at)s, %(after)s)")
        values |= {"at": after[0], "after": after[1]}
    rows = tx.rows(f"select {COLUMNS} from approvals where {' and '.join(conditions)} order by asked_at, id limit %(limit)s", values)
    return [_approval(row) for row in rows]


def about(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, About]:
    """What these approvals are about."""
    rows = tx.rows(
        """select approvals.id, coalesce(cases.number, ''), coalesce(cases.title, ''), coalesce(tasks.subject_line, '')
           from approvals left join cases on cases.id = approvals.case_id left join tasks on tasks.id = approvals.task_id
           where approvals.id = any(%b)""",
        (arrays.uuids(ids),),
    )
    return {id: About(*names) for id, *names in rows}


def waiting(tx: Transaction, approver: str, most: int) -> int:
    """How many approvals wait for this approver, counted up to `most`."""
    query = "select count(*) from (select from approvals where approver = %s and state = 'asked' limit %s) as counted"
    row = tx.row(query, (approver, most))
    return int(row[0]) if row else 0


def history_of(tx: Transaction, id: UUID) -> Sequence[Row]:
    """(revision, at, changed by, event, changes, note), the oldest first."""
    return tx.rows("select revision, at, changed_by, event, changes, note from approval_history where approval_id = %s order by 1", (id,))


def _approval(row: Row) -> Approval:
    values = dict(zip((field.name for field in fields(Approval)), row, strict=True))
    return Approval(**values | {"before": Before(values["before"]), "state": ApprovalState(values["state"])})
