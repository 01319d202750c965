"""The chases of cases that wait for their customers (EDGE-10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.chasing import Chase
from services.case.storage import cases
from services.case.storage.records import columns_of, insert
from shared.storage import Transaction, arrays

_COLUMNS = ", ".join(columns_of(Chase))


def begin(tx: Transaction, subjects: Collection[str], now: datetime, most: int) -> int:
    """Begin the chase of up to `most` cases of these subjects that wait and have none; how many.

    One that is locked just now, perhaps to be deleted, is left for the next time.
    """
    return tx.execute(
        """insert into chases (case_id, since, reminded, due_at, revision, is_over)
           select k.id, null, 0, %(now)s::timestamptz, 0, false from cases k
           where (k.waiting_for_customer or k.awaiting_acceptance <> '') and k.state not in ('completed', 'cancelled')
             and k.subject = any(%(subjects)b) and not exists (select from chases c where c.case_id = k.id)
           order by k.id limit %(most)s for key share of k skip locked
           on conflict (case_id) do nothing""",
        {"now": now, "subjects": arrays.texts(subjects), "most": most},
    ).rowcount


def wake(tx: Transaction, now: datetime) -> int:
    """Have those that rest looked at whose case has changed; how many."""
    return tx.execute(
        """update chases set due_at = %s where case_id in (
               select c.case_id from chases c join cases k on k.id = c.case_id
               where c.due_at is null and c.revision <> k.revision order by c.case_id for update of c skip locked)""",
        (now,),
    ).rowcount


def lock_due(tx: Transaction, now: datetime, most: int) -> dict[UUID, tuple[Case, Chase]]:
    """Lock up to `most` cases whose chase is to be looked at, those due first, but for those that somebody else has locked.

    The case's lock is what counts: nobody else looks at its chase, and nothing joins it, until the transaction ends. So the chases are read
    only then, for another worker may have done what was due just now.
    """
    due = tx.rows("select case_id from chases where due_at <= %s order by due_at limit %s", (now, most))
    if not due:
        return {}
    locked = cases.lock_free(tx, [row[0] for row in due])
    rows = tx.rows(f"select {_COLUMNS} from chases where case_id = any(%b) and due_at <= %s", (arrays.uuids(locked), now))
    return {row[0]: (locked[row[0]], Chase(*row)) for row in rows}


def silent_since(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Since when the customer of each of these cases is silent: no word of theirs, and no other question to them."""
    rows = tx.rows(
        """select k.id, greatest(
               k.opened_at,
               (select max(h.changed_at) from history h where h.case_id = k.id and h.field in ('status', 'awaiting_acceptance')),
               (select max(a.given_at) from answers a where a.case_id = k.id and a.stage = k.awaiting_acceptance),
               (select max(c.received_at) from case_communications l join communications c on c.id = l.communication_id
                where l.case_id = k.id and c.direction = 'inbound' and c.robot = 'none' and not c.old))
           from cases k where k.id = any(%b)""",
        (arrays.uuids(ids),),
    )
    return {row[0]: row[1] for row in rows}


def keep(tx: Transaction, chases: Sequence[Chase]) -> None:
    """Write chases that are under way; their cases are locked."""
    assigned = ", ".join(f"{column} = excluded.{column}" for column in columns_of(Chase)[1:])
    insert(tx, "chases", chases, f"on conflict (case_id) do update set {assigned}")


def end(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Forget the chases of these cases."""
    if ids:
        tx.execute("delete from chases where case_id = any(%b)", (arrays.uuids(ids),))
