"""Loading many rows: without the indexes, which are made anew at the end."""

from __future__ import annotations

from collections.abc import Sequence

from shared.storage import Transaction


def without_indexes(tx: Transaction, tables: Sequence[str]) -> list[str]:
    """Drop the indexes of these tables, except those of constraints; the statements that make them again."""
    rows = tx.rows(
        """select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
           where indrelid = any(%s::text[]::regclass[]) and not exists (select from pg_constraint where conindid = indexrelid)""",
        (list(tables),),
    )
    for name, _ in rows:
        tx.execute(f"drop index {name}")
    return [definition for _, definition in rows]
