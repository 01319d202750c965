"""SQL on outgoing webhooks: messages for subscribers, and claims on subscribers.

Claims and pauses go by the database's clock, as those of deliveries do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from shared.storage import Transaction, arrays

CHANNEL = "notify_service_webhooks"
"""Of the signal that there is something to send; given on commit."""
MOST_COUNTED = 100_000


class Told(NamedTuple):
    """An event for one subscriber. `item`: its key on the topic; `body`: what is sent."""

    webhook: str
    event_id: UUID
    event_type: str
    item: str
    body: str


class Held(NamedTuple):
    """A subscriber that this process sends to under a lease. `claim` names the lease; `failures`: in a row so far."""

    webhook: str
    claim: int
    failures: int


class Message(NamedTuple):
    """A message that waits."""

    event_id: UUID
    body: str


def queue(tx: Transaction, messages: Sequence[Told]) -> None:
    """Queue messages, in this order; those known already stay as they are. Wakes the senders on commit."""
    if not messages:
        return
    tx.execute(
        "insert into webhooks (code) select unnest(%b::text[]) on conflict do nothing",
        (arrays.texts(sorted({message.webhook for message in messages})),),
    )
    columns = {
        "webhook": arrays.texts([message.webhook for message in messages]),
        "event_id": arrays.uuids([message.event_id for message in messages]),
        "event_type": arrays.texts([message.event_type for message in messages]),
        "item": arrays.texts([message.item for message in messages]),
        "body": arrays.texts([message.body for message in messages]),
    }
    arrays.insert(tx, "webhook_messages", columns, "on conflict do nothing")
    tx.execute("select pg_notify(%s, '')", (CHANNEL,))


def erase(tx: Transaction, items: Collection[str]) -> None:
    """Forget what was to be told, or was, of these items; none of it is sent any more."""
    if items:
        tx.execute(
            "update webhook_messages set state = 'erased', body = '' where item = any(%b) and state <> 'erased'",
            (arrays.texts(sorted(items)),),
        )


_CLAIM = """
with due as (
    select code from webhooks w
    where code = any(%(codes)b) and paused_at is null and due_at <= now() and claimed_until <= now()
      and exists (select 1 from webhook_messages m where m.webhook = w.code and m.state = 'waiting')
    order by due_at, code limit %(limit)s for update skip locked
)
update webhooks w set claims = claims + 1, claimed_by = %(me)s, claimed_until = now() + %(lease)s
from due where w.code = due.code returning w.code, w.claims, w.failures
"""


def claim(tx: Transaction, me: str, codes: Sequence[str], limit: int, lease: timedelta) -> list[Held]:
    """Claim up to `limit` of these subscribers that have something due and that nobody else sends to."""
    return [Held(*row) for row in tx.rows(_CLAIM, {"codes": arrays.texts(codes), "limit": limit, "me": me, "lease": lease})]


def release_own(tx: Transaction, me: str) -> int:
    """End the leases that an earlier process of this name left open. Returns how many."""
    return tx.execute("update webhooks set claimed_until = now() where claimed_by = %s and claimed_until > now()", (me,)).rowcount


def release(tx: Transaction, held: Held) -> None:
    """Leave a subscriber to whoever claims it next."""
    tx.execute(
        "update webhooks set claimed_until = now(), due_at = greatest(due_at, now()) where code = %s and claims = %s",
        (held.webhook, held.claim),
    )


def waiting(tx: Transaction, webhook: str, limit: int) -> list[Message]:
    """The first messages that wait for a subscriber, in their order."""
    rows = tx.rows(
        "select event_id, body from webhook_messages where webhook = %s and state = 'waiting' order by sequence limit %s", (webhook, limit)
    )
    return [Message(*row) for row in rows]


def may_send(tx: Transaction, held: Held, event_id: UUID, lease: timedelta) -> bool:
    """Count an attempt and prolong the lease; False: the lease is lost, somebody paused the webhook, or the message waits no more."""
    tx.execute("set local synchronous_commit = off")
    row = tx.row(
        """with mine as (
               update webhooks set claimed_until = now() + %(lease)s
               where code = %(code)s and claims = %(claim)s and claimed_until > now() and paused_at is null returning code
           )
           update webhook_messages m set attempts = attempts + 1 from mine
           where m.webhook = mine.code and m.event_id = %(event)s and m.state = 'waiting' returning 1""",
        {"lease": lease, "code": held.webhook, "claim": held.claim, "event": event_id},
    )
    return row is not None


def taken(tx: Transaction, held: Held, event_id: UUID, status: int) -> None:
    """The subscriber has a message. Recorded also when the lease was lost meanwhile: what it has it need not have twice."""
    tx.execute(
        "update webhook_messages set state = 'taken', taken_at = now() where webhook = %s and event_id = %s and state = 'waiting'",
        (held.webhook, event_id),
    )
    tx.execute(
        """update webhooks set failures = 0, failing_since = null, error = '', status = %s, taken_at = now()
           where code = %s and claims = %s""",
        (status, held.webhook, held.claim),
    )


def failed(tx: Transaction, held: Held, status: int, error: str) -> tuple[int, timedelta]:
    """Record a failure; how many there are in a row now, and for how long."""
    row = tx.row(
        """update webhooks set failures = failures + 1, failing_since = coalesce(failing_since, now()), status = %s, error = %s
           where code = %s and claims = %s returning failures, now() - failing_since""",
        (status, error[:1000], held.webhook, held.claim),
    )
    return (int(row[0]), row[1]) if row else (held.failures + 1, timedelta(0))


def try_again(tx: Transaction, held: Held, after: timedelta) -> None:
    """Leave the subscriber alone for a time."""
    tx.execute(
        "update webhooks set due_at = now() + %s, claimed_until = now() where code = %s and claims = %s", (after, held.webhook, held.claim)
    )


def pause(tx: Transaction, webhook: str, by: str, why: str) -> bool:
    """Send no more until somebody resumes it; what happens meanwhile is queued. False: it is paused already."""
    row = tx.row(
        """insert into webhooks as w (code, paused_at, paused_by, paused_why) values (%(code)s, now(), %(by)s, %(why)s)
           on conflict (code) do update set paused_at = now(), paused_by = %(by)s, paused_why = %(why)s where w.paused_at is null
           returning 1""",
        {"code": webhook, "by": by, "why": why[:1000]},
    )
    return row is not None


def resume(tx: Transaction, webhook: str) -> bool:
    """Send again, at once, and forget the failures before. False: there is nothing that kept it from sending."""
    found = tx.execute(
        """update webhooks set paused_at = null, paused_by = '', paused_why = '', failures = 0, failing_since = null, due_at = now()
           where code = %s and (paused_at is not null or failures > 0)""",
        (webhook,),
    ).rowcount
    tx.execute("select pg_notify(%s, '')", (CHANNEL,))
    return found > 0


def replay(tx: Transaction, webhook: str, since: datetime | None, until: datetime | None, events: Sequence[UUID]) -> int:
    """Have taken and skipped messages wait again at their old place in the order; how many. By when they came about, or by their ids."""
    again = tx.execute(
        """update webhook_messages set state = 'waiting', taken_at = null
           where webhook = %(code)s and state in ('taken', 'skipped')
             and case when %(since)s::timestamptz is null then event_id = any(%(events)b)
                      else created_at >= %(since)s and (%(until)s::timestamptz is null or created_at < %(until)s) end""",
        {"code": webhook, "since": since, "until": until, "events": arrays.uuids(events)},
    ).rowcount
    tx.execute("select pg_notify(%s, '')", (CHANNEL,))
    return again


def skip(tx: Transaction, webhook: str, event: UUID) -> bool:
    """Pass over a message that the subscriber cannot take; False: it does not wait."""
    done = tx.execute(
        "update webhook_messages set state = 'skipped' where webhook = %s and event_id = %s and state = 'waiting'", (webhook, event)
    ).rowcount
    if done:
        tx.execute("update webhooks set failures = 0, failing_since = null, due_at = now() where code = %s", (webhook,))
        tx.execute("select pg_notify(%s, '')", (CHANNEL,))
    return done > 0


def states(tx: Transaction) -> dict[str, dict[str, Any]]:
    """How each subscriber is doing, with how many messages wait for it, counted up to `MOST_COUNTED`, and since when the first has."""
    rows = tx.dicts(
        """select w.code, w.failures, w.failing_since, w.due_at, w.status, w.error, w.taken_at, w.paused_at, w.paused_by, w.paused_why,
                  (select count(*)::int from (select from webhook_messages m where m.webhook = w.code and m.state = 'waiting'
                                              limit %s) counted) as waiting,
                  (select created_at from webhook_messages m where m.webhook = w.code and m.state = 'waiting'
                   order by sequence limit 1) as waiting_since
           from webhooks w order by w.code""",
        (MOST_COUNTED,),
    )
    return {row["code"]: row for row in rows}


def listed(tx: Transaction, webhook: str, state: str | None, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Messages for a subscriber, the newest first, without what they say; `before`: the sequence that the page before ended with."""
    return tx.dicts(
        """select sequence, event_id, event_type, item, state, attempts, created_at, taken_at from webhook_messages
           where webhook = %(code)s and (%(state)s::text is null or state = %(state)s)
             and (%(before)s::bigint is null or sequence < %(before)s) order by sequence desc limit %(limit)s""",
        {"code": webhook, "state": state, "before": before, "limit": limit},
    )


def purge(tx: Transaction, keep: timedelta, limit: int) -> int:
    """Delete up to `limit` messages older than `keep`; how many. Also such as nobody took: their subscriber has been away for so long."""
    return tx.execute(
        """delete from webhook_messages where ctid = any(array(
               select ctid from webhook_messages where created_at < now() - %s order by created_at limit %s for update skip locked))""",
        (keep, limit),
    ).rowcount
