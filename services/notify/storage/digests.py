"""SQL on digests: which messages are due for one, which are in one, and what became of them with it. Every statement works on a set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from services.notify.domain.digest import DIGEST, MOST_ITEMS
from services.notify.storage.deliveries import FINISHED, Claimed, Finished
from shared.storage import Transaction, arrays

_GATHERING = 7_023_118_905_411
"""The advisory lock of who gathers."""


class Waiting(NamedTuple):
    """A message whose digest is due."""

    delivery_id: UUID
    user: str
    until: datetime


def may_gather(tx: Transaction) -> bool:
    """Whether this transaction is the one that gathers: of several senders one does, so that nobody's messages are divided."""
    row = tx.row("select pg_try_advisory_xact_lock(%s)", (_GATHERING,))
    return bool(row and row[0])


def due(tx: Transaction, now: datetime, users: int) -> list[Waiting]:
    """The messages that are due for a digest by now, of up to so many users, all of each; locked."""
    rows = tx.rows(
        """with whose as (select username, min(hold_until) as since from notifications
                          where hold = 'digest' and hold_until <= %(now)s group by username order by since limit %(users)s)
           select d.id, n.username, n.hold_until from whose join notifications n using (username)
           join deliveries d on d.id = n.delivery_id
           where n.hold = 'digest' and n.hold_until <= %(now)s and d.state = 'held' order by d.id for update of d""",
        {"now": now, "users": users},
    )
    return [Waiting(*row) for row in rows]


def existing(tx: Transaction, digests: Sequence[UUID]) -> set[UUID]:
    """Which of these digests there are already."""
    return {row[0] for row in tx.rows("select id from deliveries where id = any(%b)", (arrays.uuids(digests),))}


def collect(tx: Transaction, messages: Sequence[UUID], digests: Sequence[UUID]) -> None:
    """Each message is in its digest now."""
    values = (arrays.uuids(messages), arrays.uuids(digests))
    tx.execute(
        """update notifications n set hold = '', digest_id = g.digest from unnest(%b, %b) as g(id, digest) where n.delivery_id = g.id""",
        values,
    )
    tx.execute("update deliveries set state = 'gathered' where id = any(%b) and state = 'held'", (values[0],))


def put_off(tx: Transaction, messages: Sequence[UUID], until: Sequence[datetime]) -> None:
    """Each message waits for a later digest."""
    values = (arrays.uuids(messages), arrays.moments(until))
    tx.execute("update notifications n set hold_until = p.until from unnest(%b, %b) as p(id, until) where n.delivery_id = p.id", values)
    tx.execute(
        "update deliveries d set due_at = p.until from unnest(%b, %b) as p(id, until) where d.id = p.id and d.state = 'held'", values
    )


def give_up(tx: Transaction, messages: Sequence[UUID], error: str) -> list[Finished]:
    """Messages whose digest nobody gets have failed; those."""
    if not messages:
        return []
    tx.execute("update notifications set hold = '' where delivery_id = any(%b)", (arrays.uuids(messages),))
    rows = tx.rows(
        f"""update deliveries d set state = 'failed', revision = revision + 1, finished_at = now(), error = %s
            where id = any(%b) and state = 'held' returning {FINISHED}""",
        (error, arrays.uuids(messages)),
    )
    return [Finished(*row) for row in rows]


def with_items(tx: Transaction, claimed: list[Claimed]) -> list[Claimed]:
    """The claims, those of digests with what they tell of: what was taken back since is not in them."""
    digests = [one.id for one in claimed if one.item_kind == DIGEST]
    if not digests:
        return claimed
    rows = tx.rows(
        """select digest_id, occasion, item_kind, item_id, case_id, created_at, facts, count from (
               select n.digest_id, n.occasion, d.item_kind, d.item_id, d.case_id, n.created_at, d.facts::json,
                      row_number() over newest as place, count(*) over (partition by n.digest_id) as count, n.sequence
               from notifications n join deliveries d on d.id = n.delivery_id
               where n.digest_id = any(%b) and d.state = 'gathered'
               window newest as (partition by n.digest_id order by n.sequence desc)) as parts
           where place <= %s order by sequence desc""",
        (arrays.uuids(digests), MOST_ITEMS),
    )
    items: dict[UUID, list[dict[str, object]]] = {}
    counts: dict[UUID, int] = {}
    for digest, on, item_kind, item_id, case_id, at, facts, count in rows:
        item = {"on": on, "item_kind": item_kind, "item_id": item_id, "case_id": case_id, "at": at, "facts": facts}
        items.setdefault(digest, []).append(item)
        counts[digest] = count
    return [
        one._replace(facts=one.facts | {"items": orjson.dumps(items.get(one.id, [])).decode(), "count": str(counts.get(one.id, 0))})
        if one.item_kind == DIGEST
        else one
        for one in claimed
    ]


def told(tx: Transaction, finished: Sequence[Finished]) -> list[Finished]:
    """What becomes of a digest becomes of every message in it; those that it does."""
    digests = [one for one in finished if one.item_kind == DIGEST]
    if not digests:
        return []
    rows = tx.rows(
        f"""with parts as (
                select d.id, o.state, o.error from unnest(%b, %b, %b) as o(id, state, error)
                join notifications n on n.digest_id = o.id join deliveries d on d.id = n.delivery_id
                where d.state in ('gathered', 'sent') and d.state <> o.state order by d.id for update of d)
            update deliveries d set state = p.state, error = p.error, revision = d.revision + 1, finished_at = now()
            from parts p where d.id = p.id returning {FINISHED}""",
        (
            arrays.uuids([one.id for one in digests]),
            arrays.texts([one.state for one in digests]),
            arrays.texts([one.error for one in digests]),
        ),
    )
    return [Finished(*row) for row in rows]
