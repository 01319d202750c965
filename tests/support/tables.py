"""Looking at a whole database: every row of every table, to see what a command changed and what it left alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from shared.storage import Database

MESSAGING = frozenset({"alembic_version", "inbox", "inbox_default", "offsets", "outbox"})
"""Tables of the event path itself, which hold no records."""


def tables_of(database: Database, without: Collection[str] = MESSAGING) -> list[str]:
    """The tables of the service's schema."""
    with database.read() as tx:
        rows = tx.rows(
            """select c.relname from pg_class c where c.relnamespace = current_schema()::regnamespace
               and c.relkind in ('r', 'p') and not c.relispartition order by c.relname"""
        )
    return [row[0] for row in rows if row[0] not in without]


def whole_of(database: Database, without: Collection[str] = MESSAGING) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, in the order of its text."""
    found = {}
    for table in tables_of(database, without):
        with database.read() as tx:
            found[table] = [row[0] for row in tx.rows(f'select to_jsonb(t) from "{table}" t order by t::text')]
    return found
