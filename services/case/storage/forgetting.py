"""Cases that have ended long enough ago, and what they then lose (EDGE-17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.erasure import KEPT_CASE_FIELDS
from services.case.domain.retention import ERASED
from services.case.storage import cases
from shared.storage import Transaction, arrays

_DUE = """k.forgotten_at is null and k.completed_at is not null and not k.legal_hold
          and exists (select from unnest(%(subjects)b::text[], %(befores)b::timestamptz[]) as w (subject, before)
                      where k.subject = w.subject and k.completed_at < w.before)"""


class Forgettable(NamedTuple):
    """Cases that are due, locked, and those of their communications that no other case needs, each with its revision."""

    cases: dict[UUID, Case]
    communications: dict[UUID, int]
    fed: dict[UUID, tuple[UUID, ...]]
    """By communication, all the cases that it feeds."""


def lock_due(tx: Transaction, befores: Mapping[str, datetime], most: int) -> Forgettable:
    """Lock up to `most` cases that ended before their subject's time, first those that ended first, with their communications.

    Communications are locked before cases, each in the order of ids, as everybody does.
    """
    limits = {"subjects": arrays.texts(befores), "befores": arrays.moments(befores.values()), "most": most}
    rows = tx.rows(
        """select k.id from unnest(%(subjects)b::text[], %(befores)b::timestamptz[]) as w (subject, before)
           cross join lateral (
               select id, completed_at from cases k
               where k.subject = w.subject and k.completed_at < w.before and k.forgotten_at is null and k.completed_at is not null
                 and not k.legal_hold
               order by k.completed_at, k.id limit %(most)s) k
           order by k.completed_at, k.id limit %(most)s""",
        limits,
    )
    wanted = arrays.uuids(row[0] for row in rows)
    tx.execute(
        """select id from communications where id in (select communication_id from case_communications where case_id = any(%b))
           order by id for update""",
        (wanted,),
    )
    locked = cases.lock(tx, [row[0] for row in rows])
    still = {row[0] for row in tx.rows(f"select k.id from cases k where k.id = any(%(wanted)b) and {_DUE}", limits | {"wanted": wanted})}
    due = {id: case for id, case in locked.items() if id in still}
    found = tx.rows(
        """select c.id, c.revision, array(select case_id from case_communications l where l.communication_id = c.id order by position)
           from communications c
           where c.erased_at is null and c.id in (select communication_id from case_communications where case_id = any(%(due)b))
             and not exists (select from case_communications l join cases k on k.id = l.case_id
                             where l.communication_id = c.id and k.forgotten_at is null and not k.id = any(%(due)b))
           order by c.id""",
        {"due": arrays.uuids(sorted(due))},
    )
    return Forgettable(due, {row[0]: row[1] for row in found}, {row[0]: tuple(row[2]) for row in found})


def count_due(tx: Transaction, befores: Mapping[str, datetime]) -> dict[str, int]:
    """For each subject how many cases are due."""
    limits = {"subjects": arrays.texts(befores), "befores": arrays.moments(befores.values())}
    return dict(tx.rows(f"select subject, count(*) from cases k where {_DUE} group by subject", limits)) if befores else {}


def forget(tx: Transaction, case_ids: Sequence[UUID], now: datetime) -> None:
    """Take what was written from the histories and notes of locked cases, and mark them."""
    values = {"cases": arrays.uuids(case_ids), "mark": ERASED, "kept": arrays.texts(sorted(KEPT_CASE_FIELDS)), "now": now}
    tx.execute(
        """update history set old_value = case when old_value is null then null else %(mark)s end,
                              new_value = case when new_value is null then null else %(mark)s end
           where case_id = any(%(cases)b) and field <> all(%(kept)b)""",
        values,
    )
    # Why it was merged or split, somebody wrote; the rest of what a merge keeps are states and times.
    tx.execute(
        """update case_merges set reason = '', before = jsonb_set(before, '{reason}', '""')
           where case_id = any(%(cases)b) or into_id = any(%(cases)b)""",
        values,
    )
    tx.execute("update case_splits set reason = '' where case_id = any(%(cases)b) or new_id = any(%(cases)b)", values)
    tx.execute(
        """update answers set text = case when text = '' then '' else %(mark)s end,
                              comment = case when comment = '' then '' else %(mark)s end
           where case_id = any(%(cases)b)""",
        values,
    )
    tx.execute("update notes set text = %(mark)s where kind = 'case' and record_id = any(%(cases)b)", values)
    tx.execute("update cases set forgotten_at = %(now)s where id = any(%(cases)b)", values)
