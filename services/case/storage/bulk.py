"""Changes of many cases at once: what was asked for, the cases it is for, and what became of each (EDGE-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.case.storage.lists import Wanted
from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction, arrays


class Job(NamedTuple):
    """A bulk change. `scope`: whose rows its asker reached when asking."""

    id: UUID
    asked_by: str
    asked_unit: str
    scope: str
    change: Mapping[str, Any]
    state: str
    total: int
    done: int
    unchanged: int
    refused: int
    created_at: datetime
    worked_at: datetime
    ended_at: datetime | None


class Result(NamedTuple):
    """What became of an item."""

    position: int
    outcome: str
    why: str


_JOB = ", ".join(Job._fields)


def _chosen(wanted: Wanted, rows: Rows, now: datetime) -> Conditions:
    conditions = wanted.conditions(now)
    rows.restrict(conditions)
    return conditions


def first(tx: Transaction, wanted: Wanted, rows: Rows, now: datetime, most: int) -> tuple[int, list[UUID]]:
    """How many cases a change would be for, and the newest of them."""
    conditions = _chosen(wanted, rows, now)
    row = tx.row(f"select count(*) from cases {conditions.sql()}", conditions.params)
    assert row is not None  # noqa: S101 - an aggregate always gives a row
    sql = f"select id from cases {conditions.sql()} order by opened_at desc, id desc limit %(most)s"
    return int(row[0]), [id for (id,) in tx.rows(sql, conditions.params | {"most": most})]


def add(
    tx: Transaction, id: UUID, user: str, unit: str, scope: str, change: Mapping[str, Any], wanted: Wanted, rows: Rows, now: datetime
) -> Job:
    """Keep a change with every case that it is for now."""
    conditions = _chosen(wanted, rows, now)
    total = tx.execute(
        f"""insert into bulk_items (job_id, position, case_id)
            select %(job)s, row_number() over (order by opened_at desc, id desc), id from cases {conditions.sql()}""",
        conditions.params | {"job": id},
    ).rowcount
    state = "running" if total else "done"
    job = Job(id, user, unit, scope, change, state, total, 0, 0, 0, now, now, None if total else now)
    values = job._asdict() | {"change": orjson.dumps(change).decode()}
    tx.execute(f"insert into bulk_jobs ({_JOB}) values ({', '.join(f'%({name})s' for name in Job._fields)})", values)
    return job


def take(tx: Transaction) -> Job | None:
    """Lock a running job that nobody works on: while this transaction lasts it is ours. The one that waited longest."""
    row = tx.row(f"select {_JOB} from bulk_jobs where state = 'running' order by worked_at, id limit 1 for update skip locked")
    return None if row is None else Job(*row)


def to_do(tx: Transaction, job_id: UUID, most: int) -> list[tuple[int, UUID]]:
    """The next items: position and case."""
    sql = "select position, case_id from bulk_items where job_id = %s and outcome is null order by position limit %s"
    return [(row[0], row[1]) for row in tx.rows(sql, (job_id, most))]


def save(tx: Transaction, job: Job, results: Sequence[Result], has_more: bool, now: datetime) -> None:
    """Keep what became of these items of a job that is locked, and count them."""
    tx.execute(
        """update bulk_items i set outcome = r.outcome, why = r.why
           from unnest(%b::bigint[], %b::text[], %b::text[]) as r (position, outcome, why)
           where i.job_id = %s and i.position = r.position""",
        (
            arrays.big_ints(result.position for result in results),
            arrays.texts(result.outcome for result in results),
            arrays.texts(result.why for result in results),
            job.id,
        ),
    )
    counts = {name: sum(result.outcome == name for result in results) for name in ("done", "unchanged", "refused")}
    tx.execute(
        """update bulk_jobs set done = done + %(done)s, unchanged = unchanged + %(unchanged)s, refused = refused + %(refused)s,
                  worked_at = clock_timestamp(), state = case when %(more)s then state else 'done' end,
                  ended_at = case when %(more)s then null else %(now)s::timestamptz end
           where id = %(id)s""",
        counts | {"more": has_more, "now": now, "id": job.id},
    )


def cancel(tx: Transaction, id: UUID, now: datetime) -> None:
    """End a running job; what is done stays done."""
    tx.execute("update bulk_jobs set state = 'cancelled', ended_at = %s where id = %s and state = 'running'", (now, id))


def get(tx: Transaction, id: UUID) -> Job | None:
    """A job as it stands."""
    row = tx.row(f"select {_JOB} from bulk_jobs where id = %s", (id,))
    return None if row is None else Job(*row)


def items(tx: Transaction, job_id: UUID, outcome: str | None, after: int, limit: int) -> list[dict[str, Any]]:
    """The items of a job after this position; with an outcome only those."""
    return tx.dicts(
        """select i.position, i.case_id, c.number, i.outcome, i.why from bulk_items i left join cases c on c.id = i.case_id
           where i.job_id = %(job)s and i.position > %(after)s and (%(outcome)s::text is null or i.outcome = %(outcome)s)
           order by i.position limit %(limit)s""",
        {"job": job_id, "after": after, "outcome": outcome, "limit": limit},
    )
