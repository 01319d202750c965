"""SQL on deliveries. Every statement works on a set.

Leases and retries go by the database's clock: all senders share that one, whatever their own clocks say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.notify.domain.occasions import PRESSING, Delivery, Occasion
from services.notify.domain.retry import Outcome
from services.notify.storage.wakeup import CHANNEL
from shared.storage import Transaction, arrays


class Claimed(NamedTuple):
    """A delivery that this process holds under a lease. `attempt` counts claims, from 1; `age` is the time since it was queued."""

    id: UUID
    definition: str
    template: str
    config_version: int
    item_kind: str
    item_id: UUID
    case_id: UUID | None
    thread_id: UUID
    recipient: str
    recipient_name: str
    audience: str
    facts: dict[str, str]
    message_id: str
    traceparent: str
    attempt: int
    taken_over: bool
    created_at: datetime
    age: timedelta


class Result(NamedTuple):
    """How a claim ended. `again_in` None: for good."""

    id: UUID
    attempt: int
    outcome: Outcome
    error: str = ""
    again_in: timedelta | None = None
    dead_status: str = ""
    """Where it was refused since nothing arrives at its address: the status that was given."""


class Finished(NamedTuple):
    """A delivery that has reached its end, sent or failed, with what its event needs."""

    id: UUID
    cause: UUID
    definition: str
    channel: str
    config_version: int
    item_kind: str
    item_id: UUID
    case_id: UUID | None
    recipient: str
    message_id: str
    traceparent: str
    state: str
    error: str
    revision: int
    finished_at: datetime
    waited: timedelta
    audience: str
    thread_id: UUID
    template: str
    created_at: datetime
    dead_status: str = ""
    """Where nothing arrives at its address any more: what was reported."""
    dead_since: datetime | None = None
    """With it, since when that is known; none: by this delivery."""


FINISHED = """d.id, d.cause, d.definition, d.channel, d.config_version, d.item_kind, d.item_id, d.case_id, d.recipient, d.message_id,
          d.traceparent, d.state, d.error, d.revision, d.finished_at, d.finished_at - d.created_at,
          d.audience, d.thread_id, d.template, d.created_at"""
"""The columns of `Finished`, of a table called d."""


def queue(tx: Transaction, deliveries: Sequence[Delivery], refused: Mapping[UUID, str]) -> list[Finished]:
    """Queue deliveries; those known already stay as they are. Wakes the senders on commit.

    `refused`: of deliveries that are not to be sent, why; they have failed at once, and are returned.
    """
    if not deliveries:
        return []
    occasions = [delivery.occasion for delivery in deliveries]
    recipients = [delivery.recipient for delivery in deliveries]
    columns = {
        "id": arrays.uuids([delivery.id for delivery in deliveries]),
        "cause": arrays.uuids([occasion.cause for occasion in occasions]),
        "item_id": arrays.uuids([occasion.item_id for occasion in occasions]),
        "case_id": arrays.uuids([occasion.case_id for occasion in occasions]),
        "thread_id": arrays.uuids([delivery.thread_id for delivery in deliveries]),
        "config_version": arrays.ints([occasion.config_version for occasion in occasions]),
        "item_kind": arrays.texts([occasion.item_kind for occasion in occasions]),
        "unit": _texts([occasion.unit for occasion in occasions]),
        "assignee": _texts([occasion.assignee for occasion in occasions]),
        "definition": arrays.texts([delivery.definition for delivery in deliveries]),
        "channel": arrays.texts([delivery.channel for delivery in deliveries]),
        "template": arrays.texts([delivery.template for delivery in deliveries]),
        "recipient": _texts([recipient.address for recipient in recipients]),
        "recipient_name": _texts([recipient.name for recipient in recipients]),
        "audience": arrays.texts([recipient.audience for recipient in recipients]),
        "message_id": arrays.texts([delivery.message_id for delivery in deliveries]),
        "traceparent": _texts([occasion.traceparent for occasion in occasions]),
        "facts": arrays.texts(_documents(occasions)),
        "expires_at": arrays.moments([delivery.expires_at for delivery in deliveries]),
        "pressing": arrays.bools([occasion.on in PRESSING for occasion in occasions]),
    }
    arrays.insert(tx, "deliveries", columns, "on conflict do nothing")
    tx.execute("select pg_notify(%s, '')", (CHANNEL,))
    return end(tx, refused)


def end(tx: Transaction, refused: Mapping[UUID, str]) -> list[Finished]:
    """Of these deliveries, those that wait have failed, for the reason that is given for each; they are returned."""
    if not refused:
        return []
    rows = tx.rows(
        f"""with refused as (
                select d.id, r.error, lower(d.recipient) as address from unnest(%b, %b) as r(id, error) join deliveries d on d.id = r.id
                where d.state = 'queued' order by d.id for update of d)
            update deliveries d set state = 'failed', revision = d.revision + 1, finished_at = now(), error = r.error
            from refused r left join suppressions s on s.address = r.address and s.reason = 'bounced'
            where d.id = r.id returning {FINISHED}, coalesce(s.status, ''), s.since""",
        (arrays.uuids(list(refused)), arrays.texts(list(refused.values()))),
    )
    return [Finished(*row) for row in rows]


# PostgreSQL's text holds no NUL; the parser at the door cleans mail, upstream systems need not have.
def _texts(values: Iterable[str]) -> arrays.Array:
    return arrays.texts([value.replace("\x00", "") for value in values])


def _documents(occasions: Sequence[Occasion]) -> Iterator[str]:
    """The facts of each as JSON, times in ISO form; made once for those that follow one another."""
    known: Occasion | None = None
    document = ""
    for occasion in occasions:
        if occasion is not known:
            known, document = occasion, orjson.dumps(occasion.facts).decode()
            if "\\u0000" in document:
                clean = {name: fact.replace("\x00", "") if isinstance(fact, str) else fact for name, fact in occasion.facts.items()}
                document = orjson.dumps(clean).decode()
        yield document


CLAIMED = """d.id, definition, template, config_version, item_kind, item_id, case_id, thread_id, recipient, recipient_name, audience,
          facts::json, message_id, traceparent, attempts, due.taken_over, created_at, now() - created_at"""
"""The columns of `Claimed`, of a table called d and those of it that are due."""
_CLAIM = f"""
with due as (
    select id, state = 'claimed' as taken_over from deliveries
    where state in ('queued', 'claimed') and channel = %(channel)s and due_at <= now() and (expires_at is null or expires_at > now())
    order by due_at, sequence limit %(limit)s for update skip locked
)
update deliveries d
set state = 'claimed', limited = false, claimed_by = %(me)s, due_at = now() + %(lease)s, attempts = attempts + 1,
    takeovers = takeovers + due.taken_over::int
from due where d.id = due.id
returning {CLAIMED}
"""


def claim(tx: Transaction, me: str, limit: int, lease: timedelta, channel: str = "email") -> list[Claimed]:
    """Claim up to `limit` due deliveries, also those whose lease has run out; skips what others are just claiming.

    The commit has to wait for the disk: a claim that a crash of the database undid would be claimed again while its holder sends it.
    """
    return [Claimed(*row) for row in tx.rows(_CLAIM, {"me": me, "limit": limit, "lease": lease, "channel": channel})]


def as_claimed(tx: Transaction, ids: Sequence[UUID]) -> list[Claimed]:
    """These deliveries as whoever claimed them last had them."""
    query = f"select {CLAIMED} from deliveries d, (select false as taken_over) due where d.id = any(%b)"
    return [Claimed(*row) for row in tx.rows(query, (arrays.uuids(ids),))]


def renew(tx: Transaction, claims: Sequence[tuple[UUID, int]], lease: timedelta) -> set[UUID]:
    """Prolong the leases of these claims (id, attempt); waits for the disk as `claim` does. Returns the ids of those still held."""
    rows = tx.rows(
        """with mine as (select d.id from deliveries d join unnest(%b, %b) as c(id, attempt) on d.id = c.id
                         where d.state = 'claimed' and d.attempts = c.attempt order by d.id for update of d)
           update deliveries d set due_at = now() + %s from mine where d.id = mine.id returning d.id""",
        (arrays.uuids([c[0] for c in claims]), arrays.ints([c[1] for c in claims]), lease),
    )
    return {row[0] for row in rows}


def release_own(tx: Transaction, me: str) -> int:
    """End the leases that an earlier process of this name left open, so that they are claimed again at once. Returns how many."""
    return tx.execute("update deliveries set due_at = now() where state = 'claimed' and claimed_by = %s and due_at > now()", (me,)).rowcount


# What is sent is sent, even if the lease was lost meanwhile, or the claim: that keeps whoever holds it now, or would claim it, from sending
# it again later.
# Any other end is only the holder's to record. The rows are looked up by id alone: with the state in that condition, the planner may
# take the index of what is due instead, and read all that waits.
_RECORD = f"""
with ended as (
    select * from unnest(%(ids)b, %(attempts)b, %(outcomes)b, %(errors)b, %(pauses)b) as r(id, attempt, outcome, error, microseconds)
), locked as (
    select id, state, attempts from deliveries where id = any(%(ids)b) order by id for update
)
update deliveries d
set state = case when e.outcome = 'sent' then 'sent' when e.microseconds is null then 'failed' else 'queued' end,
    due_at = case when e.microseconds is null then d.due_at else now() + e.microseconds * interval '1 microsecond' end,
    error = case when e.outcome = 'returned' then d.error else e.error end,
    revision = d.revision + (e.microseconds is null)::int,
    claimed_by = case when e.microseconds is null then d.claimed_by else '' end,
    finished_at = case when e.microseconds is null then now() end
from locked l join ended e on e.id = l.id
where d.id = l.id and (l.state = 'claimed' and l.attempts = e.attempt or l.state in ('claimed', 'queued') and e.outcome = 'sent')
returning {FINISHED}
"""
_MICROSECOND = timedelta(microseconds=1)


def record(tx: Transaction, results: Sequence[Result]) -> list[Finished]:
    """Record how claims ended. Returns the deliveries that have reached their end, locked, with the revision of the event that says so."""
    rows = tx.rows(
        _RECORD,
        {
            "ids": arrays.uuids([r.id for r in results]),
            "attempts": arrays.ints([r.attempt for r in results]),
            "outcomes": arrays.texts([r.outcome.value for r in results]),
            "errors": _texts([r.error.encode("utf-8", "replace").decode()[:1000] for r in results]),
            "pauses": arrays.big_ints([None if r.again_in is None else r.again_in // _MICROSECOND for r in results]),
        },
    )
    dead = {result.id: result.dead_status for result in results if result.dead_status}
    finished = [Finished(*row) for row in rows if row[11] in ("sent", "failed")]
    return [one._replace(dead_status=dead[one.id]) if one.state == "failed" and one.id in dead else one for one in finished]


def count(tx: Transaction) -> int:
    """How many deliveries there are."""
    row = tx.row("select count(*) from deliveries")
    return int(row[0]) if row else 0


def waiting(tx: Transaction) -> tuple[int, float]:
    """How many deliveries wait, and for how many seconds the oldest one has been due."""
    row = tx.row(
        """select count(*), coalesce(greatest(extract(epoch from now() - min(due_at)), 0), 0)::float8
           from deliveries where state in ('queued', 'claimed')"""
    )
    return (int(row[0]), float(row[1])) if row else (0, 0.0)


_LISTED = """select sequence, id, cause, item_kind, item_id, case_id, definition, template, config_version, channel, recipient,
                    recipient_name, audience, message_id, state, attempts, takeovers, error, created_at, due_at, finished_at,
                    expires_at, limited
             from deliveries"""


def listed(
    tx: Transaction,
    *,
    item_id: UUID | None = None,
    case_id: UUID | None = None,
    state: str | None = None,
    unit: str | None = None,
    assignee: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Deliveries, the newest first; `before`: the sequence that the page before ended with. State `queued` includes claimed ones.

    `unit` and `assignee`: only those about an item of theirs.
    """
    conditions = []
    values = {"limit": limit, "item": item_id, "case": case_id, "state": state, "unit": unit, "assignee": assignee, "before": before}
    if unit is not None:
        conditions.append("unit = %(unit)s")
    if assignee is not None:
        conditions.append("assignee = %(assignee)s")
    if item_id is not None:
        conditions.append("item_id = %(item)s")
    if case_id is not None:
        conditions.append("case_id = %(case)s")
    if state == "queued":
        conditions.append("state in ('queued', 'held', 'gathered', 'claimed')")
    elif state is not None:
        conditions.append("state = %(state)s")
    if before is not None:
        conditions.append("sequence < %(before)s")
    where = f"where {' and '.join(conditions)}" if conditions else ""
    return tx.dicts(f"{_LISTED} {where} order by sequence desc limit %(limit)s", values)


def get(tx: Transaction, delivery: UUID, *, unit: str | None = None, assignee: str | None = None) -> dict[str, Any] | None:
    """One delivery; None also when it is about no item of this unit or assignee, where one is given."""
    found = tx.dicts(
        f"""{_LISTED} where id = %(id)s and (%(unit)s::text is null or unit = %(unit)s)
                        and (%(assignee)s::text is null or assignee = %(assignee)s)""",
        {"id": delivery, "unit": unit, "assignee": assignee},
    )
    return found[0] if found else None


def erase_titles(tx: Transaction, items: Sequence[UUID]) -> None:
    """Forget the titles in messages about these communications and cases: those that were sent, and those that still wait."""
    if items:
        tx.execute(
            """update deliveries set facts = jsonb_set(facts::jsonb, '{title}', '"[erased]"')::text
               where id in (select id from deliveries where item_id = any(%(items)b) union
                            select id from deliveries where case_id = any(%(items)b))
                 and facts::jsonb ? 'title'""",
            {"items": arrays.uuids(items)},
        )


_PERSONAL = ("title", "customer", "customer_email", "task", "description", "message", "reason", "approval", "subject_line", "text")
"""Facts that may tell who a customer is, or hold what was written about them."""


def forget_customers(tx: Transaction, cases: Sequence[UUID]) -> list[Finished]:
    """Forget the customers of these cases, in messages to them and in those to staff. What waited to be sent to them has failed, and is
    returned; what is just being sent goes out.
    """
    if not cases:
        return []
    values = {"cases": arrays.uuids(cases), "personal": arrays.texts(_PERSONAL)}
    tx.execute(
        """with theirs as (
                   select distinct lower(recipient) as address from deliveries where case_id = any(%(cases)b) and audience = 'customer'),
                blanked as (update suppression_changes set address = '' where address in (select address from theirs))
           delete from suppressions where address in (select address from theirs)""",
        values,
    )
    rows = tx.rows(
        f"""update deliveries d set state = 'failed', revision = revision + 1, finished_at = now(),
                error = 'not sent: the customer was erased'
            where case_id = any(%(cases)b) and audience = 'customer' and state = 'queued' returning {FINISHED}""",
        values,
    )
    tx.execute(
        """update deliveries d set
               recipient = case when audience = 'customer' then '' else recipient end,
               recipient_name = case when audience = 'customer' then '' else recipient_name end,
               facts = (select coalesce(jsonb_object_agg(key, case when key = any(%(personal)b) and value <> '""'
                                                                   then '"[erased]"' else value end), '{}')
                        from jsonb_each(facts::jsonb))::text
           where case_id = any(%(cases)b)""",
        values,
    )
    return [Finished(*row)._replace(recipient="") for row in rows]
