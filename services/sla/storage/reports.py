"""Reports on clocks: how many were met, and how long they took. Percentiles and shares are PostgreSQL's work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from services.sla.domain.standing import NOTICES
from services.sla.storage.lists import Wanted
from services.sla.storage.reach import Reach
from shared.storage import Transaction

By = Literal["method", "subject", "unit", "kind", "month", "week", "day"]
_GROUPS: dict[By, str] = {
    "method": "coalesce(method, '')",
    "subject": "coalesce(subject, '')",
    "unit": "coalesce(unit, '')",
    "kind": "kind::text",
    "month": "to_char(at at time zone %(zone)s, 'YYYY-MM')",
    "week": "to_char(at at time zone %(zone)s, 'IYYY-\"W\"IW')",
    "day": "to_char(at at time zone %(zone)s, 'YYYY-MM-DD')",
}


class Period(NamedTuple):
    """From `begin` to before `end`; what is open counts by `now`. `zone`: whose days are meant."""

    begin: datetime
    end: datetime
    now: datetime
    zone: str


class Compliance(NamedTuple):
    """How clocks of a group ended; `group` None: of all."""

    group: str | None
    met: int
    missed: int
    cancelled: int
    open_overdue: int


class Taken(NamedTuple):
    """What clocks of a group and kind took, in seconds: on their calendars, and from start to end; each the 50th, 90th and 95th percentile
    and the longest.
    """

    group: str
    kind: int
    clocks: int
    used: tuple[float | None, ...]
    elapsed: tuple[float | None, ...]


def compliance(tx: Transaction, by: By, period: Period, wanted: Wanted, reach: Reach) -> list[Compliance]:
    """Clocks that ended in the period, and those that fell due in it and are still open; by group, and in all."""
    condition, params = _condition(wanted, reach)
    rows = tx.rows(
        f"""with ended as (
                select outcome, closed_at as at, kind, unit, method, subject from clocks
                where closed_at >= %(begin)s and closed_at < %(end)s and kind not in (5, 6) and outcome <> '' and {condition}
            ), breached as (
                select 'open' as outcome, c.due_at as at, c.kind, c.unit, c.method, c.subject
                from generate_series(0, {NOTICES - 1}) as n(class) cross join lateral
                    (select * from clocks where closed_at is null and suspended_at is null and kind not in (5, 6) and notice = n.class::int2
                     and due_at >= %(begin)s and due_at < %(end)s and due_at <= %(now)s and {condition}) c
                union all
                select 'open', due_at, kind, unit, method, subject from clocks
                where closed_at is null and suspended_at is not null and kind not in (5, 6)
                and due_at >= %(begin)s and due_at < %(end)s and due_at <= suspended_at and {condition}
            ), counted as (select {_GROUPS[by]} as name, outcome from (select * from ended union all select * from breached) e)
            select name, count(*) filter (where outcome = 'met'), count(*) filter (where outcome = 'missed'),
                   count(*) filter (where outcome = 'cancelled'), count(*) filter (where outcome = 'open')
            from counted group by grouping sets ((name), ()) order by grouping(name), name collate "C" """,
        params | period._asdict(),
    )
    return [Compliance(*row) for row in rows]


def times(tx: Transaction, by: By, period: Period, wanted: Wanted, reach: Reach) -> list[Taken]:
    """How long clocks took that ended in the period, by group and kind; cancelled ones are left out."""
    condition, params = _condition(wanted, reach)
    rows = tx.rows(
        f"""select name, kind, count(*),
                percentile_cont(array[0.5, 0.9, 0.95, 1]) within group (order by used / 1e6),
                percentile_cont(array[0.5, 0.9, 0.95, 1]) within group (order by extract(epoch from at - started_at)::float8)
            from (select {_GROUPS[by]} as name, kind, used, at, started_at
                  from (select *, closed_at as at from clocks where outcome in ('met', 'missed')) c
                  where closed_at >= %(begin)s and closed_at < %(end)s and kind not in (5, 6) and {condition}) e
            group by name, kind order by name collate "C", kind""",
        params | period._asdict(),
    )
    return [Taken(name, kind, count, _four(used), _four(elapsed)) for name, kind, count, used, elapsed in rows]


def _four(values: Sequence[Any] | None) -> tuple[float | None, ...]:
    return (None,) * 4 if values is None else tuple(values)


def _condition(wanted: Wanted, reach: Reach) -> tuple[str, dict[str, Any]]:
    params: dict[str, Any] = {name: value for name, value in wanted._asdict().items() if value is not None}
    texts = [f"{name} = %({name})s" for name in params]
    if reach.unit is not None:
        texts.append("(unit in (%(my_unit)s, '') or assignee = %(me)s)")
    elif reach.assignee is not None:
        texts.append("assignee = %(me)s")
    return " and ".join(texts) or "true", params | {"my_unit": reach.unit, "me": reach.assignee or ""}
