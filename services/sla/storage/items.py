"""The read model: one row for each item, with its record as the changelog has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from shared.storage import Transaction, arrays


class Row(NamedTuple):
    """An item's row."""

    item_id: UUID
    item_kind: int
    case_id: UUID | None
    unit: str
    assignee: str
    open_clocks: int
    clock_ids: list[str]
    """UUIDs as text: they are only written, and asked for."""
    record: bytes


class Reach(NamedTuple):
    """Whose rows a caller sees: all, or those of a unit or an assignee."""

    unit: str | None = None
    assignee: str | None = None

    def condition(self) -> tuple[str, list[str]]:
        """SQL and its parameters. An item without a unit (a communication) concerns everybody's unit."""
        if self.unit is not None:
            return "(unit in (%s, '') or assignee = %s)", [self.unit, self.assignee or ""]
        if self.assignee is not None:
            return "assignee = %s", [self.assignee]
        return "true", []


_COLUMNS = "item_id, item_kind, case_id, unit, assignee, open_clocks, clock_ids::text[], record"

_REPLACE = """on conflict (item_id) do update set
    case_id = coalesce(excluded.case_id, items.case_id),
    unit = case when excluded.unit = '' then items.unit else excluded.unit end,
    assignee = case when excluded.unit = '' then items.assignee else excluded.assignee end,
    open_clocks = excluded.open_clocks, clock_ids = excluded.clock_ids, record = excluded.record"""


def write(tx: Transaction, rows: Sequence[Row]) -> None:
    """Insert or replace rows, each item once, in their order. A finished item comes without unit and assignee, and keeps those it had."""
    if not rows:
        return
    ids, kinds, cases, units, assignees, open_clocks, clock_ids, records = zip(*rows, strict=True)
    columns = {
        "item_id": arrays.uuids(ids),
        "item_kind": arrays.small_ints(kinds),
        "case_id": arrays.uuids(cases),
        "unit": arrays.texts(units),
        "assignee": arrays.texts(assignees),
        "open_clocks": arrays.ints(open_clocks),
        "clock_ids": arrays.texts("{" + ",".join(each) + "}" for each in clock_ids),
        "record": arrays.blobs(records),
    }
    arrays.insert(tx, "items", columns, _REPLACE, {"clock_ids": "uuid[]"})


def forget(tx: Transaction, items: Sequence[UUID]) -> None:
    """Delete rows whose items the stream has forgotten."""
    if items:
        tx.execute("delete from items where item_id = any(%b)", (arrays.uuids(items),))


def of_item(tx: Transaction, item: UUID, reach: Reach) -> list[Row]:
    """The row of a case, task or communication; of a case, those of its tasks and communications too."""
    condition, params = reach.condition()
    rows = tx.rows(
        f"select {_COLUMNS} from items where (item_id = %s or case_id = %s) and {condition} order by item_id", [item, item, *params]
    )
    return [Row(*row) for row in rows]


def of_clock(tx: Transaction, clock: UUID, reach: Reach) -> Row | None:
    """The row of the item that this clock is on."""
    condition, params = reach.condition()
    row = tx.row(f"select {_COLUMNS} from items where clock_ids @> array[%s]::uuid[] and {condition}", [clock, *params])
    return None if row is None else Row(*row)


def count_open(tx: Transaction) -> int:
    """How many clocks have not stopped for good."""
    row = tx.row("select coalesce(sum(open_clocks), 0) from items")
    return int(row[0]) if row else 0
