"""Merges and splits of cases, with all that their undoing needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.case.domain.life_cycle import LifeCycle
from services.case.domain.merging import Merge, Standing
from services.case.domain.splitting import Split, Traces
from shared.storage import Transaction

_HELD = "select exists (select from cases where id = %s and legal_hold)"
_SHARE = """insert into case_communications (communication_id, case_id, position)
           select l.communication_id, %(to)s,
                  (select max(position) from case_communications a where a.communication_id = l.communication_id) + 1
           from case_communications l where l.case_id = %(from)s
           on conflict (communication_id, case_id) do nothing
           returning communication_id"""


def is_held(tx: Transaction, case_id: UUID) -> bool:
    """Whether the case is on legal hold."""
    row = tx.row(_HELD, (case_id,))
    return bool(row and row[0])


def communications_of(tx: Transaction, case_id: UUID) -> dict[UUID, UUID]:
    """The communications that feed a case, each with its conversation."""
    return {
        row[0]: row[1]
        for row in tx.rows(
            """select c.id, c.conversation_id from case_communications l join communications c on c.id = l.communication_id
               where l.case_id = %s""",
            (case_id,),
        )
    }


def share(tx: Transaction, case_id: UUID, with_id: UUID) -> tuple[UUID, ...]:
    """Let the communications of a case feed another one too; those that it did not have before."""
    return tuple(sorted(row[0] for row in tx.rows(_SHARE, {"from": case_id, "to": with_id})))


def add_merge(tx: Transaction, merge: Merge) -> None:
    """Keep a merge."""
    tx.execute(
        """insert into case_merges (id, case_id, into_id, reason, before, linked, open_tasks, merged_by, merged_at)
           values (%s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s)""",
        (
            merge.id,
            merge.case_id,
            merge.into_id,
            merge.reason,
            orjson.dumps(merge.before._asdict()).decode(),
            list(merge.linked),
            list(merge.open_tasks),
            merge.merged_by,
            merge.merged_at,
        ),
    )


def merge_with(tx: Transaction, merge_id: UUID) -> Merge | None:
    """The merge with this id."""
    row = tx.row(
        "select id, case_id, into_id, reason, before, linked, open_tasks, merged_by, merged_at, undone_at from case_merges where id = %s",
        (merge_id,),
    )
    if row is None:
        return None
    return Merge(row[0], row[1], row[2], row[3], _standing(row[4]), tuple(row[5]), tuple(row[6]), row[7], row[8], row[9])


def _standing(kept: dict[str, Any]) -> Standing:
    at = kept["completed_at"]
    return Standing(**(kept | {"state": LifeCycle(kept["state"]), "completed_at": datetime.fromisoformat(at) if at else None}))


def undo_merge(tx: Transaction, merge: Merge, by: str, at: datetime) -> None:
    """Take from the survivor what the merge gave it, and keep that this was done.

    The case's tasks count as open at once, before the task service says so: completion waits for them (CASE-8).
    """
    tx.execute("update case_tasks set is_open = true where task_id = any(%s)", (list(merge.open_tasks),))
    tx.execute("delete from case_communications where case_id = %s and communication_id = any(%s)", (merge.into_id, list(merge.linked)))
    tx.execute("update case_merges set undone_by = %s, undone_at = %s where id = %s", (by, at, merge.id))


def open_tasks(tx: Transaction, case_id: UUID) -> tuple[UUID, ...]:
    """The tasks of a case that are not done, as far as they are known here."""
    rows = tx.rows(
        """select task_id from (
               select unnest(task_ids) as task_id from case_plans where case_id = %(case)s
               union select task_id from case_tasks where case_id = %(case)s) as named
           left join case_tasks t using (task_id) where t.is_open is not false order by 1""",
        {"case": case_id},
    )
    return tuple(row[0] for row in rows)


def is_split_since(tx: Transaction, merge: Merge) -> bool:
    """Whether something that the merge gave the survivor was split off it since, and not brought back."""
    row = tx.row(
        """select exists (select from unnest(%s::uuid[]) as w (id)
                          where not exists (select from case_communications where communication_id = w.id and case_id = %s))""",
        (list(merge.linked), merge.into_id),
    )
    return bool(row and row[0])


def has_children(tx: Transaction, case_id: UUID) -> bool:
    """Whether the case is a major case."""
    row = tx.row("select exists (select from cases where parent_id = %s)", (case_id,))
    return bool(row and row[0])


def joined_conversations(tx: Transaction, case_id: UUID, conversations: Sequence[UUID]) -> set[UUID]:
    """Which of these conversations the case has joined."""
    rows = tx.rows(
        "select conversation_id from joined_conversations where case_id = %s and conversation_id = any(%s)", (case_id, list(conversations))
    )
    return {row[0] for row in rows}


def add_split(tx: Transaction, split: Split, communications: Sequence[UUID]) -> None:
    """Keep a split, and take its communications and conversations from the old case."""
    tx.execute(
        """insert into case_splits (id, case_id, new_id, reason, left_conversations, split_by, split_at)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        (split.id, split.case_id, split.new_id, split.reason, list(split.left_conversations), split.split_by, split.split_at),
    )
    tx.execute(
        """with gone as (delete from case_communications where case_id = %s and communication_id = any(%s) returning *)
           insert into moved_communications (communication_id, case_id, position, split_id)
           select communication_id, case_id, position, %s from gone""",
        (split.case_id, list(communications), split.id),
    )
    tx.execute(
        "delete from joined_conversations where case_id = %s and conversation_id = any(%s)", (split.case_id, list(split.left_conversations))
    )


def split_with(tx: Transaction, split_id: UUID) -> Split | None:
    """The split with this id."""
    row = tx.row(
        "select id, case_id, new_id, reason, left_conversations, split_by, split_at, undone_at from case_splits where id = %s", (split_id,)
    )
    if row is None:
        return None
    return Split(row[0], row[1], row[2], row[3], tuple(row[4]), row[5], row[6], row[7])


def moved_by(tx: Transaction, split_id: UUID) -> list[UUID]:
    """The communications that a split moved."""
    return [row[0] for row in tx.rows("select communication_id from moved_communications where split_id = %s order by 1", (split_id,))]


def traces_of(tx: Transaction, case_id: UUID) -> Traces:
    """What refers to a case that was split off."""
    row = tx.row(
        """select (select count(*) from notes where kind = 'case' and record_id = %(id)s),
                  (select count(*) from case_links where case_id = %(id)s or other_id = %(id)s),
                  (select count(*) from cases where parent_id = %(id)s),
                  (select count(*) from case_merges where into_id = %(id)s and undone_at is null),
                  (select count(*) from case_splits where case_id = %(id)s and undone_at is null),
                  (select count(*) from case_tasks where case_id = %(id)s),
                  (select count(*) from case_merges where case_id = %(id)s and undone_at is not null),
                  (select count(distinct revision) from history where case_id = %(id)s and field = 'customer_updated_at' and revision > 1),
                  exists (select from cases where id = %(id)s and legal_hold)""",
        {"id": case_id},
    )
    assert row is not None  # noqa: S101 - it counts
    return Traces(*row)


def undo_split(tx: Transaction, split: Split, by: str, at: datetime) -> tuple[UUID, ...]:
    """Give the old case back what the split took, and what came to the new case since; all of these."""
    moved = moved_by(tx, split.id)
    tx.execute("delete from case_communications where case_id = %s and communication_id = any(%s)", (split.new_id, moved))
    tx.execute(
        """with back as (delete from moved_communications where split_id = %s returning communication_id, case_id, position)
           insert into case_communications (communication_id, case_id, position) select * from back
           on conflict (communication_id, case_id) do update set position = excluded.position""",
        (split.id,),
    )
    tx.execute(
        """delete from joined_conversations j where j.case_id = %(new)s
             and conversation_id in (select conversation_id from communications where id = any(%(moved)s))""",
        {"new": split.new_id, "moved": moved},
    )
    tx.execute(
        "insert into joined_conversations (conversation_id, case_id) select unnest(%s::uuid[]), %s on conflict do nothing",
        (list(split.left_conversations), split.case_id),
    )
    tx.execute("update case_splits set undone_by = %s, undone_at = %s where id = %s", (by, at, split.id))
    return (*moved, *share(tx, split.new_id, split.case_id))
