"""SQL on how much may be sent: attempts of all senders together in a minute, messages to one recipient in an hour.

Both are counted in the database, which all senders share, and by its clock. Every statement works on a set.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.notify.domain.limits import Limits
from services.notify.storage.deliveries import CLAIMED, Claimed, claim
from shared.storage import Transaction, arrays

_LOCK = 0x6E6F7469
"""Of the advisory lock that claims under limits take, so that none counts what another is just taking."""
_WIDEST = 1000
"""So many due deliveries are looked at in one go, where most are for recipients who have had enough."""
_ROUNDS = 50
_NO_CAP = 2**31 - 1

# The second that began a minute ago counts whole: a minute is never too short.
_LEFT = """
select %(most)s - coalesce(sum(attempts), 0) from sending_seconds
where channel = %(channel)s and second >= date_trunc('second', now()) - interval '1 minute'
"""
_TAKE = """
with gone as (delete from sending_seconds where channel = %(channel)s and second < now() - interval '5 minutes')
insert into sending_seconds as s values (%(channel)s, date_trunc('second', now()), %(count)s)
on conflict (channel, second) do update set attempts = s.attempts + excluded.attempts
"""

# What a recipient has had: sent within the hour, or being sent. Never counted further than the cap. What was told on the desk only, or in a
# digest, was no message of its own: nobody attempted to send it.
_HAD = """(select count(*) from (
        select from deliveries u where lower(u.recipient) = {address} and u.state in ('claimed', 'sent') and u.attempts > 0
            and coalesce(u.finished_at, timestamptz 'infinity') > now() - interval '1 hour' limit %(pressing_cap)s) reached)"""

# Deliveries whose lease ran out are among those being sent, and are taken up again whatever the count.
CHOOSE = f"""
with candidates as materialized (
    select id, state, lower(recipient) as address, pressing, due_at, sequence from deliveries
    where state in ('queued', 'claimed') and channel = %(channel)s and due_at <= now() and (expires_at is null or expires_at > now())
    order by due_at, sequence limit %(scan)s for update skip locked
), had as materialized (
    select address, {_HAD.format(address="a.address")} as count from (select distinct address from candidates) a
), placed as (
    select c.*, row_number() over (partition by c.address, c.state order by c.pressing desc, c.sequence) + had.count as place
    from candidates c join had on had.address = c.address
), judged as (
    select id, due_at, sequence, state = 'claimed' or place <= case when pressing then %(pressing_cap)s else %(cap)s end as fits
    from placed
), limited as (
    update deliveries d set limited = true, due_at = now() + interval '1 hour' from judged j where d.id = j.id and not j.fits returning d.id
)
select (select count(*) from candidates), (select count(*) from limited),
       coalesce((select array_agg(id order by due_at, sequence) from (
           select id, due_at, sequence from judged where fits order by due_at, sequence limit %(limit)s) chosen), '{{}}')
"""
_CLAIM_CHOSEN = f"""
with due as (
    select id, state = 'claimed' as taken_over from deliveries where id = any(%(ids)b) order by id for update
)
update deliveries d
set state = 'claimed', limited = false, claimed_by = %(me)s, due_at = now() + %(lease)s, attempts = attempts + 1,
    takeovers = takeovers + due.taken_over::int
from due where d.id = due.id
returning {CLAIMED}
"""

# One step of the recursion finds the next address, so that a long queue for one of them is not read through. What is freed is due since it
# was queued: nothing newer for its recipient comes before it.
FREE = f"""
with recursive addresses(address) as (
    (select lower(recipient) from deliveries where limited and state = 'queued' order by lower(recipient) limit 1)
    union all
    select (select lower(d.recipient) from deliveries d where d.limited and d.state = 'queued' and lower(d.recipient) > a.address
            order by lower(d.recipient) limit 1)
    from addresses a where a.address is not null
), had as materialized (
    select address, {_HAD.format(address="a.address")} as count from addresses a where address is not null
), freed as (
    select f.id from had cross join lateral (
        (select id from deliveries d where d.limited and d.state = 'queued' and lower(d.recipient) = had.address and d.pressing
         order by d.sequence limit greatest(%(pressing_cap)s - had.count, 0))
        union all
        (select id from deliveries d where d.limited and d.state = 'queued' and lower(d.recipient) = had.address and not d.pressing
         order by d.sequence limit greatest(%(cap)s - had.count, 0))) f
)
update deliveries d set limited = false, due_at = d.created_at from freed where d.id = freed.id and d.limited and d.state = 'queued'
"""


def claim_within(tx: Transaction, me: str, limit: int, lease: timedelta, limits: Limits, channel: str) -> tuple[list[Claimed], bool]:
    """`deliveries.claim` under limits; and whether more may be due that may be sent.

    Takes no more than is left of the channel's minute. What is for a recipient who has had enough is put off, and freed in its order once
    there is room again.
    """
    per_minute = limits.a_minute.get(channel)
    if per_minute is None and limits.to_one_an_hour is None:
        free(tx, limits)
        claimed = claim(tx, me, limit, lease, channel)
        return claimed, len(claimed) == limit
    tx.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
    wanted = limit
    if per_minute is not None:
        wanted = min(limit, left_of_the_minute(tx, channel, per_minute))
        if wanted <= 0:
            return [], False
    free(tx, limits)
    if limits.to_one_an_hour is None:
        claimed = claim(tx, me, wanted, lease, channel)
        more = len(claimed) == wanted
    else:
        ids, more = _choose(tx, wanted, limits, channel)
        values: dict[str, Any] = {"ids": arrays.uuids(ids), "me": me, "lease": lease}
        claimed = [Claimed(*row) for row in tx.rows(_CLAIM_CHOSEN, values)] if ids else []
    if per_minute is not None and claimed:
        tx.execute(_TAKE, {"channel": channel, "count": len(claimed)})
    return claimed, more


def left_of_the_minute(tx: Transaction, channel: str, most: int) -> int:
    """How many attempts may still be made now."""
    row = tx.row(_LEFT, {"channel": channel, "most": most})
    return int(row[0]) if row else most


def free(tx: Transaction, limits: Limits) -> int:
    """Make those due again that were put off and whose recipient has room, in their order. Returns how many."""
    return tx.execute(FREE, caps(limits)).rowcount


def limited(tx: Transaction) -> int:
    """How many deliveries wait because their recipient has had enough."""
    row = tx.row("select count(*) from deliveries where limited and state = 'queued'")
    return int(row[0]) if row else 0


def caps(limits: Limits) -> dict[str, int]:
    """The caps on what one recipient gets in an hour, as the statements take them."""
    cap = _NO_CAP if limits.to_one_an_hour is None else limits.to_one_an_hour
    return {"cap": cap, "pressing_cap": max(cap, limits.pressing_to_one_an_hour)}


def _choose(tx: Transaction, wanted: int, limits: Limits, channel: str) -> tuple[list[UUID], bool]:
    """Which deliveries are claimed; and whether more may be due. Those that were looked at stay locked."""
    chosen: list[UUID] = []
    scan = wanted
    for _ in range(_ROUNDS):
        row = tx.row(CHOOSE, {**caps(limits), "channel": channel, "scan": scan, "limit": wanted})
        seen, put_back, chosen = row if row else (0, 0, [])
        # Where much was put back there may be more behind it, for others. What fitted is still there, and is found again.
        if len(chosen) == wanted or seen < scan or not put_back:
            return chosen, seen == scan
        scan = max(wanted, _WIDEST)
    return chosen, True
