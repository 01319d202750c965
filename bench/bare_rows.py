"""The bare side of `casestream bench plan`: rows that are there already, inserted in the same batches and commits, and nothing decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from bench.pages import milliseconds
from services.task.storage.repository import CASE_COLUMNS, TASK_COLUMNS
from shared.schemas import topics
from shared.storage import Database, Transaction, arrays, offsets, outbox

WHERE = (topics.CASES, 0)
Encode = Callable[[Iterable[Any]], arrays.Array]
_ENCODERS: dict[str, Encode] = {
    "uuid": arrays.uuids,
    "text": arrays.texts,
    "int4": arrays.ints,
    "int8": arrays.big_ints,
    "timestamptz": arrays.moments,
    "jsonb": lambda values: arrays.documents(None if value is None else value.encode() for value in values),
}


class Kept(NamedTuple):
    """The rows of one batch, as values of Python; JSON as text."""

    cases: list[tuple[Any, ...]]
    tasks: list[tuple[Any, ...]]
    parcel: tuple[list[str], str]
    """The outbox's row: aggregates and events."""
    inbox: list[UUID]

    @classmethod
    def read(cls, tx: Transaction, cases: Sequence[str], parcel: tuple[list[str], str], event_ids: Sequence[bytes | None]) -> Kept:
        """What the handlers have written for these cases."""
        ids = [UUID(case) for case in cases]
        # In the order in which they were written, which is that of the heap.
        rows = {
            table: tx.rows(f"select {columns} from {table} where {key} = any(%s) order by ctid", (ids,))
            for table, columns, key in (("cases", CASE_COLUMNS, "id"), ("tasks", TASK_COLUMNS, "case_id"))
        }
        events = [UUID((event_id or b"").decode()) for event_id in event_ids]
        return cls(_with_json_as_text(rows["cases"]), _with_json_as_text(rows["tasks"]), parcel, sorted(events))


def _with_json_as_text(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(orjson.dumps(value).decode() if isinstance(value, dict) else value for value in row) for row in rows]


class Bare:
    """Inserts kept rows."""

    def __init__(self, database: Database, kept: Sequence[Kept]) -> None:
        self._database, self._kept = database, kept
        with database.read() as tx:
            types = tx.rows(
                """select attrelid::regclass::text, attname, typname from pg_attribute join pg_type on pg_type.oid = atttypid
                   where attrelid in ('cases'::regclass, 'tasks'::regclass) and attnum > 0 and not attisdropped"""
            )
        self._types = {(table, column): name for table, column, name in types}

    def inserted(self, emptied: Callable[[], None], *, by_copy: bool, whole: bool) -> float:
        """Seconds for all batches, after `emptied`. `whole`: with the rows of inbox, outbox and offsets."""
        emptied()

        def work() -> None:
            place = 0
            for batch in self._kept:
                with self._database.transaction() as tx:
                    if whole:
                        day = datetime.now(UTC).date()
                        tx.execute(
                            "insert into inbox (event_day, event_id) select %b, unnest(%b::uuid[])", (day, arrays.uuids(batch.inbox))
                        )
                    for table, columns, rows in (("cases", CASE_COLUMNS, batch.cases), ("tasks", TASK_COLUMNS, batch.tasks)):
                        if by_copy:
                            self._copy(tx, table, columns, rows)
                        else:
                            self._unnest(tx, table, columns, rows)
                    if whole:
                        aggregates, events = batch.parcel
                        insert = "insert into outbox (aggregates, events) values (%b, %b) returning sequence"
                        sequence = tx.rows(insert, (arrays.texts(aggregates), events))[0][0]
                        offsets.advance(tx, {WHERE: (place, place + len(batch.cases))})
                        place += len(batch.cases)
                if whole:
                    with self._database.transaction() as tx:
                        outbox.delete(tx, [sequence])

        return milliseconds(work) / 1000

    def _copy(self, tx: Transaction, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with tx.execute("select 1").copy(f"copy {table} ({columns}) from stdin".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def _unnest(self, tx: Transaction, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        names = columns.split(", ")
        given = {name: _ENCODERS[self._types[table, name]](column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        arrays.insert(tx, table, given)
