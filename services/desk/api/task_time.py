"""What a task takes: services, time spent and bookings, on the task's page (TASK-10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Response

from services.desk.api.booking_pages import Spans
from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, when_of
from services.desk.api.task_page import TaskPage
from services.desk.domain.bookings import Booking, TimeEntry, TimeSpent, minutes_words
from services.desk.domain.choices import Choices
from services.desk.domain.contact_entry import local_minute
from services.desk.domain.moments import moment_in
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import Task
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.bookings import Bookings
from shared.clock import Clock

Code = Annotated[str, Form(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Takes:
    """What a task takes; `time` and `bookings` are None where they cannot be read just now."""

    time: TimeSpent | None
    bookings: tuple[Booking, ...] | None

    @property
    def has_time(self) -> bool:
        """Whether there is anything to show of services and time: where nothing is configured there is not."""
        return self.time is None or bool(self.time.services or self.time.may_add or self.time.entries)


class TaskTime:
    """Reads it for the page."""

    def __init__(self, bookings: Bookings, organisation: Callable[[], Organisation], choices: Callable[[], Choices], clock: Clock) -> None:
        self._bookings = bookings
        self._organisation = organisation
        self._choices = choices
        self._clock = clock

    def __call__(self, visitor: Visitor, task: Task) -> Mapping[str, Any]:
        """What `task_time.html` shows."""
        around = self._organisation()
        when = when_of(self._clock, around)
        member = visitor.token.member
        overseen = visitor.leads and (visitor.token.grant.scope == "all" or task.unit == member.unit)
        staff = [person for person in self._choices().staff if person.unit == task.unit or person.user == member.user]

        def corrects(entry: TimeEntry) -> bool:
            mine = member.user in (entry.user, entry.recorded_by)
            return entry.counts and visitor.may("time:record") and (overseen or (mine and task.assignee == member.user))

        return {
            "takes": Takes(self._time(visitor, task), self._booked(visitor, task)),
            "records_time": visitor.may("time:record") and task.state != "planned" and (overseen or task.assignee == member.user),
            "staff": staff if overseen else [],
            "corrects": corrects,
            "minutes_words": minutes_words,
            "span": Spans(when, around.zone),
            "now_local": local_minute(self._clock(), around.zone),
            "now": self._clock(),
            "key": uuid4(),
            "longest_note": LONGEST_NOTE,
        }

    def _time(self, visitor: Visitor, task: Task) -> TimeSpent | None:
        try:
            return self._bookings.time(visitor.token.token, task.id)
        except (Away, Refused):
            return None

    def _booked(self, visitor: Visitor, task: Task) -> tuple[Booking, ...] | None:
        if not visitor.may("resource:read"):
            return ()
        try:
            return self._bookings.some(visitor.token.token, {"task": str(task.id)})
        except (Away, Refused):
            return None


def task_time_routes(browser: Browser, bookings: Bookings, page: TaskPage, organisation: Callable[[], Organisation]) -> APIRouter:
    """Where the forms of `task_time.html` go to."""
    router = APIRouter(prefix="/tasks/{task}", include_in_schema=False, dependencies=[Depends(from_our_own_page)])
    signed_in: Visitor = Depends(browser.visitor)

    def do(visitor: Visitor, task: UUID, permission: str, step: Callable[[str], None], done: str) -> Response:
        require(visitor, permission)
        try:
            step(visitor.token.token)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return page(visitor, task, error=str(refused), status=409)
        return see_other(f"/tasks/{task}?done={done}#time")

    @router.post("/time")
    def record(
        task: UUID,
        service: Code,
        key: Annotated[UUID, Form()],
        minutes: Annotated[str, Form(max_length=10)] = "",
        spent_at: Annotated[str, Form(max_length=40)] = "",
        user: Annotated[str, Form(max_length=64)] = "",
        note: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        corrects: Annotated[UUID | None, Form()] = None,
        visitor: Visitor = signed_in,
    ) -> Response:
        at = moment_in(spent_at, organisation().zone) if spent_at else None
        if not minutes.strip().isdecimal() or int(minutes) > 24 * 60:
            return page(visitor, task, error="Say how many minutes it took: a number up to 1440.", status=422)
        if spent_at and at is None:
            return page(visitor, task, error="Say when it was: date and time.", status=422)
        content: dict[str, object] = {"service": service, "minutes": int(minutes), "note": note.replace("\x00", "").strip()}
        content |= {"spent_at": at.isoformat()} if at else {}
        content |= {"user": user} if user else {}
        content |= {"corrects": str(corrects)} if corrects else {}
        done = "corrected" if corrects else "recorded"
        return do(visitor, task, "time:record", lambda token: bookings.record(token, task, content, key), done)

    @router.post("/services")
    def add(task: UUID, service: Code, key: Annotated[UUID, Form()], visitor: Visitor = signed_in) -> Response:
        return do(visitor, task, "time:record", lambda token: bookings.add_service(token, task, service, key), "added")

    @router.post("/waive")
    def waive(
        task: UUID,
        service: Code,
        key: Annotated[UUID, Form()],
        reason: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        why = reason.replace("\x00", "").strip()
        if not why:
            return page(visitor, task, error="Say why the service is not needed.", status=422)
        return do(visitor, task, "service:waive", lambda token: bookings.waive(token, task, service, why, key), "waived")

    @router.post("/require")
    def require_again(task: UUID, service: Code, key: Annotated[UUID, Form()], visitor: Visitor = signed_in) -> Response:
        return do(visitor, task, "service:waive", lambda token: bookings.waive(token, task, service, "", key), "required")

    return router
