"""Absences, and the tasks that are lent meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.errors import ExclusionViolation

from services.task.domain.assignment.absences import Absence, HandOver, Holding, Loan
from services.task.domain.ownership import Owner, OwnerKind
from services.task.domain.resources.slots import Span
from shared.storage import Transaction, arrays
from shared.storage.database import Row

_COLUMNS = "id, user_name, starts_at, ends_at, stand_in, hand_over, give_back, note, made_by, begun_at, ended_at, cancelled_at"
_LOAN = "task_id, absence_id, owner_kind, owner_code, assignee, lent_owner_kind, lent_owner_code, lent_assignee"


class Overlaps(Exception):
    """The user has another absence in that time; the transaction cannot go on."""


class Away(NamedTuple):
    """Somebody who is away now."""

    absence_id: UUID
    stand_in: str | None
    give_back: bool
    until: datetime | None
    hand_over: HandOver = HandOver.ALL


def away(tx: Transaction, now: datetime) -> dict[str, Away]:
    """Everybody who is away at `now`, by user."""
    rows = tx.rows(
        """select user_name, id, stand_in, give_back, ends_at, hand_over from absences
           where cancelled_at is null and ended_at is null and starts_at <= %(now)s and (ends_at is null or ends_at > %(now)s)""",
        {"now": now},
    )
    return {user: Away(id, stand_in, give_back, until, HandOver(hand_over)) for user, id, stand_in, give_back, until, hand_over in rows}


def within(tx: Transaction, users: Iterable[str], span: Span) -> dict[str, list[Span]]:
    """When each of these users is away, of those who are, as far as it touches `span`."""
    listed = sorted(set(users))
    if not listed:
        return {}
    rows = tx.rows(
        """select user_name, starts_at, coalesce(ends_at, %(end)s) from absences
           where user_name = any(%(users)b) and cancelled_at is null and starts_at < %(end)s and (ends_at is null or ends_at > %(start)s)
           order by starts_at""",
        {"users": arrays.texts(listed), "start": span.start, "end": span.end},
    )
    found: dict[str, list[Span]] = {}
    for user, start, end in rows:
        found.setdefault(user, []).append(Span(start, end))
    return found


def insert(tx: Transaction, absence: Absence, now: datetime) -> None:
    """Keep a new absence. Raises `Overlaps` where the user has another in that time."""
    with _apart():
        tx.execute(
            """insert into absences (id, user_name, starts_at, ends_at, stand_in, hand_over, give_back, note, made_by, made_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            (
                *(absence.id, absence.user, absence.starts_at, absence.ends_at, absence.stand_in),
                *(absence.hand_over.value, absence.give_back, absence.note, absence.made_by, now),
            ),
        )


def lock(tx: Transaction, absence_id: UUID) -> Absence | None:
    """The absence, locked."""
    row = tx.row(f"select {_COLUMNS} from absences where id = %s for no key update", (absence_id,))
    return None if row is None else _absence(row)


def set_end(tx: Transaction, absence_id: UUID, ends_at: datetime | None) -> None:
    """Move the return. Raises `Overlaps` where that reaches into the user's next absence."""
    with _apart():
        tx.execute("update absences set ends_at = %s where id = %s", (ends_at, absence_id))


@contextmanager
def _apart() -> Iterator[None]:
    try:
        yield
    except ExclusionViolation as error:
        raise Overlaps from error


def cancel(tx: Transaction, absence_id: UUID, now: datetime) -> None:
    """It does not take place."""
    tx.execute("update absences set cancelled_at = %s where id = %s", (now, absence_id))


def lock_due(tx: Transaction, now: datetime) -> Absence | None:
    """The absence that has waited longest to be begun or ended, locked; None: there is none that nobody else is at.

    Also one that has ended, but to which a transaction that was under way then has added what it lent.
    """
    # Whoever lends holds cases and looks the absence up: its lock is one that lets them.
    row = tx.row(
        f"""select {_COLUMNS} from absences
            where cancelled_at is null and ended_at is null
              and ((begun_at is null and starts_at <= %(now)s) or (begun_at is not null and ends_at <= %(now)s))
            order by case when begun_at is null then starts_at else ends_at end, id limit 1 for no key update skip locked""",
        {"now": now},
    ) or tx.row(
        f"""select {_COLUMNS} from absences where ended_at is not null and id in (select absence_id from loans)
            limit 1 for no key update skip locked"""
    )
    return None if row is None else _absence(row)


def mark_begun(tx: Transaction, absence_id: UUID, now: datetime) -> None:
    """All that was to be handed over has been."""
    tx.execute("update absences set begun_at = %s where id = %s", (now, absence_id))


def mark_ended(tx: Transaction, absence_id: UUID, now: datetime) -> None:
    """All that was lent has been given back, as far as this transaction saw it; what is lent since then is looked at again.

    Loans of tasks that are gone go as well.
    """
    tx.execute("delete from loans l where absence_id = %s and not exists (select 1 from tasks t where t.id = l.task_id)", (absence_id,))
    tx.execute(
        "update absences set begun_at = coalesce(begun_at, %(now)s), ended_at = %(now)s where id = %(id)s", {"now": now, "id": absence_id}
    )


def stand_ins_between(tx: Transaction, starts_at: datetime, ends_at: datetime | None) -> list[tuple[str, str | None]]:
    """(who is away, who stands in) of every absence that has some time in common with this one."""
    rows = tx.rows(
        """select user_name, stand_in from absences
           where cancelled_at is null and ended_at is null and tstzrange(starts_at, ends_at) && tstzrange(%s, %s)""",
        (starts_at, ends_at),
    )
    return [(row[0], row[1]) for row in rows]


def listed(
    tx: Transaction, users: Collection[str], lasting_at: datetime | None, limit: int, after: tuple[datetime, UUID] | None
) -> list[Absence]:
    """Up to `limit` absences of these users, the earliest first, after the place (beginning, id) `after`.

    `lasting_at`: only those that last or are to come then.
    """
    conditions = ["user_name = any(%(users)s)"]
    if lasting_at is not None:
        conditions.append("cancelled_at is null and (ends_at is null or ends_at > %(now)s)")
    if after is not None:
        conditions.append("(starts_at, id) > (%(starts_at)s, %(id)s)")
    starts_at, id = after or (None, None)
    rows = tx.rows(
        f"select {_COLUMNS} from absences where {' and '.join(conditions)} order by starts_at, id limit %(limit)s",
        {"users": sorted(users), "now": lasting_at, "starts_at": starts_at, "id": id, "limit": limit},
    )
    return [_absence(row) for row in rows]


def held_at_beginning(tx: Transaction, absence: Absence, limit: int) -> list[tuple[UUID, UUID | None]]:
    """(task, case) of tasks that the user has and can work on, and that are to be handed over; not locked."""
    rows = tx.rows(
        """select id, case_id from tasks
           where assignee = %(user)s and state in ('pending', 'in_progress')
             and (%(before)s::timestamptz is null or due_at < %(before)s) order by id limit %(limit)s""",
        {"user": absence.user, "before": absence.due_before(), "limit": limit},
    )
    return [(row[0], row[1]) for row in rows]


def lend(tx: Transaction, loans: Collection[Loan]) -> None:
    """Keep what was lent."""
    if not loans:
        return
    columns = {
        "task_id": arrays.uuids(loan.task_id for loan in loans),
        "absence_id": arrays.uuids(loan.absence_id for loan in loans),
        "owner_kind": arrays.texts(loan.before.owner.kind.value for loan in loans),
        "owner_code": arrays.texts(loan.before.owner.code for loan in loans),
        "assignee": arrays.texts(loan.before.assignee for loan in loans),
        "lent_owner_kind": arrays.texts(loan.now.owner.kind.value for loan in loans),
        "lent_owner_code": arrays.texts(loan.now.owner.code for loan in loans),
        "lent_assignee": arrays.texts(loan.now.assignee for loan in loans),
    }
    again = """on conflict (task_id, absence_id) do update set number = default, lent_owner_kind = excluded.lent_owner_kind,
        lent_owner_code = excluded.lent_owner_code, lent_assignee = excluded.lent_assignee"""
    arrays.insert(tx, "loans", columns, again)


def move_loans(tx: Transaction, moved: Sequence[tuple[UUID, Holding, Holding]]) -> None:
    """What was lent to a place (task, before, now) and has been moved on from there by another absence is lent to the new place."""
    if not moved:
        return
    befores, nows = [before for _, before, _ in moved], [now for _, _, now in moved]
    tx.execute(
        """update loans l set lent_owner_kind = m.kind, lent_owner_code = m.code, lent_assignee = m.assignee
           from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
                as m (task_id, was_kind, was_code, was_assignee, kind, code, assignee)
           where l.task_id = m.task_id and l.lent_owner_kind = m.was_kind and l.lent_owner_code = m.was_code
             and l.lent_assignee is not distinct from m.was_assignee""",
        (
            arrays.uuids(task_id for task_id, _, _ in moved),
            arrays.texts(holding.owner.kind.value for holding in befores),
            arrays.texts(holding.owner.code for holding in befores),
            arrays.texts(holding.assignee for holding in befores),
            arrays.texts(holding.owner.kind.value for holding in nows),
            arrays.texts(holding.owner.code for holding in nows),
            arrays.texts(holding.assignee for holding in nows),
        ),
    )


def lent_by(tx: Transaction, absence_id: UUID, limit: int) -> list[tuple[UUID, UUID | None]]:
    """(task, case) of what was lent because of this absence; whoever asks has locked it. Without tasks that are gone."""
    rows = tx.rows(
        "select t.id, t.case_id from loans l join tasks t on t.id = l.task_id where l.absence_id = %s order by t.id limit %s",
        (absence_id, limit),
    )
    return [(row[0], row[1]) for row in rows]


def carry_over(tx: Transaction, absence_id: UUID, to: UUID | None) -> None:
    """What was lent because of one absence is lent because of the next one, of the same user; None: for good."""
    if to is not None:
        tx.execute(
            "update loans l set absence_id = %(to)s where absence_id = %(id)s and not exists"
            " (select 1 from loans o where o.absence_id = %(to)s and o.task_id = l.task_id)",
            {"to": to, "id": absence_id},
        )
    tx.execute("delete from loans where absence_id = %s", (absence_id,))


def loans_of(tx: Transaction, absence_id: UUID, task_ids: Collection[UUID]) -> dict[UUID, Loan]:
    """The loans of these tasks because of this absence, by task."""
    rows = tx.rows(f"select {_LOAN} from loans where absence_id = %s and task_id = any(%b)", (absence_id, arrays.uuids(sorted(task_ids))))
    return {row[0]: _loan(row) for row in rows}


def drop_later(tx: Transaction, absence_id: UUID, task_ids: Collection[UUID]) -> None:
    """These tasks come back: what whoever they were lent to has lent on since then was never theirs, and does not come back to them."""
    tx.execute(
        """delete from loans l using loans own
           where own.absence_id = %s and own.task_id = any(%b) and l.task_id = own.task_id and l.number > own.number""",
        (absence_id, arrays.uuids(sorted(task_ids))),
    )


def end_loans(tx: Transaction, absence_id: UUID, task_ids: Collection[UUID]) -> None:
    """These tasks are not lent because of this absence any more."""
    tx.execute("delete from loans where absence_id = %s and task_id = any(%b)", (absence_id, arrays.uuids(sorted(task_ids))))


def _loan(row: Row) -> Loan:
    task_id, absence_id, kind, code, assignee, lent_kind, lent_code, lent_assignee = row
    before, now = Holding(Owner(OwnerKind(kind), code), assignee), Holding(Owner(OwnerKind(lent_kind), lent_code), lent_assignee)
    return Loan(task_id, absence_id, before, now)


def _absence(row: Row) -> Absence:
    id, user, starts_at, ends_at, stand_in, hand_over, *rest = row
    return Absence(id, user, starts_at, ends_at, stand_in, HandOver(hand_over), *rest)
