"""Feeds of calendar programs: whose they are and what they show. Of a token only its digest is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.task.domain.task import Task
from services.task.storage.repository import TASK_COLUMNS, task_of
from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed. `kind` `tasks`: of its maker's; `resources`: of the resource with this code."""

    id: UUID
    kind: str
    code: str
    made_by: str
    made_at: datetime


def replace(tx: Transaction, feed: Feed, digest: bytes) -> None:
    """Make a feed; its maker's earlier one of the same things ends, and so does its token."""
    tx.execute(
        """insert into feeds (id, token_digest, kind, code, made_by, made_at) values (%s, %s, %s, %s, %s, %s)
           on conflict (made_by, kind, code) do update
           set id = excluded.id, token_digest = excluded.token_digest, made_at = excluded.made_at""",
        (feed.id, digest, feed.kind, feed.code, feed.made_by, feed.made_at),
    )


def of_token(tx: Transaction, kind: str, digest: bytes) -> Feed | None:
    """The feed that this token opens."""
    row = tx.row("select id, kind, code, made_by, made_at from feeds where token_digest = %s and kind = %s", (digest, kind))
    return None if row is None else Feed(*row)


def made_by(tx: Transaction, user: str) -> list[Feed]:
    """The user's feeds."""
    rows = tx.rows("select id, kind, code, made_by, made_at from feeds where made_by = %s order by kind, code", (user,))
    return [Feed(*row) for row in rows]


def revoke(tx: Transaction, feed_id: UUID, user: str) -> bool:
    """End the user's feed; whether there was one."""
    return tx.row("delete from feeds where id = %s and made_by = %s returning 1", (feed_id, user)) is not None


def due_tasks(tx: Transaction, user: str, limit: int) -> list[tuple[Task, str]]:
    """Open tasks that the user has, those due first, each with its case's number."""
    columns = ", ".join(f"t.{name.strip()}" for name in TASK_COLUMNS.split(","))
    rows = tx.rows(
        f"""select coalesce(c.number, ''), {columns} from tasks t left join cases c on c.id = t.case_id
            where t.assignee = %s and t.state in ('pending', 'in_progress') and t.due_at is not null
            order by coalesce(t.due_at, 'infinity'), t.id limit %s""",
        (user, limit),
    )
    return [(task_of(row[1:]), row[0]) for row in rows]


def subjects_of(tx: Transaction, bookings: list[tuple[UUID | None, UUID | None]]) -> dict[UUID, str]:
    """What bookings for these (task, case) are about: number of the case and subject line of the task, by the task's or the case's id."""
    rows = tx.rows(
        """select t.id, concat_ws(' ', nullif(c.number, ''), t.subject_line) from tasks t left join cases c on c.id = t.case_id
           where t.id = any(%s)
           union all select id, number from cases where id = any(%s)""",
        ([task for task, _ in bookings if task], [case for _, case in bookings if case]),
    )
    return {row[0]: row[1] for row in rows}
