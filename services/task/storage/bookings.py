"""Bookings of resources. Nothing is booked twice: the table's exclusion constraint sees to it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from services.task.domain.assignment.absences import Absence
from services.task.domain.resources.booking import Booking, BookingState
from services.task.domain.resources.slots import Span
from shared.storage import Transaction, arrays
from shared.storage.database import Row

_COLUMNS = (
    "id, revision, resource, resource_name, resource_user, unit, lane, lower(during), upper(during), state, task_id, case_id, note,"
    " made_by, made_at, changed_by, changed_at, confirmed_by, reason"
)
_LIVE = "state in ('requested', 'booked')"
"""Written out, since the constraint and its index hold only for what the planner can see."""
_LOCK = "booking"


def lock_resource(tx: Transaction, code: str) -> None:
    """Nobody else books this resource until the transaction ends; whoever waits for that then sees what was booked."""
    tx.execute("select pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", (_LOCK, code))


def free_lane(tx: Transaction, code: str, capacity: int, span: Span, besides: UUID | None = None) -> int | None:
    """The first lane without a booking in `span`, other than the booking `besides`; None: all are taken."""
    row = tx.row(
        f"""select lane from generate_series(0, %(last)s) as l (lane)
            where not exists (select 1 from bookings b where b.resource = %(code)s and b.lane = l.lane
                              and b.during && tstzrange(%(start)s, %(end)s) and b.{_LIVE} and b.id is distinct from %(besides)s)
            order by lane limit 1""",
        {"last": capacity - 1, "code": code, "start": span.start, "end": span.end, "besides": besides},
    )
    return None if row is None else int(row[0])


def taken(tx: Transaction, codes: Collection[str], span: Span, besides: UUID | None = None) -> dict[str, dict[int, list[Span]]]:
    """Live bookings within `span`: resource -> lane -> spans."""
    rows = tx.rows(
        f"""select resource, lane, lower(during), upper(during) from bookings
            where resource = any(%(codes)b) and during && tstzrange(%(start)s, %(end)s) and {_LIVE} and id is distinct from %(besides)s""",
        {"codes": arrays.texts(codes), "start": span.start, "end": span.end, "besides": besides},
    )
    found: dict[str, dict[int, list[Span]]] = {}
    for code, lane, start, end in rows:
        found.setdefault(code, {}).setdefault(lane, []).append(Span(start, end))
    return found


def insert(tx: Transaction, booking: Booking) -> None:
    """A new booking."""
    tx.execute(
        """insert into bookings (id, revision, resource, resource_name, resource_user, unit, lane, during, state, task_id, case_id, note,
                                 made_by, made_at, changed_by, changed_at, confirmed_by, reason)
           values (%s, %s, %s, %s, %s, %s, %s, tstzrange(%s, %s), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            booking.id,
            booking.revision,
            booking.resource,
            booking.resource_name,
            booking.resource_user,
            booking.unit,
            booking.lane,
            booking.span.start,
            booking.span.end,
            booking.state.value,
            booking.task_id,
            booking.case_id,
            booking.note,
            booking.made_by,
            booking.made_at,
            booking.changed_by,
            booking.changed_at,
            booking.confirmed_by,
            booking.reason,
        ),
    )


def save(tx: Transaction, bookings: Collection[Booking]) -> None:
    """Overwrite what can change."""
    given = {
        "ids": arrays.uuids(each.id for each in bookings),
        "revisions": arrays.big_ints(each.revision for each in bookings),
        "lanes": arrays.ints(each.lane for each in bookings),
        "starts": arrays.moments(each.span.start for each in bookings),
        "ends": arrays.moments(each.span.end for each in bookings),
        "states": arrays.texts(each.state for each in bookings),
        "by": arrays.texts(each.changed_by for each in bookings),
        "at": arrays.moments(each.changed_at for each in bookings),
        "confirmed": arrays.texts(each.confirmed_by for each in bookings),
        "reasons": arrays.texts(each.reason for each in bookings),
    }
    tx.execute(
        """update bookings b set revision = g.revision, lane = g.lane, during = tstzrange(g.starts_at, g.ends_at), state = g.state,
               changed_by = g.changed_by, changed_at = g.changed_at, confirmed_by = g.confirmed_by, reason = g.reason
           from unnest(%(ids)b, %(revisions)b, %(lanes)b, %(starts)b, %(ends)b, %(states)b, %(by)b, %(at)b, %(confirmed)b, %(reasons)b)
               as g (id, revision, lane, starts_at, ends_at, state, changed_by, changed_at, confirmed_by, reason)
           where b.id = g.id""",
        given,
    )


def about(tx: Transaction, booking_id: UUID) -> tuple[UUID | None, UUID | None] | None:
    """(task, case) of a booking, which never change; None: there is no such booking."""
    row = tx.row("select task_id, case_id from bookings where id = %s", (booking_id,))
    return None if row is None else (row[0], row[1])


def lock(tx: Transaction, booking_id: UUID) -> Booking:
    """The booking, locked; the lock of its task or case must be held. It exists: see `about`."""
    return _booking(tx.rows(f"select {_COLUMNS} from bookings where id = %s for update", (booking_id,))[0])


def get(tx: Transaction, booking_id: UUID) -> Booking | None:
    """One booking, to look at."""
    row = tx.row(f"select {_COLUMNS} from bookings where id = %s", (booking_id,))
    return None if row is None else _booking(row)


def lock_to_come(tx: Transaction, task_ids: Collection[UUID], case_ids: Collection[UUID], now: datetime) -> list[Booking]:
    """Live bookings of these tasks and cases that begin after `now`, locked."""
    rows = tx.rows(
        f"""select {_COLUMNS} from bookings
            where (task_id = any(%(tasks)b) or case_id = any(%(cases)b)) and {_LIVE} and lower(during) > %(now)s order by id for update""",
        {"tasks": arrays.uuids(task_ids), "cases": arrays.uuids(case_ids), "now": now},
    )
    return [_booking(row) for row in rows]


def listed(
    tx: Transaction,
    *,
    resources: Collection[str] | None = None,
    task_id: UUID | None = None,
    case_id: UUID | None = None,
    unit: str | None = None,
    state: str | None = None,
    span: Span | None = None,
    live_only: bool = False,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Booking]:
    """Up to `limit` bookings by their start, after the one with this start and id."""
    conditions = {
        "resource = any(%(resources)s)": resources is not None,
        "task_id = %(task)s": task_id is not None,
        "case_id = %(case)s": case_id is not None,
        "unit = %(unit)s": unit is not None,
        # Written out for its index.
        "state = 'requested'": state == "requested",
        "state = %(state)s": state not in (None, "requested"),
        "during && tstzrange(%(start)s, %(end)s)": span is not None,
        _LIVE: live_only,
        "(lower(during), id) > (%(after)s, %(after_id)s)": after is not None,
    }
    wanted = " and ".join(condition for condition, applies in conditions.items() if applies) or "true"
    rows = tx.rows(
        f"select {_COLUMNS} from bookings where {wanted} order by lower(during), id limit %(limit)s",
        {
            "resources": list(resources or ()),
            "task": task_id,
            "case": case_id,
            "unit": unit,
            "state": state,
            "start": span.start if span else None,
            "end": span.end if span else None,
            "after": after[0] if after else None,
            "after_id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_booking(row) for row in rows]


def falling_into(tx: Transaction, absences: Collection[Absence], now: datetime, most: int) -> dict[UUID, list[Booking]]:
    """Live bookings, not over at `now`, of who is away in these absences, by the absence's id; the first `most` of each."""
    if not absences:
        return {}
    rows = tx.rows(
        f"""select t.id, b.* from unnest(%(ids)b, %(users)b, %(starts)b, %(ends)b) as t (id, user_name, starts_at, ends_at)
            cross join lateral (
                select {_COLUMNS} from bookings
                where resource_user = t.user_name and {_LIVE} and during && tstzrange(
                    greatest(t.starts_at, %(now)s), case when t.ends_at is not null then greatest(t.starts_at, t.ends_at, %(now)s) end)
                order by lower(during), id limit %(most)s) b""",
        {
            "ids": arrays.uuids(each.id for each in absences),
            "users": arrays.texts(each.user for each in absences),
            "starts": arrays.moments(each.starts_at for each in absences),
            "ends": arrays.moments(each.ends_at for each in absences),
            "now": now,
            "most": most,
        },
    )
    found: dict[UUID, list[Booking]] = {}
    for id, *columns in rows:
        found.setdefault(id, []).append(_booking(tuple(columns)))
    return found


def _booking(row: Row) -> Booking:
    values = [*row[:7], Span(row[7], row[8]), BookingState(row[9]), *row[10:]]
    return Booking(*values)
