"""SQL on how many messages an address had about a case."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from services.notify.domain.limits import TOO_MANY, Earlier, Pair
from shared.storage import Transaction, arrays


def earlier(tx: Transaction, cases: Collection[UUID], leaving_out: Collection[UUID]) -> dict[Pair, Earlier]:
    """For each case and address: the messages of the last day, without those of these ids."""
    if not cases:
        return {}
    rows = tx.rows(
        """select case_id, lower(recipient), count(*) filter (where state <> 'failed'), coalesce(bool_or(error = %(too_many)s), false)
           from deliveries
           where case_id = any(%(cases)b) and created_at > now() - interval '1 day' and id <> all(%(leaving_out)b)
           group by 1, 2""",
        {"cases": arrays.uuids(cases), "leaving_out": arrays.uuids(leaving_out), "too_many": TOO_MANY},
    )
    return {(row[0], row[1]): Earlier(int(row[2]), row[3]) for row in rows}
