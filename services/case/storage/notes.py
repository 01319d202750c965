"""Notes on records, and the history of records other than cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.case.domain.notes import Note, RecordEntry, RecordKind
from services.case.storage.records import insert
from shared.storage import Transaction


def add(tx: Transaction, notes: Sequence[Note]) -> None:
    """Keep these notes."""
    insert(tx, "notes", notes)


def of_record(tx: Transaction, kind: RecordKind, record_id: UUID, limit: int, after: Sequence[Any] | None = None) -> list[dict[str, Any]]:
    """The notes on a record, the newest first; `after`: time and id of the last one seen."""
    return of_records(tx, kind, [record_id], limit, after)


def of_records(
    tx: Transaction, kind: RecordKind, record_ids: Sequence[UUID], limit: int, after: Sequence[Any] | None = None
) -> list[dict[str, Any]]:
    """The notes on these records of one kind, as `of_record` gives those of one."""
    seen = "and (written_at, id) < (%(at)s::timestamptz, %(id)s::uuid)" if after else ""
    at, id = after or (None, None)
    return tx.dicts(
        f"""select id, text, author, written_at from notes where kind = %(kind)s and record_id = any(%(records)s) {seen}
            order by written_at desc, id desc limit {int(limit)}""",
        {"kind": kind.value, "records": list(record_ids), "at": at, "id": id},
    )


def add_history(tx: Transaction, entries: Sequence[RecordEntry]) -> None:
    """Append to the history of records, in this order."""
    insert(tx, "record_history", entries)


def history_of(tx: Transaction, kind: RecordKind, record_id: UUID, after: int, limit: int) -> list[dict[str, Any]]:
    """The history of a record, the oldest first, after the entry with this id."""
    return tx.dicts(
        """select id, revision, field, old_value as old, new_value as new, changed_by as "by", changed_at as at
           from record_history where kind = %s and record_id = %s and id > %s order by id limit %s""",
        (kind.value, record_id, after, limit),
    )
