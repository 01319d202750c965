"""When customers last heard of their cases, as what is recorded tells it; the rule is that of `domain.hearing`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.storage import Transaction, arrays

# Of a communication `c`: when the customer heard by it, or null.
_HEARD = """case when c.direction <> 'outbound' or c.robot <> 'none' or c.old
                      or exists (select from cases k where k.id = c.conversation_id) then null
                 else least(%(now)s::timestamptz, (
                     select case when a.communication_id is null then c.occurred_at
                                 when a.answered_at is not null then a.answered_at
                                 when a.outcome = 'completed' then a.ended_at end
                     from (select) one left join calls a on a.communication_id = c.id)) end"""


def by_communications(tx: Transaction, ids: Sequence[UUID], now: datetime) -> datetime | None:
    """When the customer last heard by one of these communications; None: they did by none."""
    row = tx.row(f"select max({_HEARD}) from communications c where c.id = any(%(ids)b)", {"ids": arrays.uuids(ids), "now": now})
    return row[0] if row else None


def by_calls(tx: Transaction, ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Which of these calls belong to which cases: pairs of a communication and a case."""
    rows = tx.rows("select communication_id, case_id from case_communications where communication_id = any(%b)", (arrays.uuids(ids),))
    return [(row[0], row[1]) for row in rows]


def last(tx: Transaction, case_ids: Sequence[UUID], now: datetime) -> dict[UUID, datetime | None]:
    """For each of these cases when its customer last heard of it: by its communications, or by what staff did with it.

    With a case count those that were merged into it: what their customer was told, the same customer was told.
    """
    rows = tx.rows(
        f"""with recursive way (id, of) as (
                select id, id from cases where id = any(%(ids)b)
                union
                select k.id, way.of from way join cases k on k.merged_into = way.id)
            select of, greatest(
                (select max({_HEARD}) from case_communications l join communications c on c.id = l.communication_id where l.case_id = of),
                (select max(k.customer_told_at) from way w join cases k on k.id = w.id where w.of = way.of))
            from way where id = of""",
        {"ids": arrays.uuids(case_ids), "now": now},
    )
    return {row[0]: row[1] for row in rows}
