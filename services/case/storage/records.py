"""Writing many records in one statement: named tuples whose fields are named as the columns of their table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, NewType, get_type_hints
from uuid import UUID

from services.case.domain.leads.lead import LeadLifeCycle
from services.case.domain.life_cycle import LifeCycle, Stage
from shared.storage import Transaction, arrays
from shared.storage.arrays import Array

Document = NewType("Document", bytes)
"""JSON, in a column of type jsonb."""


class _Way(NamedTuple):
    """How a column's values go out, and the type they are cast to where PostgreSQL does not convert them by itself."""

    encode: Callable[[Sequence[Any]], Array]
    cast: str | None = None


def _uuid_lists(values: Sequence[Sequence[UUID]]) -> Array:
    return arrays.texts("{" + ",".join(map(str, value)) + "}" for value in values)


_WAYS: dict[Any, _Way] = {
    UUID: _Way(arrays.uuids),
    str: _Way(arrays.texts),
    LifeCycle: _Way(arrays.texts),
    Stage: _Way(arrays.texts),
    LeadLifeCycle: _Way(arrays.texts),
    int: _Way(arrays.big_ints),
    bool: _Way(arrays.bools),
    datetime: _Way(arrays.moments),
    Document: _Way(arrays.documents),
    tuple[str, ...]: _Way(arrays.arrays_text, "text[]"),
    tuple[UUID, ...]: _Way(_uuid_lists, "uuid[]"),
}
_WAYS |= {kind | None: way for kind, way in _WAYS.items()}


_known: dict[type[Any], dict[str, _Way]] = {}


def _ways(kind: type[Any]) -> dict[str, _Way]:
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = {name: _WAYS[hint] for name, hint in get_type_hints(kind).items()}
    return found


def columns_of(kind: type[Any]) -> tuple[str, ...]:
    """The columns that a record stands for: its fields, in order."""
    return tuple(_ways(kind))


def _arrays(records: Sequence[Any]) -> dict[str, Array]:
    ways = _ways(type(records[0]))
    return {name: way.encode(values) for (name, way), values in zip(ways.items(), zip(*records, strict=True), strict=True)}


def _casts(kind: type[Any]) -> dict[str, str]:
    return {name: way.cast for name, way in _ways(kind).items() if way.cast}


def insert(tx: Transaction, table: str, records: Sequence[Any], on_conflict: str = "") -> None:
    """Insert records of one type, in their order."""
    if records:
        arrays.insert(tx, table, _arrays(records), on_conflict, _casts(type(records[0])))


def update(tx: Transaction, table: str, records: Sequence[Any]) -> None:
    """Write whole rows again, by `id`."""
    if not records:
        return
    columns, casts = _arrays(records), _casts(type(records[0]))
    names = ", ".join(columns)
    given = ", ".join(f"%b::{column.type}[]" for column in columns.values())
    settings = ", ".join(f"{name} = new.{name}" + (f"::{casts[name]}" if name in casts else "") for name in columns if name != "id")
    tx.execute(f"update {table} as old set {settings} from unnest({given}) as new ({names}) where old.id = new.id", tuple(columns.values()))
