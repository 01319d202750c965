"""The read model of items: one row for each, with its record as the changelog has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.sla.domain.records import ItemKind
from services.sla.storage.reach import Reach
from shared.storage import Transaction, arrays


class Row(NamedTuple):
    """An item's row. What a finished item's record does not have any more is None, and stays as it was."""

    item_id: UUID
    item_kind: int
    case_id: UUID | None
    number: str | None
    title: str | None
    unit: str
    assignee: str
    open_clocks: int
    finished_at: int | None
    """Microseconds since 1970-01-01 UTC."""
    record: bytes


class Found(NamedTuple):
    """An item as it is kept."""

    item_id: UUID
    item_kind: int
    case_id: UUID | None
    number: str
    title: str
    unit: str
    assignee: str
    record: bytes


FOUND = "i.item_id, i.item_kind, i.case_id, coalesce(i.number, ''), coalesce(i.title, ''), i.unit, i.assignee, i.record"
"""The columns of `Found`, of items `i`."""

# What is told of an item after its end may be that its title was erased: the record does not say, so the title goes.
_REPLACE = """on conflict (item_id) do update set
    case_id = coalesce(excluded.case_id, items.case_id),
    number = coalesce(excluded.number, items.number),
    title = case when excluded.number is not null then excluded.title when items.finished_at is null then items.title else '' end,
    unit = case when excluded.number is null then items.unit else excluded.unit end,
    assignee = case when excluded.number is null then items.assignee else excluded.assignee end,
    open_clocks = excluded.open_clocks, finished_at = excluded.finished_at, record = excluded.record"""


def write(tx: Transaction, rows: Sequence[Row]) -> None:
    """Insert or replace rows, each item once, in their order."""
    if not rows:
        return
    ids, kinds, cases, numbers, titles, units, assignees, open_clocks, finished, records = zip(*rows, strict=True)
    columns = {
        "item_id": arrays.uuids(ids),
        "item_kind": arrays.small_ints(kinds),
        "case_id": arrays.uuids(cases),
        "number": arrays.texts(numbers),
        "title": arrays.texts(titles),
        "unit": arrays.codes(units),
        "assignee": arrays.codes(assignees),
        "open_clocks": arrays.ints(open_clocks),
        "finished_at": arrays.moments_of_micros(finished),
        "record": arrays.blobs(records),
    }
    arrays.insert(tx, "items", columns, _REPLACE)


def forget(tx: Transaction, items: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """The stream has forgotten these items: of those that had ended what reports need stays, without what customers wrote.

    Communications go, and what had not ended; gives the ids and kinds of these: their clocks are to go too.
    """
    if not items:
        return []
    given = arrays.uuids(items)
    gone = tx.rows(
        "delete from items where item_id = any(%b) and (item_kind = %s or finished_at is null) returning item_id, item_kind",
        (given, int(ItemKind.COMMUNICATION)),
    )
    tx.execute("update items set title = '' where item_id = any(%b) and title <> ''", (given,))
    return [(item, kind) for item, kind in gone]


def purge(tx: Transaction, before: datetime, after: UUID, count: int) -> tuple[UUID | None, list[tuple[UUID, int]]]:
    """Of the `count` items behind the one with this id, delete those that were finished before then.

    Gives the last one's id (None: there are no more), and the ids and kinds of those that are deleted: their clocks are to go too.
    """
    ids = [item for (item,) in tx.rows("select item_id from items where item_id > %s order by item_id limit %s", (after, count))]
    if not ids:
        return None, []
    gone = tx.rows(
        "delete from items where item_id > %s and item_id <= %s and finished_at < %s returning item_id, item_kind", (after, ids[-1], before)
    )
    return ids[-1], [(item, kind) for item, kind in gone]


def around(tx: Transaction, item: UUID, reach: Reach) -> list[Found]:
    """The row of a case, task, communication or lead; of a case, those of its tasks and communications too."""
    condition, params = reach.condition()
    rows = tx.rows(
        f"select {FOUND} from items i where (item_id = %s or case_id = %s) and {condition} order by item_id", [item, item, *params]
    )
    return [Found(*row) for row in rows]


def of(tx: Transaction, id: UUID, reach: Reach) -> Found | None:
    """The row of the item with this id, or with the clock of this id."""
    condition, params = reach.condition()
    row = tx.row(
        f"""select {FOUND} from items i
            where item_id = coalesce((select item_id from clocks where clock_id = %s), %s) and {condition}""",
        [id, id, *params],
    )
    return None if row is None else Found(*row)


def with_number(tx: Transaction, number: str, reach: Reach) -> Found | None:
    """The row of the case or lead with this number. Tasks have their case's."""
    condition, params = reach.condition()
    # The kinds are no parameters: only so is it seen that the index by number will do.
    kinds = f"{int(ItemKind.CASE)}, {int(ItemKind.LEAD)}"
    row = tx.row(f"select {FOUND} from items i where number = %s and item_kind in ({kinds}) and {condition} limit 1", [number, *params])
    return None if row is None else Found(*row)


def count_open(tx: Transaction) -> int:
    """How many clocks have not stopped for good."""
    row = tx.row("select coalesce(sum(open_clocks), 0) from items")
    return int(row[0]) if row else 0
