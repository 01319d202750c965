"""Leads as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.case.storage.leads import COLUMNS
from services.case.storage.views import Rows
from shared.storage import Transaction

SORTS: Mapping[str, tuple[str, str]] = {
    "opened_at": ("opened_at", "timestamptz"),
    "changed_at": ("changed_at", "timestamptz"),
    "number": ("number", "text"),
    "priority": ("priority", "int"),
    "importance": ("importance", "int"),
    "expected_completion_at": ("coalesce(expected_completion_at, 'infinity')", "timestamptz"),
}
"""What a list can be sorted by: the expression, and its type. The id decides among equals."""

_CHILDREN = """
    coalesce((select json_agg(json_build_object('name', name, 'website', website, 'description', description) order by position)
              from lead_competitors where lead_id = leads.id), '[]') as competitors,
    coalesce((select json_agg(json_build_object('kind', kind, 'code', code) order by position)
              from lead_products where lead_id = leads.id), '[]') as interests,
    (select a.number from accounts a where a.id = leads.account_id) as account_number"""


@dataclass(frozen=True, slots=True)
class Sort:
    """By which of `SORTS`, and which way."""

    by: str = "opened_at"
    descending: bool = True


def list_leads(
    tx: Transaction,
    filters: Mapping[str, Any],
    only_open: bool,
    rows: Rows,
    sort: Sort,
    after: Sequence[Any] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Up to `limit` leads among `rows` that have all of `filters` (None: any), after the values of the last one seen.

    `sort_key` of each is what it is sorted by, as text.
    """
    expression, kind = SORTS[sort.by]
    conditions = [f"{name} = %({name})s" for name, value in filters.items() if value is not None]
    params: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    if only_open:
        conditions.append("state in ('pending', 'in_progress')")
    if (reach := _reach(rows, params)) is not None:
        conditions.append(reach)
    if after is not None:
        conditions.append(f"({expression}, id) {'<' if sort.descending else '>'} (%(key)s::{kind}, %(id)s::uuid)")
        params |= {"key": after[0], "id": after[1]}
    way = "desc" if sort.descending else "asc"
    return tx.dicts(
        f"""select {COLUMNS}, {_CHILDREN}, ({expression})::text as sort_key from leads
            where {" and ".join(conditions) or "true"} order by {expression} {way}, id {way} limit {int(limit)}""",
        params,
    )


def show(tx: Transaction, lead_id: UUID) -> dict[str, Any] | None:
    """One lead."""
    found = tx.dicts(f"select {COLUMNS}, {_CHILDREN} from leads where id = %s", (lead_id,))
    return found[0] if found else None


def _reach(rows: Rows, params: dict[str, Any]) -> str | None:
    if rows.unit is not None:
        params |= {"own_unit": rows.unit, "own_user": rows.owner}
        return "(unit = %(own_unit)s or owner = %(own_user)s)"
    if rows.owner is not None:
        params |= {"own_user": rows.owner}
        return "owner = %(own_user)s"
    return None
