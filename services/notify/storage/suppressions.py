"""SQL on the suppression list: addresses and domains that are not written to, and what operators did to it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.notify.domain.suppressions import WHOLE_DOMAIN, Suppression, entries_for, suppressed
from services.notify.storage.deliveries import Finished, end
from shared.storage import Transaction, arrays

_COUNTS: Final = "(until is null or until > now())"


class Removed(NamedTuple):
    """An entry that was taken off the list. `change`: which of the changes that is; `delivery_id`: what had come back."""

    change: int
    reason: str
    delivery_id: UUID | None


class Restored(NamedTuple):
    """An address, in small letters, or a number that is known to work since `at`, and who says so."""

    address: str
    at: datetime
    by: str


def is_any(tx: Transaction) -> bool:
    """Whether anything is on the list at all: mostly nothing is, and no more need be asked."""
    return tx.row("select 1 from suppressions limit 1") is not None


def found(tx: Transaction, addresses: Collection[str]) -> dict[str, Suppression]:
    """Those of `addresses` (in small letters) that are not written to, with the entry that says so."""
    if not addresses:
        return {}
    wanted = sorted({entry for address in addresses for entry in entries_for(address)})
    rows = tx.rows(
        f"select address, reason, status, note, until from suppressions where address = any(%b) and {_COUNTS}", (arrays.texts(wanted),)
    )
    return suppressed(addresses, {row[0]: Suppression(*row) for row in rows})


def end_waiting(tx: Transaction) -> list[Finished]:
    """What waits for an address or domain that has come to the list since the last time has failed, and is returned.

    Where there is one, all that waits is read: an entry is made seldom.
    """
    entries = [row[0] for row in tx.rows("update suppressions set applied = true where not applied returning address")]
    if not entries:
        return []
    rows = tx.rows(
        """select id, lower(recipient) from deliveries
           where state = 'queued'
             and (lower(recipient) = any(%(entries)b) or %(domain)s || split_part(lower(recipient), '@', 2) = any(%(entries)b))""",
        {"entries": arrays.texts(entries), "domain": WHOLE_DOMAIN},
    )
    suppressions = found(tx, {row[1] for row in rows})
    return end(tx, {row[0]: suppressions[row[1]].error for row in rows if row[1] in suppressions})


def listed(tx: Transaction, after: str, limit: int, reason: str | None = None) -> list[dict[str, Any]]:
    """Entries that count now, by address, from the first one after `after`; of one reason or all."""
    return tx.dicts(
        f"""select address, reason, status, note, added_by, delivery_id, since, until from suppressions
            where address > %(after)s and {_COUNTS} and (%(reason)s::text is null or reason = %(reason)s)
            order by address limit %(limit)s""",
        {"after": after, "limit": limit, "reason": reason},
    )


def add(tx: Transaction, entry: Suppression, by: str) -> None:
    """Put an address or domain on the list; one that is there is replaced."""
    values = {**entry._asdict(), "by": by}
    tx.execute(
        """insert into suppressions (address, reason, note, added_by, until)
           values (%(address)s, %(reason)s, %(note)s, %(by)s, %(until)s)
           on conflict (address) do update set reason = excluded.reason, status = '', note = excluded.note, added_by = excluded.added_by,
               delivery_id = null, since = now(), until = excluded.until, applied = false""",
        values,
    )
    tx.execute(
        """insert into suppression_changes (by_user, what, address, reason, note, until)
           values (%(by)s, 'added', %(address)s, %(reason)s, %(note)s, %(until)s)""",
        values,
    )


def remove(tx: Transaction, address: str, by: str, reason: str | None = None) -> Removed | None:
    """Take an entry off the list, where `reason` is given only one of that. None: there is no such entry."""
    row = tx.row(
        """with gone as (delete from suppressions where address = %(address)s and (%(reason)s::text is null or reason = %(reason)s)
                         returning address, reason, delivery_id),
                told as (insert into suppression_changes (by_user, what, address, reason)
                         select %(by)s, 'removed', address, reason from gone returning id)
           select told.id, gone.reason, gone.delivery_id from gone, told""",
        {"address": address, "by": by, "reason": reason},
    )
    return None if row is None else Removed(*row)


def revive(tx: Transaction, addresses: Collection[str]) -> int:
    """Whoever has these addresses (in small letters) made contact: where they had bounced they are written to again. Returns how many."""
    if not addresses:
        return 0
    return tx.execute(
        "delete from suppressions where reason = 'bounced' and address = any(%b)", (arrays.texts(sorted(addresses)),)
    ).rowcount


def restore(tx: Transaction, restored: Sequence[Restored]) -> None:
    """What came back before an address was known to work again says nothing any more. Entries for other reasons stay."""
    if not restored:
        return
    tx.execute(
        """with gone as (
               delete from suppressions s using unnest(%b::text[], %b::timestamptz[], %b::text[]) as r (address, at, by_user)
               where s.address = r.address and s.reason = 'bounced' and s.since <= r.at returning r.by_user, s.address, s.reason)
           insert into suppression_changes (by_user, what, address, reason) select by_user, 'removed', address, reason from gone""",
        (
            arrays.texts([one.address for one in restored]),
            arrays.moments([one.at for one in restored]),
            arrays.texts([one.by for one in restored]),
        ),
    )


def changes(tx: Transaction, before: int | None, limit: int) -> list[dict[str, Any]]:
    """What operators did, the newest first; `before`: the id that the page before ended with."""
    return tx.dicts(
        """select id, at, by_user, what, address, reason, note, until from suppression_changes
           where (%(before)s::bigint is null or id < %(before)s) order by id desc limit %(limit)s""",
        {"before": before, "limit": limit},
    )
