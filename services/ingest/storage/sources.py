"""Leases on sources, and their cursors: each source is polled by one process at a time, and goes on where the last one stopped."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.storage import Transaction


class Claimed(NamedTuple):
    """A source that is ours for a while."""

    name: str
    cursor: Mapping[str, Any]
    read_at: datetime | None


def share(tx: Transaction, me: str, count: int, lease: timedelta) -> int:
    """Give a sign of life; how many of `count` sources each of the living pollers should hold."""
    tx.execute(
        "insert into pollers values (%s, now()) on conflict (name) do update set seen_at = excluded.seen_at",
        (me,),
    )
    tx.execute("delete from pollers where seen_at < now() - %s * 10", (lease,))
    row = tx.row("select count(*) from pollers where seen_at > now() - %s", (lease,))
    alive = int(row[0]) if row else 1
    return -(-count // max(1, alive))


def claim(tx: Transaction, me: str, names: Collection[str], most: int, lease: timedelta) -> list[Claimed]:
    """Take at most `most` of the sources `names` that nobody holds, or that were ours before a restart."""
    if not names or most <= 0:
        return []
    wanted = sorted(names)
    tx.execute("insert into sources (name) select unnest(%s::text[]) on conflict do nothing", (wanted,))
    rows = tx.rows(
        """update sources set holder = %s, lease_until = now() + %s where name in (
               select name from sources where name = any(%s) and (lease_until < now() or holder = %s)
               order by name limit %s for update skip locked)
           returning name, cursor, read_at""",
        (me, lease, wanted, me, most),
    )
    return [Claimed(*row) for row in rows]


def renew(tx: Transaction, me: str, names: Collection[str], lease: timedelta) -> set[str]:
    """Prolong our leases; those of `names` that are still ours. One that ran out and that nobody took is ours again."""
    rows = tx.rows(
        "update sources set lease_until = now() + %s where name = any(%s) and holder = %s returning name", (lease, sorted(names), me)
    )
    return {row[0] for row in rows}


def release(tx: Transaction, me: str, names: Sequence[str]) -> None:
    """Let others take `names` at once."""
    tx.execute("update sources set holder = '', lease_until = '-infinity' where name = any(%s) and holder = %s", (sorted(names), me))


def leave(tx: Transaction, me: str) -> None:
    """Release all that is ours; others share it without waiting for us."""
    tx.execute("update sources set holder = '', lease_until = '-infinity' where holder = %s", (me,))
    tx.execute("delete from pollers where name = %s", (me,))


def save(tx: Transaction, me: str, name: str, cursor: Mapping[str, Any], is_at_end: bool) -> bool:
    """Keep how far `name` was read. False: it is somebody else's by now, and nothing was changed."""
    row = tx.row(
        """update sources set cursor = %s::jsonb, read_at = case when %s then now() else read_at end
           where name = %s and holder = %s returning name""",
        (json.dumps(dict(cursor)), is_at_end, name, me),
    )
    return row is not None
