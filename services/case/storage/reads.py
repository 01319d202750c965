"""Who looked at what is sensitive (EDGE-17)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.storage import Transaction, arrays


def add(tx: Transaction, kind: str, record_id: UUID, reader: str, at: datetime) -> None:
    """Record that somebody looks at a record; `kind` is `case` or `communication`."""
    tx.execute("insert into reads (kind, record_id, reader, read_at) values (%s, %s, %s, %s)", (kind, record_id, reader, at))


def of_record(tx: Transaction, kind: str, record_id: UUID, limit: int, before: int | None = None) -> list[dict[str, Any]]:
    """Who looked at this record, the latest first; `before`: the id of the last one seen."""
    return tx.dicts(
        f"""select id, reader, read_at from reads where kind = %(kind)s and record_id = %(record)s
            and (%(before)s::bigint is null or id < %(before)s::bigint) order by id desc limit {int(limit)}""",
        {"kind": kind, "record": record_id, "before": before},
    )


def is_of_subjects(tx: Transaction, case_ids: Sequence[UUID], subjects: Collection[str]) -> bool:
    """Whether one of these cases has one of these subjects."""
    return bool(
        tx.rows(
            "select 1 from cases where id = any(%b) and subject = any(%b) limit 1", (arrays.uuids(case_ids), arrays.texts(sorted(subjects)))
        )
    )
