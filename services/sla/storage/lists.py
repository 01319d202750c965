"""Lists of running clocks by when they are due, and how many there are: reads of indexes, a page at a time.

What is due soon follows from the time it is when somebody asks. The indexes hold running clocks by the class of their notice (the time
between due soon and due) and by due time: of each class those due within the longest notice of that class are read, of which at least a
quarter are due soon, were they spread evenly. A page is put together from the beginnings of all classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.sla.domain.standing import NOTICES, notice_seconds
from services.sla.storage.clocks import FOUND, Found, found
from services.sla.storage.reach import Reach
from shared.storage import Transaction, arrays

_CLASSES = "unnest(%b::int2[], %b::timestamptz[], %b::timestamptz[]) n(class, since, until)"
_IN_CLASS = "notice = n.class and due_at > n.since and due_at <= n.until"
_RUNNING = "closed_at is null and suspended_at is null and kind not in (5, 6)"


class Which(StrEnum):
    """The lists; each soonest due first."""

    UPCOMING = "upcoming"
    """Due later."""
    AT_RISK = "at-risk"
    """Due soon, and not yet due."""
    BREACHED = "breached"
    """Due, and still open."""


class Wanted(NamedTuple):
    """Which clocks; None filters nothing."""

    kind: int | None = None
    item_kind: int | None = None
    unit: str | None = None
    assignee: str | None = None
    subject: str | None = None
    method: str | None = None


class Place(NamedTuple):
    """Where a page ended."""

    due_at: datetime
    clock_id: UUID


def page(
    tx: Transaction, which: Which, wanted: Wanted, reach: Reach, now: datetime, until: datetime | None, after: Place | None, limit: int
) -> list[Found]:
    """The next `limit` clocks, those with the soonest due time first; `until`: due no later than then."""
    sql: list[str] = []
    params: list[Any] = []
    for condition, given in _branches(which, wanted, reach, now, until):
        place = "" if after is None else "and (due_at, clock_id) > (%s, %s)"
        sql.append(
            f"""(select c.* from {_CLASSES} cross join lateral
                (select * from clocks where {_RUNNING} and {_IN_CLASS} and {condition} {place}
                 order by due_at, clock_id limit %s) c order by due_at, clock_id limit %s)"""
        )
        params += [*_classes(which, now, until), *given, *(after or ()), limit, limit]
    rows = tx.rows(
        f"""select {FOUND} from ({" union all ".join(sql)}) c join items i on i.item_id = c.item_id
            order by c.due_at, c.clock_id limit %s""",
        [*params, limit],
    )
    return [found(row) for row in rows]


def count(tx: Transaction, which: Which, wanted: Wanted, reach: Reach, now: datetime, until: datetime | None = None) -> int:
    """How many there are."""
    total = 0
    for condition, given in _branches(which, wanted, reach, now, until):
        row = tx.row(
            f"""select coalesce(sum(c.n), 0)::bigint
                from {_CLASSES} cross join lateral
                (select count(*) as n from clocks
                 where {_RUNNING} and {_IN_CLASS} and {condition}) c""",
            [*_classes(which, now, until), *given],
        )
        total += int(row[0]) if row else 0
    return total


def count_by_kind(tx: Transaction, which: Which, now: datetime) -> dict[int, int]:
    """How many there are of each kind, everybody's."""
    [(condition, given)] = _branches(which, Wanted(), Reach(), now, None)
    rows = tx.rows(
        f"""select c.kind, sum(c.n)::bigint
            from {_CLASSES} cross join lateral
            (select kind, count(*) as n from clocks
             where {_RUNNING} and {_IN_CLASS} and {condition} group by kind) c
            group by c.kind""",
        [*_classes(which, now, None), *given],
    )
    return dict(rows)


_EVER, _NEVER = datetime.fromisoformat("0001-01-02T00:00:00Z"), datetime.fromisoformat("9999-12-30T00:00:00Z")


def _classes(which: Which, now: datetime, until: datetime | None) -> Sequence[arrays.Array]:
    """The classes of notice to look into, and of each since and until when what is wanted is due."""
    classes, ends = range(NOTICES), [until or _NEVER] * NOTICES
    if which is Which.BREACHED:
        return arrays.small_ints(classes), arrays.moments([_EVER] * NOTICES), arrays.moments([now] * NOTICES)
    if which is Which.AT_RISK:
        classes = range(1, NOTICES)
        longest = [notice_seconds(notice) for notice in classes]
        ends = [_NEVER if seconds is None else min(_NEVER, now + timedelta(seconds=seconds)) for seconds in longest]
    return arrays.small_ints(classes), arrays.moments([now] * len(ends)), arrays.moments(ends)


def _branches(which: Which, wanted: Wanted, reach: Reach, now: datetime, until: datetime | None) -> list[tuple[str, list[Any]]]:
    """Conditions that each lead into one index, and exclude each other."""
    filters = ["soon_at <= %s"] if which is Which.AT_RISK else []
    params: list[Any] = [now] if which is Which.AT_RISK else []
    if which is not Which.UPCOMING and until is not None:
        filters, params = [*filters, "due_at <= %s"], [*params, until]
    for name in ("kind", "item_kind", "subject", "method"):
        value = getattr(wanted, name)
        if value is not None:
            filters, params = [*filters, f"{name} = %s"], [*params, value]
    of_assignee = "assignee = %s and assignee <> ''"
    if wanted.unit is not None or wanted.assignee is not None:
        reached, given = reach.condition()
        for text, value in (("unit = %s", wanted.unit), (of_assignee, wanted.assignee)):
            if value is not None:
                filters, params = [*filters, text], [*params, value]
        return [(" and ".join([*filters, reached]), [*params, *given])]
    starts: list[tuple[list[str], list[Any]]] = [([], [])]
    if reach.unit is not None:
        mine = reach.assignee or ""
        starts = [
            (["unit = %s"], [reach.unit]),
            (["unit = ''"], []),
            ([of_assignee, "unit not in (%s, '')"], [mine, reach.unit]),
        ]
        if reach.unit == "":
            del starts[0]
    elif reach.assignee is not None:
        starts = [([of_assignee], [reach.assignee])]
    return [(" and ".join([*filters, *texts]) or "true", [*params, *given]) for texts, given in starts]
