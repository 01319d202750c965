"""Writing many rows in one statement: as one JSON document, which PostgreSQL takes apart.

Measured against arrays and `unnest`, three times as fast for rows of this width (psycopg renders arrays element by element).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import orjson

from shared.storage import Transaction


def columns_of(kind: type[Any]) -> tuple[str, ...]:
    """The columns that a record's dataclass stands for: its fields, in order."""
    return tuple(field.name for field in fields(kind))


def insert(tx: Transaction, table: str, records: Sequence[Any], on_conflict: str = "") -> None:
    """Insert dataclass instances of one type, in their order; their fields are named as the columns of `table`."""
    if not records:
        return
    columns = ", ".join(columns_of(type(records[0])))
    tx.execute(
        f"insert into {table} ({columns}) select {columns} from json_populate_recordset(null::{table}, %s::json) {on_conflict}",
        (orjson.dumps(records).decode(),),
    )


def update(tx: Transaction, table: str, records: Sequence[Any]) -> None:
    """Write whole rows again, by `id`."""
    if not records:
        return
    columns = [column for column in columns_of(type(records[0])) if column != "id"]
    settings = ", ".join(f"{column} = new.{column}" for column in columns)
    tx.execute(
        f"update {table} as old set {settings} from json_populate_recordset(null::{table}, %s::json) as new where old.id = new.id",
        (orjson.dumps(records).decode(),),
    )
