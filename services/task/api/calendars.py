"""Tasks and bookings as calendar programs read them (RFC 5545).

What is shown leaves the installation's care: the case's number, the subject line and times, nothing else of a customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import icalendar

from services.task.domain.resources.booking import Booking, BookingState
from services.task.domain.task import Task

REFRESH = timedelta(minutes=15)
_PRIORITIES = {"high": 1, "normal": 5, "low": 9}


def calendar_of_tasks(user: str, tasks: Iterable[tuple[Task, str]]) -> bytes:
    """(task, case's number) as events at their due times: most programs show no to-dos. They leave the user's time free."""
    calendar = _calendar(f"Tasks of {user}")
    for task, number in tasks:
        if task.due_at is None:
            continue
        event = _event(task.id, task.revision, task.triggered_at or task.planned_at, f"Due: {number} {task.subject_line}")
        event.add("dtstart", task.due_at.astimezone(UTC))
        event.add("transp", "TRANSPARENT")
        event.add("priority", _PRIORITIES.get(task.priority, 5))
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def calendar_of_bookings(name: str, bookings: Iterable[Booking], subjects: Mapping[UUID, str]) -> bytes:
    """Live bookings of a resource. `subjects`: what each is about, by its task or case."""
    calendar = _calendar(name)
    for booking in bookings:
        about = booking.task_id or booking.case_id
        event = _event(booking.id, booking.revision, booking.changed_at, subjects.get(about, "") if about else "")
        event.add("dtstart", booking.span.start.astimezone(UTC))
        event.add("dtend", booking.span.end.astimezone(UTC))
        event.add("status", "CONFIRMED" if booking.state is BookingState.BOOKED else "TENTATIVE")
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _calendar(name: str) -> icalendar.Calendar:
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//casestream//task//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    return calendar


def _event(id: UUID, revision: int, changed_at: datetime, summary: str) -> icalendar.Event:
    """With the same UID for ever, and a sequence that grows with each change: so an entry moves, and is not there twice."""
    event = icalendar.Event()
    event.add("uid", f"{id}@casestream")
    event.add("sequence", revision)
    event.add("dtstamp", changed_at.astimezone(UTC))
    event.add("summary", " ".join(summary.split()))
    return event
