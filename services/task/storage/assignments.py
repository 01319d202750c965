"""Whose turn it is in each group, and how much everybody has: what giving tasks out needs, by the set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from services.task.domain.ownership import Owner, OwnerKind
from shared.storage import Transaction, arrays


def lock_turns(tx: Transaction, groups: Collection[Owner]) -> dict[Owner, str]:
    """Who was given a task last, by group ("": nobody yet). Until this transaction ends nobody else gives out of these groups.

    What others gave out before is seen by the statements that follow.
    """
    kinds, codes = _columns(groups)
    # All rows are made before one is locked, both in one order: whoever waits here holds no row that another waits for.
    tx.execute(
        """insert into assignment_turns (owner_kind, owner_code, last_user)
           select kind, code, '' from unnest(%b::text[], %b::text[]) as g (kind, code) order by kind, code on conflict do nothing""",
        (kinds, codes),
    )
    rows = tx.rows(
        """select t.owner_kind, t.owner_code, t.last_user
           from assignment_turns t join unnest(%b::text[], %b::text[]) as g (kind, code) on t.owner_kind = g.kind and t.owner_code = g.code
           order by t.owner_kind, t.owner_code for update of t""",
        (kinds, codes),
    )
    return {Owner(OwnerKind(kind), code): last for kind, code, last in rows}


def keep_turns(tx: Transaction, turns: Mapping[Owner, str]) -> None:
    """Write who was given a task last; the groups' rows are locked."""
    kinds, codes = _columns(turns)
    tx.execute(
        """update assignment_turns t set last_user = g.last_user
           from unnest(%b::text[], %b::text[], %b::text[]) as g (kind, code, last_user)
           where t.owner_kind = g.kind and t.owner_code = g.code and t.last_user <> g.last_user""",
        (kinds, codes, arrays.texts(turns.values())),
    )


def loads(tx: Transaction, users: Iterable[str], without: Iterable[UUID]) -> dict[str, int]:
    """How many tasks that can be worked on each of these users has; the tasks `without` are not counted."""
    rows = tx.rows(
        """select assignee, count(*) from tasks
           where assignee = any(%b) and state in ('pending', 'in_progress') and id <> all(%b) group by assignee""",
        (arrays.texts(sorted(users)), arrays.uuids(without)),
    )
    return {row[0]: row[1] for row in rows}


def _columns(groups: Iterable[Owner]) -> tuple[arrays.Array, arrays.Array]:
    listed = list(groups)
    return arrays.texts(group.kind.value for group in listed), arrays.texts(group.code for group in listed)
