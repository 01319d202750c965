"""SQL on what members of staff were told, and on what of it waits. Every statement works on a set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.preferences import GIVEN, LAPSING
from services.notify.storage.deliveries import FINISHED, Finished
from shared.storage import Transaction, arrays


class Notice(NamedTuple):
    """Something that somebody is told by a delivery. `hold`: empty, `quiet`, `digest`, or `desk` for what is told on the desk only."""

    delivery_id: UUID
    item_id: UUID
    user: str
    on: str
    hold: str = ""
    until: datetime | None = None


class Lapse(NamedTuple):
    """An item, or an approval on it, that has ended or that `holder` has now: messages before that are not sent any more, if they wait.

    `keep`: deliveries of the same transaction that came after it.
    """

    item_id: UUID
    holder: str
    has_ended: bool
    approval: str = ""
    keep: tuple[UUID, ...] = ()


def add(tx: Transaction, notices: Sequence[Notice]) -> None:
    """Record what is told, and hold the deliveries that have to wait; they are queued already. Known ones stay as they are."""
    if not notices:
        return
    columns = {
        "delivery_id": arrays.uuids([notice.delivery_id for notice in notices]),
        "item_id": arrays.uuids([notice.item_id for notice in notices]),
        "hold_until": arrays.moments([notice.until for notice in notices]),
        "hold": arrays.codes(["" if notice.hold == "desk" else notice.hold for notice in notices]),
        "username": arrays.codes([notice.user for notice in notices]),
        "occasion": arrays.codes([notice.on for notice in notices]),
    }
    arrays.insert(tx, "notifications", columns, "on conflict do nothing")
    if held := [notice for notice in notices if notice.hold]:
        tx.execute(
            """update deliveries d set
                   state = case h.hold when 'digest' then 'held' when 'desk' then 'sent' else d.state end,
                   due_at = coalesce(h.until, d.due_at),
                   finished_at = case when h.hold = 'desk' then now() end
               from unnest(%b, %b, %b) as h(id, hold, until)
               where d.id = h.id and d.state = 'queued' and d.attempts = 0""",
            (
                arrays.uuids([notice.delivery_id for notice in held]),
                arrays.codes([notice.hold for notice in held]),
                arrays.moments([notice.until for notice in held]),
            ),
        )


def is_any_held(tx: Transaction) -> bool:
    """Whether anything waits at all: mostly nothing does, and nothing more need be asked."""
    return tx.row("select 1 from notifications where hold <> '' limit 1") is not None


def lapse(tx: Transaction, lapses: Sequence[Lapse]) -> list[Finished]:
    """What waits about these items and is none of anybody's business any more has failed; those."""
    if not lapses or not is_any_held(tx):
        return []
    rows = tx.rows(
        f"""with lapsing as (
                select d.id from notifications n
                join unnest(%(items)b, %(holders)b, %(ended)b, %(approvals)b) as l(item_id, holder, has_ended, approval)
                    on l.item_id = n.item_id
                join deliveries d on d.id = n.delivery_id
                where n.hold <> '' and d.state in ('queued', 'held') and d.attempts = 0 and d.id <> all(%(keep)b)
                  and case when l.approval = '' then n.occasion = any(%(lapsing)b) and (
                               l.has_ended or (d.assignee = n.username and n.username <> l.holder)
                               -- what was for a whole role or unit is settled for all of them once somebody has it
                               or (d.assignee = '' and l.holder <> '' and n.occasion = any(%(given)b)))
                           else n.occasion in ('approval.asked', 'approval.reminded') and d.facts::json->>'approval_id' = l.approval
                               and (l.has_ended or n.username <> l.holder) end
                order by d.id for update of d)
            update deliveries d set state = 'failed', revision = revision + 1, finished_at = now(),
                error = 'not sent: it was settled while the message waited'
            from lapsing l where d.id = l.id returning {FINISHED}""",
        {
            "items": arrays.uuids([one.item_id for one in lapses]),
            "holders": arrays.texts([one.holder for one in lapses]),
            "ended": arrays.bools([one.has_ended for one in lapses]),
            "approvals": arrays.texts([one.approval for one in lapses]),
            "lapsing": arrays.texts(LAPSING),
            "given": arrays.texts(GIVEN),
            "keep": arrays.uuids([kept for one in lapses for kept in one.keep]),
        },
    )
    found = [Finished(*row) for row in rows]
    remove(tx, [one.id for one in found])
    return found


def remove(tx: Transaction, deliveries: Sequence[UUID]) -> None:
    """What was not sent was not told either."""
    if deliveries:
        tx.execute("delete from notifications where delivery_id = any(%b)", (arrays.uuids(deliveries),))


def end_holds(tx: Transaction, now: datetime) -> None:
    """Quiet hours that are over hold nothing."""
    tx.execute("update notifications set hold = '' where hold = 'quiet' and hold_until <= %s", (now - timedelta(days=1),))


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget up to `limit` of what was told before this, except what waits still; how many."""
    return tx.execute(
        """delete from notifications where delivery_id in (
               select n.delivery_id from notifications n left join deliveries d on d.id = n.delivery_id
               where n.created_at < %s and n.hold = '' and d.state is distinct from 'gathered' limit %s)""",
        (before, limit),
    ).rowcount


# For who was told

_LISTED = """select n.sequence, n.delivery_id as id, n.occasion, n.created_at, n.read_at, d.item_kind, d.item_id, d.case_id, d.channel,
                    d.state, n.hold, n.hold_until, n.digest_id, d.facts
             from notifications n join deliveries d on d.id = n.delivery_id
             where n.username = %(user)s"""


def listed(tx: Transaction, user: str, *, unread: bool, before: int | None, limit: int) -> list[dict[str, Any]]:
    """What this user was told, the newest first; `before`: the sequence that the page before ended with."""
    more = (" and n.read_at is null" if unread else "") + (" and n.sequence < %(before)s" if before is not None else "")
    return tx.dicts(f"{_LISTED}{more} order by n.sequence desc limit %(limit)s", {"user": user, "before": before, "limit": limit})


def count_unread(tx: Transaction, user: str, most: int) -> int:
    """How many this user has not read, as far as `most`."""
    row = tx.row(
        """select count(*) from (select from notifications where username = %s and read_at is null limit %s) as unread""",
        (user, most),
    )
    return int(row[0]) if row else 0


def read(tx: Transaction, user: str, ids: Sequence[UUID], now: datetime) -> int:
    """This user has read these; how many were new."""
    return tx.execute(
        "update notifications set read_at = %s where username = %s and delivery_id = any(%b) and read_at is null",
        (now, user, arrays.uuids(ids)),
    ).rowcount


def read_until(tx: Transaction, user: str, sequence: int, now: datetime) -> int:
    """This user has read all up to this; how many were new."""
    return tx.execute(
        "update notifications set read_at = %s where username = %s and read_at is null and sequence <= %s",
        (now, user, sequence),
    ).rowcount
