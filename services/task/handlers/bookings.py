"""Bookings: made, confirmed, moved, cancelled, and released when what they are for ends (TASK-10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.task.domain.case import Case
from services.task.domain.resources.booking import Booking, BookingRefused, BookingState
from services.task.domain.resources.slots import Span, nearest
from services.task.domain.task import Task
from services.task.handlers.causes import Cause
from services.task.handlers.known import Known
from services.task.handlers.resources import AwayOf, Resource, free_at
from services.task.storage import bookings as storage
from shared.calendars import open_spans
from shared.ids import derive
from shared.schemas.events import BookingBooked, BookingCancelled, BookingChanged, BookingLifeCycle, BookingMoved, BookingRequested
from shared.storage import Transaction

NEAREST = 5
"""Free times that are offered in place of one that is taken."""
_BACK, _AHEAD = timedelta(days=3), timedelta(days=14)
TASK_ENDED, CASE_ENDED = "task-ended", "case-ended"
"""Reasons of bookings that were released."""


def book(
    tx: Transaction,
    work: Known,
    resource: Resource,
    task: Task | None,
    case: Case | None,
    span: Span,
    note: str,
    cause: Cause,
    away: AwayOf,
) -> Booking:
    """Book for a task, or for a case without one, under its lock. Raises `BookingRefused`."""
    lane = _lane(tx, work, resource, span, None, away)
    state = BookingState.REQUESTED if resource.needs_confirmation else BookingState.BOOKED
    booking = Booking(
        id=derive("booking", cause.id),
        revision=1,
        resource=resource.code,
        resource_name=resource.name,
        resource_user=resource.user,
        unit=resource.unit,
        lane=lane,
        span=span,
        state=state,
        task_id=task.id if task else None,
        case_id=case.id if case else None,
        note=note,
        made_by=cause.by,
        made_at=cause.at,
        changed_by=cause.by,
        changed_at=cause.at,
    )
    storage.insert(tx, booking)
    _emit(tx, work, booking, BookingRequested if state is BookingState.REQUESTED else BookingBooked, cause)
    return booking


def move(tx: Transaction, work: Known, booking: Booking, resource: Resource, span: Span, cause: Cause, away: AwayOf) -> None:
    """Put it at another time of the same resource; one that needs confirmation needs it anew. Raises `BookingRefused`."""
    _require_to_come(work, booking, "moved")
    if span == booking.span:
        return
    lane = _lane(tx, work, resource, span, booking.id, away)
    before, booking.span, booking.lane = booking.span, span, lane
    was = booking.state
    if resource.needs_confirmation:
        booking.state, booking.confirmed_by = BookingState.REQUESTED, None
    _change(tx, work, booking, BookingMoved, cause, was, before)


def confirm(tx: Transaction, work: Known, booking: Booking, cause: Cause, away: AwayOf) -> None:
    """Grant a request; one that is granted stays. Raises `BookingRefused`, also where the person has become absent since it was made."""
    _require_to_come(work, booking, "confirmed")
    if booking.state is BookingState.BOOKED:
        return
    if _is_away(tx, booking.resource_user, booking.span, away):
        raise BookingRefused("closed", f"{booking.resource_name} is away.")
    was, booking.state, booking.confirmed_by = booking.state, BookingState.BOOKED, cause.by
    _change(tx, work, booking, BookingBooked, cause, was)


def cancel(tx: Transaction, work: Known, booking: Booking, reason: str, cause: Cause) -> None:
    """Take it off; one that is off stays. Raises `BookingRefused`."""
    if not booking.is_live:
        return
    _require_to_come(work, booking, "cancelled")
    was, booking.state, booking.reason = booking.state, BookingState.CANCELLED, reason
    _change(tx, work, booking, BookingCancelled, cause, was)


def release(tx: Transaction, work: Known, ended: Sequence[tuple[Task, Cause]], closed: Sequence[tuple[Case, Cause]]) -> None:
    """Cancel what is booked, from now on, for tasks that ended and cases that closed. What is under way stays."""
    tasks = {task.id: cause for task, cause in ended}
    cases = {case.id: cause for case, cause in closed}
    found = storage.lock_to_come(tx, tasks, cases, work.now)
    causes = []
    for booking in found:
        of_task = tasks.get(booking.task_id) if booking.task_id else None
        booking.reason = TASK_ENDED if of_task else CASE_ENDED
        causes.append(of_task or cases[booking.case_id])  # type: ignore[index]
    before = [booking.state for booking in found]
    for booking, cause in zip(found, causes, strict=True):
        booking.state = BookingState.CANCELLED
        _count(booking, cause)
    if found:
        storage.save(tx, found)
    for booking, cause, was in zip(found, causes, before, strict=True):
        _emit(tx, work, booking, BookingCancelled, cause, was)


def _lane(tx: Transaction, work: Known, resource: Resource, span: Span, besides: UUID | None, away: AwayOf) -> int:
    """Where the resource is free in `span`, or a refusal with the nearest times when it is. Holds the resource's lock from here on."""
    storage.lock_resource(tx, resource.code)
    if span.end <= work.now:
        raise BookingRefused("past", "What is booked must not be over already.")

    def refused(why: str, message: str) -> BookingRefused:
        around = Span(max(span.start - _BACK, work.now), span.start + _AHEAD)
        minutes = max(1, int((span.end - span.start).total_seconds()) // 60)
        slots = [slot for slot, _ in free_at(tx, (resource,), around, minutes, None, away, besides)]
        return BookingRefused(why, message, nearest(slots, span.start, NEAREST))

    opening = next(iter(open_spans(resource.calendar, span.start, span.end)), None)
    if opening is None or Span(*opening) != span:
        raise refused("closed", f"{resource.name} is not working for all of that time.")
    if _is_away(tx, resource.user, span, away):
        raise refused("closed", f"{resource.name} is away.")
    lane = storage.free_lane(tx, resource.code, resource.capacity, span, besides)
    if lane is None:
        raise refused("taken", f"{resource.name} is booked already for some of that time.")
    return lane


def _is_away(tx: Transaction, user: str | None, span: Span, away: AwayOf) -> bool:
    return user is not None and any(off.overlaps(span) for off in away(tx, (user,), span).get(user, ()))


def _require_to_come(work: Known, booking: Booking, what: str) -> None:
    if not booking.is_live:
        raise BookingRefused("cancelled", f"The booking is cancelled: it cannot be {what}.")
    if booking.span.end <= work.now:
        raise BookingRefused("past", f"The booking is over: it cannot be {what}.")


def _count(booking: Booking, cause: Cause) -> None:
    booking.revision += 1
    booking.changed_by, booking.changed_at = cause.by, cause.at


def _change(
    tx: Transaction,
    work: Known,
    booking: Booking,
    event: type[BookingChanged],
    cause: Cause,
    was: BookingState,
    before: Span | None = None,
) -> None:
    _count(booking, cause)
    storage.save(tx, (booking,))
    _emit(tx, work, booking, event, cause, was, before)


def _emit(
    tx: Transaction,
    work: Known,
    booking: Booking,
    event: type[BookingChanged],
    cause: Cause,
    was: BookingState | None = None,
    before: Span | None = None,
) -> None:
    case = work.cases.get(booking.case_id) if booking.case_id else None
    task = work.tasks.get(booking.task_id) if booking.task_id else None
    key = booking.case_id or booking.task_id
    assert key is not None  # noqa: S101 - a check of the table
    payload = event(
        booking_id=booking.id,
        resource=booking.resource,
        resource_name=booking.resource_name,
        resource_user=booking.resource_user,
        unit=booking.unit,
        task_id=booking.task_id,
        case_id=key,
        case_number=case.number if case else "",
        lead_id=case.id if case and case.is_lead else None,
        subject_line=task.subject_line if task else "",
        starts_at=booking.span.start,
        ends_at=booking.span.end,
        state=BookingLifeCycle(booking.state.value),
        state_before=BookingLifeCycle(was.value) if was else None,
        starts_at_before=before.start if before else None,
        made_by=booking.made_by,
        changed_by=booking.changed_by,
        reason=booking.reason,
    )
    tx.emit(
        payload,
        aggregate_id=booking.id,
        key=str(key),
        revision=booking.revision,
        cause=cause.id,
        time=cause.at,
        traceparent=cause.traceparent,
    )
