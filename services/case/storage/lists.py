"""Lists of cases: filters, orders, and the place in them, each read from an index in steps of one page.

An order is a row of groups, each in the order of one index: cases with a due date before those without, one priority after the other.
A page is read group by group until it is full, so it never costs more than its own rows and a look into each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.life_cycle import LifeCycle
from services.case.storage.views import CASE_COLUMNS, Conditions, Rows
from shared.storage import Transaction


class Sort(StrEnum):
    """The orders of a list; `-`: descending. Cases without a due date come last in both."""

    OPENED = "opened"
    OPENED_DESCENDING = "-opened"
    DUE = "due"
    DUE_DESCENDING = "-due"
    PRIORITY = "priority"
    """The lowest first; among equals the longest open."""
    PRIORITY_DESCENDING = "-priority"
    """The highest first; among equals the newest."""

    @property
    def is_descending(self) -> bool:
        """Whether it goes downwards."""
        return self.value.startswith("-")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases; None, False and empty filter nothing."""

    states: tuple[LifeCycle, ...] = ()
    unit: str | None = None
    owner: str | None = None
    unassigned: bool = False
    subject: str | None = None
    number: str | None = None
    category: str | None = None
    priority: str | None = None
    urgency: str | None = None
    method: str | None = None
    contact_id: UUID | None = None
    account_id: UUID | None = None
    communication_id: UUID | None = None
    """One that they were opened from, or that joined them."""
    ids: tuple[UUID, ...] | None = None
    open: bool = False
    overdue: bool = False
    due_before: datetime | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    needs_review: bool = False
    awaiting: bool = False
    """The customer's answer."""

    @property
    def is_open(self) -> bool:
        """Whether only cases that are neither completed nor cancelled can be among them."""
        return self.open or self.overdue or bool(self.states and not any(state.is_closed for state in self.states))

    def conditions(self, now: datetime) -> Conditions:
        """What the rows of `cases` have to fulfil."""
        found = Conditions()
        for column in _EQUAL:
            value = getattr(self, column)
            if value is not None:
                found.add(f"{column} = %({column})s", **{column: value})
        if self.states:
            found.add("state = any(%(states)s)", states=[state.value for state in self.states])
        # Said although it follows from the states: the indexes of open cases are chosen by it.
        if self.is_open:
            found.add("is_open")
        for text in (text for flag, text in _FLAGS.items() if getattr(self, flag)):
            found.add(text)
        if self.overdue:
            found.add("expected_completion_at < %(now)s", now=now)
        for bound, text in _BOUNDS.items():
            if getattr(self, bound) is not None:
                found.add(text, **{bound: getattr(self, bound)})
        if self.ids is not None:
            found.add("id = any(%(ids)s)", ids=list(self.ids))
        if self.communication_id is not None:
            found.add(
                "id in (select case_id from case_communications where communication_id = %(communication_id)s)",
                communication_id=self.communication_id,
            )
        return found


_EQUAL = ("unit", "owner", "subject", "number", "category", "priority", "urgency", "method", "contact_id", "account_id")
_FLAGS = {"unassigned": "owner is null", "needs_review": "needs_review", "awaiting": "waiting_for_customer"}
_BOUNDS = {
    "due_before": "expected_completion_at < %(due_before)s",
    "opened_after": "opened_at > %(opened_after)s",
    "opened_before": "opened_at < %(opened_before)s",
}


class Place(NamedTuple):
    """After which case a page begins: its group, the value that its group is ordered by (None where that is the id alone), its id."""

    group: str
    value: datetime | None
    id: UUID


class _Group(NamedTuple):
    name: str
    condition: str
    params: dict[str, Any]
    column: str
    """What the group is ordered by, before the id; empty: by the id alone."""


def place_of(sort: Sort, case: dict[str, Any]) -> Place:
    """Where a case of a list stands in it."""
    if sort in (Sort.DUE, Sort.DUE_DESCENDING):
        due = case["expected_completion_at"]
        return Place("dated" if due else "undated", due, case["id"])
    return Place(case["priority"] if sort in _BY_PRIORITY else "", case["opened_at"], case["id"])


_BY_PRIORITY = (Sort.PRIORITY, Sort.PRIORITY_DESCENDING)


def list_cases(
    tx: Transaction, wanted: Wanted, rows: Rows, sort: Sort, ranks: Sequence[str], after: Place | None, limit: int, now: datetime
) -> list[dict[str, Any]]:
    """Up to `limit` cases within these rows after a place. `ranks`: the priorities, the lowest first; unknown ones are lower.

    Raises ValueError for a place that this order does not have.
    """
    groups = _groups(tx, sort, ranks, wanted.is_open)
    if after is not None:
        names = [group.name for group in groups]
        groups = groups[names.index(after.group) :]
    found: list[dict[str, Any]] = []
    for group in groups:
        start = after if after is not None and after.group == group.name else None
        found += _page(tx, wanted, rows, group, start, sort.is_descending, limit - len(found), now)
        if len(found) >= limit:
            break
    return found


def _groups(tx: Transaction, sort: Sort, ranks: Sequence[str], is_open: bool) -> list[_Group]:
    if sort in (Sort.OPENED, Sort.OPENED_DESCENDING):
        return [_Group("", "", {}, "opened_at")]
    if sort in (Sort.DUE, Sort.DUE_DESCENDING):
        return [
            _Group("dated", "expected_completion_at is not null", {}, "expected_completion_at"),
            _Group("undated", "expected_completion_at is null", {}, ""),
        ]
    order = {code: rank for rank, code in enumerate(ranks)}
    known = sorted(set(_priorities(tx, is_open)) | set(ranks), key=lambda code: (order.get(code, -1), code), reverse=sort.is_descending)
    return [_Group(code, "priority = %(group)s", {"group": code}, "opened_at") for code in known]


def _priorities(tx: Transaction, is_open: bool) -> list[str]:
    """The priorities that cases have, also those that the configuration has no more."""
    if not is_open:
        return [row[0] for row in tx.rows("select distinct priority from cases")]
    # One look into the index for each.
    rows = tx.rows(
        """with recursive found (code) as (
               (select priority from cases where is_open order by priority limit 1)
               union all
               select (select priority from cases where is_open and priority > found.code order by priority limit 1)
               from found where code is not null)
           select code from found where code is not null"""
    )
    return [row[0] for row in rows]


def _page(
    tx: Transaction, wanted: Wanted, rows: Rows, group: _Group, after: Place | None, is_descending: bool, limit: int, now: datetime
) -> list[dict[str, Any]]:
    direction, than = (" desc", "<") if is_descending else ("", ">")
    order = f"{group.column}{direction}, id{direction}" if group.column else f"id{direction}"
    conditions = wanted.conditions(now)
    if group.condition:
        conditions.add(group.condition, **group.params)
    if after is not None and group.column:
        key = f"({group.column}, id) {than} (%(after_value)s::timestamptz, %(after_id)s::uuid)"
        conditions.add(key, after_value=after.value, after_id=after.id)
    elif after is not None:
        conditions.add(f"id {than} %(after_id)s::uuid", after_id=after.id)
    parts = []
    for reach in _reaches(wanted, rows):
        texts = " and ".join([*conditions.texts, *reach.texts])
        parts.append(f"(select {CASE_COLUMNS} from cases {'where ' + texts if texts else ''} order by {order} limit %(limit)s)")
        conditions.params |= reach.params
    if not parts:
        return []
    sql = parts[0] if len(parts) == 1 else f"select * from ({' union '.join(parts)}) found order by {order} limit %(limit)s"
    return tx.dicts(sql, conditions.params | {"limit": limit})


def _reaches(wanted: Wanted, rows: Rows) -> list[Conditions]:
    """What limits the list to these rows, as alternatives: with "or" between them no index would keep the order."""
    if rows.owner is None:
        return [Conditions()]
    of_unit = rows.unit is not None and wanted.unit in (None, rows.unit)
    of_owner = not wanted.unassigned and wanted.owner in (None, rows.owner)
    if (of_unit and wanted.unit is not None) or (of_owner and wanted.owner is not None):
        return [Conditions()]
    found = []
    if of_unit:
        found.append(Conditions(["unit = %(row_unit)s"], {"row_unit": rows.unit}))
    if of_owner:
        found.append(Conditions(["owner = %(row_owner)s"], {"row_owner": rows.owner}))
    return found
