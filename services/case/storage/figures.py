"""Figures of open cases, and reports on a period (CASE-15)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction

By = Literal["category", "subject", "unit", "reason", "method", "priority"]
GROUPS = ("priority", "category", "unit", "owner", "state", "subject")


def open_cases(tx: Transaction, rows: Rows, now: datetime) -> dict[str, Any]:
    """How many cases within the rows are open, overdue, without an owner, waiting for the customer; and how many of each kind."""
    conditions = Conditions(["is_open"], {"now": now})
    rows.restrict(conditions)
    # Counted once by everything together, which leaves few rows to count again for each.
    found = tx.dicts(
        f"""with counted as materialized (
                select {", ".join(GROUPS)}, count(*) as n,
                       count(*) filter (where expected_completion_at < %(now)s) as overdue,
                       count(*) filter (where waiting_for_customer) as awaiting,
                       min(opened_at) filter (where owner is null) as oldest
                from cases {conditions.sql()} group by {", ".join(GROUPS)})
            select {", ".join(GROUPS)}, grouping({", ".join(GROUPS)}) as missing, sum(n)::bigint as open, sum(overdue)::bigint as overdue,
                   sum(awaiting)::bigint as awaiting, (sum(n) filter (where owner is null))::bigint as unassigned, min(oldest) as oldest
            from counted group by grouping sets ((), {", ".join(f"({name})" for name in GROUPS)})""",
        conditions.params,
    )
    every = 2 ** len(GROUPS) - 1
    by: dict[str, list[dict[str, Any]]] = {name: [] for name in GROUPS}
    total: dict[str, Any] = {}
    for row in found:
        missing, oldest = row.pop("missing"), row.pop("oldest")
        figures = {name: row[name] or 0 for name in ("open", "overdue", "unassigned", "awaiting")}
        if missing == every:
            total = figures | {"oldest_unassigned_at": oldest}
            continue
        name = next(name for place, name in enumerate(GROUPS) if not missing & 1 << (len(GROUPS) - 1 - place))
        by[name].append({name: row[name]} | figures)
    for name, items in by.items():
        items.sort(key=lambda item: (-item["open"], item[name] or ""))
    return total | {"by": by}


def oldest_unassigned(tx: Transaction) -> datetime | None:
    """When the oldest open case without an owner was opened."""
    row = tx.row("select opened_at from cases where is_open and owner is null order by opened_at limit 1")
    return row[0] if row else None


def oldest_unassigned_case(tx: Transaction, rows: Rows) -> UUID | None:
    """The open case within the rows that has been without an owner for longest."""
    conditions = Conditions(["is_open", "owner is null"])
    rows.restrict(conditions)
    row = tx.row(f"select id from cases {conditions.sql()} order by opened_at, id limit 1", conditions.params)
    return row[0] if row else None


def report(tx: Transaction, by: By, begin: datetime, end: datetime, rows: Rows) -> list[dict[str, Any]]:
    """For each value of a field: cases opened, completed and cancelled from `begin` to before `end`, and the median seconds from opening
    to completion of those that were completed.
    """
    conditions = Conditions(params={"begin": begin, "end": end})
    rows.restrict(conditions)
    reach = "".join(f" and {text}" for text in conditions.texts)
    return tx.dicts(
        f"""select {by}, sum(opened)::bigint as opened, sum(completed)::bigint as completed, sum(cancelled)::bigint as cancelled,
                   max(median) as median_seconds_to_completion
            from (select {by}, count(*) as opened, 0 as completed, 0 as cancelled, null::float8 as median from cases
                  where opened_at >= %(begin)s and opened_at < %(end)s{reach} group by {by}
                  union all
                  select {by}, 0, count(*) filter (where state = 'completed'), count(*) filter (where state = 'cancelled'),
                         percentile_cont(0.5) within group (order by extract(epoch from completed_at - opened_at))
                             filter (where state = 'completed')
                  from cases where completed_at >= %(begin)s and completed_at < %(end)s{reach} group by {by}) counted
            group by {by} order by opened desc, {by}""",
        conditions.params,
    )
