"""Lists of tasks by keyset, and counts of them, each read from an index (TASK-9).

An order is one group, or a row of groups each in the order of an index. Whose tasks a caller reaches is a row of ways: with "or" between
them no index would keep the order, so each is read by itself, no further than one page, and what they found is merged. The indexes are in
the order of priority, then due time; for lists by due time alone the priorities, which are few, are merged just so: a second index of
each kind would cost more with every task. Only open tasks have such indexes; among others, and of one case or customer, who have few,
what is found is sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from services.task.domain.caller import Caller
from services.task.domain.task import Task
from services.task.storage.queries import SHOWN_COLUMNS, Shown, shown_of
from shared.storage import Transaction

OPEN_STATES = ("pending", "in_progress")
"""States in which somebody has something to do."""
PRIORITIES = ("high", "normal", "low")
"""As lists sorted by them run. A task of another, which an older configuration had, comes after them."""

NEVER = "9999-01-01 00:00:00+00"
"""What `due_order` is without a due time."""


class Sort(StrEnum):
    """The orders of a list; `-`: the other way round. Tasks without a due time come last, among those of equal priority too."""

    DUE = "due"
    DUE_DESCENDING = "-due"
    PRIORITY = "priority"
    """The highest first; among equals the soonest due."""
    PRIORITY_DESCENDING = "-priority"
    """The lowest first; among equals the soonest due."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks are asked for; None, False and empty filter nothing."""

    case_id: UUID | None = None
    """Their case or lead."""
    contacts: Sequence[UUID] = ()
    """Customers, of their cases or of tasks without a case."""
    states: Sequence[str] = ()
    owner: str | None = None
    """A user, role or unit, by its code."""
    assignee: str | None = None
    unit: str | None = None
    priority: str | None = None
    definition: str | None = None
    available: bool = False
    """Only what nobody has yet."""
    overdue: bool = False
    """Only what is open and past its due time."""
    due_before: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether only tasks with which somebody has something to do can be among them."""
        return self.overdue or bool(self.states and set(self.states) <= set(OPEN_STATES))


class Place(NamedTuple):
    """After which task a page begins: its rank among the priorities, its due time, its id."""

    rank: int
    due_at: datetime | None
    id: UUID


def place_of(task: Task) -> Place:
    """Where a task stands in any list."""
    return Place(_rank(task.priority), task.due_at, task.id)


def _rank(priority: str) -> int:
    return PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)


@dataclass(frozen=True, slots=True)
class _Conditions:
    texts: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)

    def add(self, text: str, **params: Any) -> None:
        self.texts.append(text)
        self.params.update(params)


class _Group(NamedTuple):
    condition: str
    order: tuple[str, ...]
    is_descending: bool = False


class _Way(NamedTuple):
    """How tasks come within reach: a condition; with `each` (`o`), those of each of its rows, read one after the other."""

    condition: str
    each: str = ""


def list_tasks(tx: Transaction, caller: Caller, wanted: Filter, sort: Sort, limit: int, after: Place | None, now: datetime) -> list[Shown]:
    """Up to `limit` tasks within the caller's reach after a place."""
    found: list[Shown] = []
    for group in _groups(sort, after):
        found += _page(tx, caller, wanted, group, after if not found else None, limit - len(found), now)
        after = None  # the groups that follow are read from their beginning
        if len(found) >= limit:
            break
    return found


def _groups(sort: Sort, after: Place | None) -> list[_Group]:
    """The groups of an order, from that of the place on."""
    match sort:
        case Sort.DUE:
            return [_Group("", ("due_order", "id"))]
        case Sort.PRIORITY:
            return [_Group("", ("rank", "due_order", "id"))]
        case Sort.DUE_DESCENDING:
            dated = _Group(f"t.due_order < '{NEVER}'", ("due_order", "id"), is_descending=True)
            undated = _Group(f"t.due_order = '{NEVER}'", ("due_order", "id"), is_descending=True)
            return [undated] if after is not None and after.due_at is None else [dated, undated]
        case Sort.PRIORITY_DESCENDING:
            highest = len(PRIORITIES) if after is None else after.rank
            return [_Group(f"t.rank = {rank}", ("due_order", "id")) for rank in range(highest, -1, -1)]


_KEYS = {"rank": "%(after_rank)s::smallint", "due_order": f"coalesce(%(after_due)s::timestamptz, '{NEVER}')", "id": "%(after_id)s::uuid"}


def _page(tx: Transaction, caller: Caller, wanted: Filter, group: _Group, after: Place | None, limit: int, now: datetime) -> list[Shown]:
    direction, than = (" desc", "<") if group.is_descending else ("", ">")
    order = ", ".join(f"t.{column}{direction}" for column in group.order)
    keys = ", ".join(f"t.{column}" for column in group.order)
    conditions = _conditions(wanted, now)
    if group.condition:
        conditions.add(group.condition)
    if after is not None:
        place = ", ".join(_KEYS[column] for column in group.order)
        conditions.add(f"({keys}) {than} ({place})", after_rank=after.rank, after_due=after.due_at, after_id=after.id)
    ways = _ways(caller, wanted)
    ranks = ""
    if _is_walked(wanted) and "rank" not in group.order and not group.condition.startswith("t.rank"):
        ranks = "unnest(%(ranks)s::smallint[]) as r (rank)"
        conditions.add("t.rank = r.rank", ranks=list(range(len(PRIORITIES) + 1)) if wanted.priority is None else [_rank(wanted.priority)])
    parts = []
    for way in ways:
        texts = " and ".join(text for text in (*conditions.texts, way.condition) if text) or "true"
        part = f"select {keys} from tasks t where {texts} order by {order} limit {int(limit)}"
        each = " cross join ".join(source for source in (way.each, ranks) if source)
        parts.append(f"(select l.* from {each} cross join lateral ({part}) l)" if each else f"({part})")
    if len(parts) == 1 and not each:
        sql = (
            f"select {SHOWN_COLUMNS} from (select * from tasks t where {texts} order by {order} limit {int(limit)}) t"
            f" left join cases c on c.id = t.case_id order by {order}"
        )
    else:
        # A task may be found in two ways; the table is looked into again only for those that the page shows.
        sql = (
            f"select {SHOWN_COLUMNS} from (select * from ({' union '.join(parts)}) t order by {order} limit {int(limit)}) f"
            f" join tasks t on t.id = f.id left join cases c on c.id = t.case_id order by {order}"
        )
    return [shown_of(row) for row in tx.rows(sql, conditions.params | _who(caller))]


_OWNERS = "unnest(%(kinds)s::text[], %(codes)s::text[]) as o (kind, code)"
"""The caller's roles and their unit."""
_UNITS = """(with recursive found (code) as (
        (select unit from tasks where state in ('pending', 'in_progress') order by unit limit 1)
        union all
        select (select n.unit from tasks n where n.state in ('pending', 'in_progress') and n.unit > found.code order by n.unit limit 1)
        from found where code is not null)
    select code from found where code is not null) as o"""
"""The units that have open tasks, one look into their index for each: of these there are few, and all tasks need no index of their own."""


def _who(caller: Caller) -> dict[str, Any]:
    owners = [("role", role) for role in sorted(caller.roles)] + ([("unit", caller.unit)] if caller.unit else [])
    return {
        "user": caller.user,
        "reached_unit": caller.unit,
        "kinds": [kind for kind, _ in owners],
        "codes": [code for _, code in owners],
    }


def _conditions(wanted: Filter, now: datetime) -> _Conditions:
    """What the tasks have to fulfil."""
    found = _Conditions()
    if wanted.case_id is not None:
        found.add("t.case_id = %(case_id)s", case_id=wanted.case_id)
    if wanted.contacts:
        # Found by the customer first: of one customer there are few, of open tasks many.
        found.add(
            """t.id in (select o.id from cases k join tasks o on o.case_id = k.id where k.customer ->> 'contact_id' = any(%(contacts)s)
                       union all select id from tasks where case_id is null and customer ->> 'contact_id' = any(%(contacts)s))""",
            contacts=[str(contact) for contact in wanted.contacts],
        )
    if wanted.is_open:
        # Written out, since the partial indexes hold only for what the planner can see.
        found.add("t.state in ('pending', 'in_progress')")
    if wanted.states and set(wanted.states) != set(OPEN_STATES):
        found.add("t.state = any(%(states)s)", states=list(wanted.states))
    for column, value in (("owner_code", wanted.owner), ("assignee", wanted.assignee), ("unit", wanted.unit)):
        if value is not None:
            found.add(f"t.{column} = %({column})s", **{column: value})
    if wanted.definition is not None:
        found.add("t.definition = %(definition)s", definition=wanted.definition)
    if wanted.priority is not None:
        # By the rank as well: the indexes of priorities have that.
        found.add("t.priority = %(priority)s and t.rank = %(rank)s", priority=wanted.priority, rank=_rank(wanted.priority))
    if wanted.available:
        found.add("t.assignee is null")
    if wanted.overdue:
        found.add("t.due_order < %(now)s", now=now)
    if wanted.due_before is not None:
        found.add("t.due_order < %(due_before)s", due_before=wanted.due_before)
    return found


_HELD = "not t.waits"
"""Said although the states say it: the index of what users have begins by it, since planned tasks are in it too."""


def _is_walked(wanted: Filter) -> bool:
    """Whether the list is read in its order from indexes, as far as a page goes."""
    return wanted.is_open and wanted.case_id is None and not wanted.contacts


def _ways(caller: Caller, wanted: Filter) -> list[_Way]:
    """What `Caller.sees` says of one task, as alternatives; none: nothing that is asked for can be within reach."""
    is_walked = _is_walked(wanted)
    if caller.scope == "all" and is_walked and wanted.unit is None and wanted.assignee is None:
        return [_Way("t.unit = o.code", _UNITS)]
    if caller.scope == "all" or wanted.assignee == caller.user:
        return [_Way("" if wanted.assignee is None or not is_walked else _HELD)]
    if caller.scope == "unit" and wanted.unit is not None and wanted.unit == caller.unit:
        return [_Way("")]
    ways = [_Way("t.assignee is null and t.owner_kind = o.kind and t.owner_code = o.code", _OWNERS)]
    ways.append(_Way("t.owner_kind = 'user' and t.owner_code = %(user)s and t.assignee is distinct from t.owner_code"))
    if not wanted.available:
        ways.append(_Way(f"t.assignee = %(user)s and {_HELD}" if is_walked else "t.assignee = %(user)s"))
    if caller.scope == "unit" and caller.unit and wanted.unit is None:
        ways.append(_Way("t.unit = %(reached_unit)s"))
    if is_walked:
        return ways
    # Few are looked at, or there is no index to read them from in order: together, once.
    of_owners = f"t.assignee is null and exists (select from {_OWNERS} where t.owner_kind = o.kind and t.owner_code = o.code)"
    conditions = [of_owners, *(way.condition for way in ways if not way.each)]
    return [_Way("(" + " or ".join(f"({condition})" for condition in conditions) + ")")]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks are open, and of them overdue, due later today, or without anybody who has them; and by priority."""

    open: int
    overdue: int
    due_today: int
    available: int
    by_priority: dict[str, int]


_COUNTED = """t.rank, count(*), count(*) filter (where t.due_order < %(now)s),
    count(*) filter (where t.due_order >= %(now)s and t.due_order < %(day_ends)s)"""


def count_mine(tx: Transaction, caller: Caller, now: datetime, day_ends: datetime) -> Counts:
    """Of what the caller has; `available`: what they could accept, as one of a role or of their unit."""
    rows = tx.rows(
        f"""select {_COUNTED}, 0::bigint from tasks t
            where t.assignee = %(user)s and {_HELD} and t.state in ('pending', 'in_progress') group by t.rank
            union all
            select null, 0, 0, 0, count(*) from {_OWNERS} join tasks t on t.owner_kind = o.kind and t.owner_code = o.code
            where t.assignee is null and t.state in ('pending', 'in_progress')""",
        _who(caller) | {"now": now, "day_ends": day_ends},
    )
    return _counts(rows)


def count_open(tx: Transaction, unit: str | None, now: datetime, day_ends: datetime) -> Counts:
    """Of a unit; None: of all."""
    of_unit = "" if unit is None else "and t.unit = %(unit)s"
    rows = tx.rows(
        f"""select {_COUNTED}, count(*) filter (where t.assignee is null) from tasks t
            where t.state in ('pending', 'in_progress') {of_unit} group by t.rank""",
        {"unit": unit, "now": now, "day_ends": day_ends},
    )
    return _counts(rows)


def _counts(rows: Sequence[tuple[Any, ...]]) -> Counts:
    by_priority = dict.fromkeys(PRIORITIES, 0) | {PRIORITIES[row[0]]: row[1] for row in rows if row[0] in range(len(PRIORITIES))}
    opened, overdue, due_today, available = (sum(row[place] for row in rows) for place in (1, 2, 3, 4))
    return Counts(opened, overdue, due_today, available, by_priority)
