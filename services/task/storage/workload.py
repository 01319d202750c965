"""Who has how much to do, and what waits for somebody."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from shared.storage import Transaction


def held(tx: Transaction, users: Collection[str], now: datetime) -> dict[str, tuple[int, int]]:
    """(tasks that can be worked on, of these overdue) of each of these users who has any."""
    rows = tx.rows(
        """select assignee, count(*), count(*) filter (where due_at < %s) from tasks
           where assignee = any(%s) and state in ('pending', 'in_progress') group by assignee""",
        (now, list(users)),
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def waiting(tx: Transaction, units: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """How many tasks of these units can be worked on and are nobody's, by the role or unit that they are for."""
    rows = tx.rows(
        """select owner_kind, owner_code, count(*), count(*) filter (where due_at < %s) from tasks
           where state in ('pending', 'in_progress') and assignee is null and unit = any(%s) group by 1, 2 order by 1, 2""",
        (now, sorted(units)),
    )
    return [{"owner_kind": row[0], "owner": row[1], "open": row[2], "overdue": row[3]} for row in rows]
