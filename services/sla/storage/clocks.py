"""The read model of clocks: a row for each, written beside its item's, and found by item or by id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.sla.storage import items
from shared.storage import Transaction, arrays


class Row(NamedTuple):
    """A clock's row. Moments and spans are microseconds; texts are None where the record knows them no more."""

    clock_id: bytes
    item_id: UUID
    kind: int
    item_kind: int
    unit: str | None
    assignee: str | None
    priority: str | None
    method: str | None
    subject: str | None
    started_at: int
    soon_at: int | None
    due_at: int
    suspended_at: int | None
    closed_at: int | None
    outcome: str
    notice: int
    rung: int
    budget: int
    used: int | None
    suspended: int
    target: str


_KEPT = ("unit", "assignee", "priority", "method", "subject")
"""What a finished item's record does not have any more."""
_CHANGING = (
    *("started_at", "soon_at", "due_at", "suspended_at", "closed_at", "outcome", "notice", "rung", "budget", "used", "suspended", "target"),
)
_SET = ", ".join((*_KEPT, *_CHANGING))
_SAME = ", ".join([f"clocks.{name}" for name in (*_KEPT, *_CHANGING)])
_WANTED = ", ".join([*(f"coalesce(excluded.{name}, clocks.{name})" for name in _KEPT), *(f"excluded.{name}" for name in _CHANGING)])
# Most events change one clock of an item, or none: the others' rows are not written again.
_REPLACE = f"on conflict (clock_id) do update set ({_SET}) = row({_WANTED}) where ({_SAME}) is distinct from ({_WANTED})"


def write(tx: Transaction, rows: Sequence[Row], gone: Sequence[bytes]) -> None:
    """Insert or replace rows, in their order; delete those with the ids `gone`, where there are any."""
    if rows:
        ids, item_ids, kinds, item_kinds, units, assignees, priorities, methods, subjects, *rest = zip(*rows, strict=True)
        started, soon, due, suspended_at, closed, outcomes, notices, rungs, budgets, used, suspended, targets = rest
        columns = {
            "clock_id": arrays.uuid_bytes(ids),
            "item_id": arrays.uuids(item_ids),
            "kind": arrays.small_ints(kinds),
            "item_kind": arrays.small_ints(item_kinds),
            "unit": arrays.codes(units),
            "assignee": arrays.codes(assignees),
            "priority": arrays.codes(priorities),
            "method": arrays.codes(methods),
            "subject": arrays.codes(subjects),
            "started_at": arrays.moments_of_micros(started),
            "soon_at": arrays.moments_of_micros(soon),
            "due_at": arrays.moments_of_micros(due),
            "suspended_at": arrays.moments_of_micros(suspended_at),
            "closed_at": arrays.moments_of_micros(closed),
            "outcome": arrays.codes(outcomes),
            "notice": arrays.small_ints(notices),
            "rung": arrays.small_ints(rungs),
            "budget": arrays.big_ints(budgets),
            "used": arrays.big_ints(used),
            "suspended": arrays.big_ints(suspended),
            "target": arrays.codes(targets),
        }
        arrays.insert(tx, "clocks", columns, _REPLACE)
    if gone:
        tx.execute("delete from clocks where clock_id = any(%b)", (arrays.uuid_bytes(gone),))


def keep_runs(tx: Transaction, begun: Sequence[tuple[bytes, int]]) -> None:
    """Of clocks that begin anew: keep the run that has ended for reports, where the one that is to be written began later.

    `begun`: ids, and since when they run, in microseconds. To be called before `write`.
    """
    if not begun:
        return
    ids, started = zip(*begun, strict=True)
    tx.execute(
        f"""insert into clocks (clock_id, item_id, kind, item_kind, {", ".join(_KEPT)}, started_at, soon_at, due_at, closed_at, outcome,
                                notice, rung, budget, suspended, target)
            select md5(c.clock_id::text || extract(epoch from c.started_at)::text)::uuid, c.item_id, c.kind, c.item_kind,
                   {", ".join(f"c.{name}" for name in _KEPT)}, c.started_at, c.soon_at, c.due_at, given.started_at,
                   case when least(c.suspended_at, given.started_at) <= c.due_at then 'met' else 'missed' end,
                   c.notice, {_PAST}, c.budget, 0, c.target
            from unnest(%b::uuid[], %b::timestamptz[]) given(clock_id, started_at) join clocks c using (clock_id)
            where c.closed_at is null and c.started_at < given.started_at
            on conflict do nothing""",
        (arrays.uuid_bytes(ids), arrays.moments_of_micros(started)),
    )


def purge_runs(tx: Transaction, before: datetime) -> None:
    """Delete runs that ended before then."""
    tx.execute(f"delete from clocks where closed_at < %s and kind not in (5, 6) and rung = {_PAST}", (before,))


_PAST = -1
"""The rung of a run that has ended, kept beside its clock."""


class Found(NamedTuple):
    """A clock as it is kept, with its item's record."""

    clock_id: UUID
    kind: int
    due_at: datetime
    priority: str
    method: str
    subject: str
    outcome: str
    target: str
    item: items.Found


FOUND = ", ".join(
    [
        *("c.clock_id", "c.kind", "c.due_at", "coalesce(c.priority, '')", "coalesce(c.method, '')", "coalesce(c.subject, '')"),
        *("c.outcome", "c.target", items.FOUND),
    ]
)
"""The columns of `found`, of clocks `c` and items `i`."""


def found(row: Sequence[Any]) -> Found:
    """A row of these columns."""
    return Found._make((*row[:8], items.Found(*row[8:])))


def of_items(tx: Transaction, ids: Sequence[UUID]) -> list[Found]:
    """The clocks with these ids; whether the caller may see them has been asked before."""
    rows = tx.rows(
        f"select {FOUND} from clocks c join items i on i.item_id = c.item_id where c.clock_id = any(%b) order by c.item_id, c.kind",
        (arrays.uuids(ids),),
    )
    return [found(row) for row in rows]
