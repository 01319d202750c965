"""Firings of automation rules, and what was cut: written and counted by the set, listed by keyset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from shared.storage import Transaction, arrays


class Firing(NamedTuple):
    """A row of `firings`."""

    id: UUID
    rule: str
    item_id: UUID
    task_id: UUID | None
    happening: str
    cause_id: UUID
    depth: int
    at: datetime
    outcome: str
    actions: Sequence[dict[str, Any]]


class CutRow(NamedTuple):
    """A row of `cuts`."""

    id: UUID
    rule: str
    item_id: UUID
    task_id: UUID | None
    happening: str
    cause_id: UUID
    depth: int
    at: datetime
    reason: str


class Count(NamedTuple):
    """How often a rule fired or was cut, and when last."""

    times: int
    last_at: datetime | None


def depths(tx: Transaction, firings: Collection[UUID]) -> dict[UUID, int]:
    """Of these firings, as far as they are known."""
    if not firings:
        return {}
    rows = tx.rows("select id, depth from firings where id = any(%b)", (arrays.uuids(sorted(firings)),))
    return {row[0]: row[1] for row in rows}


def known(tx: Transaction, firings: Collection[UUID]) -> set[UUID]:
    """Those of these that are there."""
    rows = tx.rows("select id from firings where id = any(%b)", (arrays.uuids(sorted(firings)),))
    return {row[0] for row in rows}


def counts(tx: Transaction, wanted: Collection[tuple[str, UUID, datetime]]) -> dict[tuple[str, UUID], int]:
    """How often each rule fired for its item since a moment."""
    listed = sorted(wanted)
    rows = tx.rows(
        """select w.rule, w.item_id, count(f.id) from unnest(%b, %b, %b) as w (rule, item_id, since)
           join firings f on f.item_id = w.item_id and f.rule = w.rule and f.at > w.since group by 1, 2""",
        (arrays.texts(one[0] for one in listed), arrays.uuids(one[1] for one in listed), arrays.moments(one[2] for one in listed)),
    )
    return {(row[0], row[1]): row[2] for row in rows}


def add(tx: Transaction, firings: Sequence[Firing]) -> None:
    """Insert firings."""
    if not firings:
        return
    columns = {
        "id": arrays.uuids(one.id for one in firings),
        "rule": arrays.texts(one.rule for one in firings),
        "item_id": arrays.uuids(one.item_id for one in firings),
        "task_id": arrays.uuids(one.task_id for one in firings),
        "happening": arrays.texts(one.happening for one in firings),
        "cause_id": arrays.uuids(one.cause_id for one in firings),
        "depth": arrays.ints(one.depth for one in firings),
        "at": arrays.moments(one.at for one in firings),
        "outcome": arrays.texts(one.outcome for one in firings),
        "actions": arrays.documents(orjson.dumps(one.actions) for one in firings),
    }
    arrays.insert(tx, "firings", columns)


def cut(tx: Transaction, cuts: Sequence[CutRow]) -> set[UUID]:
    """Insert what was cut, once each; the ids of those that were not there."""
    if not cuts:
        return set()
    rows = tx.rows(
        """insert into cuts (id, rule, item_id, task_id, happening, cause_id, depth, at, reason)
           select * from unnest(%b, %b, %b, %b, %b, %b, %b, %b, %b) on conflict do nothing returning id""",
        (
            arrays.uuids(one.id for one in cuts),
            arrays.texts(one.rule for one in cuts),
            arrays.uuids(one.item_id for one in cuts),
            arrays.uuids(one.task_id for one in cuts),
            arrays.texts(one.happening for one in cuts),
            arrays.uuids(one.cause_id for one in cuts),
            arrays.ints(one.depth for one in cuts),
            arrays.moments(one.at for one in cuts),
            arrays.texts(one.reason for one in cuts),
        ),
    )
    return {row[0] for row in rows}


def fired(tx: Transaction, rules: Collection[str]) -> dict[str, Count]:
    """How often each of these rules has fired, as far as that is kept."""
    return _counted(tx, "firings", rules)


def was_cut(tx: Transaction, rules: Collection[str]) -> dict[str, Count]:
    """How often it was told of each of these rules that it was cut, as far as that is kept."""
    return _counted(tx, "cuts", rules)


def _counted(tx: Transaction, table: str, rules: Collection[str]) -> dict[str, Count]:
    rows = tx.rows(f"select rule, count(*), max(at) from {table} where rule = any(%b) group by rule", (arrays.texts(rules),))
    return {row[0]: Count(row[1], row[2]) for row in rows}


def purge(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete the oldest firings and cuts of before this moment, up to `limit` of each; how many. Another replica's are passed over."""
    gone = 0
    for table in ("firings", "cuts"):
        oldest = f"select id from {table} where at < %s order by at limit %s for update skip locked"
        gone += tx.execute(f"delete from {table} where id = any(array({oldest}))", (before, limit)).rowcount
    return gone


class Reach(NamedTuple):
    """Whose cases and tasks are within reach. `unit` and `user` None: all."""

    unit: str | None = None
    user: str | None = None


def page(
    tx: Transaction, reach: Reach, item_id: UUID | None, rule: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Firing]:
    """Firings within reach, the newest first, after this one (its time and id)."""
    asked: dict[str, Any] = {"item": item_id, "rule": rule, "unit": reach.unit, "user": reach.user, "limit": limit}
    where = ["true"]
    if item_id is not None:
        where.append("f.item_id = %(item)s")
    if rule is not None:
        where.append("f.rule = %(rule)s")
    if after is not None:
        asked |= {"at": after[0], "id": after[1]}
        where.append("(f.at, f.id) < (%(at)s, %(id)s)")
    if reach != Reach():
        # Without a case or lead it is the task's unit and assignee that count.
        where.append(
            """(exists (select from cases c where c.id = f.item_id and (c.unit = %(unit)s or c.owner = %(user)s))
               or exists (select from tasks t where t.id = f.task_id and (t.unit = %(unit)s or t.assignee = %(user)s)))"""
        )
    rows = tx.rows(
        f"""select f.id, f.rule, f.item_id, f.task_id, f.happening, f.cause_id, f.depth, f.at, f.outcome, f.actions
            from firings f where {" and ".join(where)} order by f.at desc, f.id desc limit %(limit)s""",
        asked,
    )
    return [Firing(*row) for row in rows]
