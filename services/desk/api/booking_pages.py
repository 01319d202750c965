"""The pages of bookings: when somebody or something is free, booking it, and a resource's day (TASK-10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Path, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, local_path, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.bookings import Booking, Slot, minutes_words, slot_of, stretches
from services.desk.domain.choices import Choices
from services.desk.domain.contact_entry import local_minute
from services.desk.domain.moments import moment_in
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import day_heading
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.bookings import Bookings
from services.desk.gateways.records import Records
from services.desk.gateways.tasks import Tasks
from shared.clock import Clock

Code = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")]
LENGTHS = (15, 30, 45, 60, 90, 120, 180, 240, 480)
"""Minutes that a search offers."""
PIECE = 30
"""Minutes: the least that a resource's day shows as free."""
LONGEST_NOTE = 2000
DONE = {
    "booked": "It is booked.",
    "cancelled": "The booking is cancelled.",
    "confirmed": "The booking is confirmed.",
    "moved": "The booking is moved.",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for, and what they would book it for."""

    service: str = ""
    unit: str = ""
    resource: str = ""
    begins: str = ""
    """As the form has it; empty: from now on."""
    minutes: int = 60
    task: UUID | None = None
    case: UUID | None = None

    @property
    def about(self) -> dict[str, str]:
        """What it would be booked for, as the API takes it."""
        return {name: str(id) for name, id in (("task_id", self.task), ("case_id", self.case)) if id is not None}

    @property
    def address(self) -> str:
        """The page that shows this."""
        fields = {"service": self.service, "unit": self.unit, "resource": self.resource, "from": self.begins, "minutes": str(self.minutes)}
        fields |= {name.removesuffix("_id"): id for name, id in self.about.items()}
        return f"/bookings?{urlencode({name: value for name, value in fields.items() if value})}"


@dataclass(frozen=True, slots=True)
class Spans:
    """Says from when until when: `today 09:00 to 10:00`, `Mon 7 Dec, 09:00 to Fri 11 Dec, 17:00`, `today 09:00, until further notice`."""

    when: Callable[[Any], str]
    zone: tzinfo

    def __call__(self, starts_at: datetime, ends_at: datetime | None) -> str:
        """In words."""
        if ends_at is None:
            return f"{self.when(starts_at)}, until further notice"
        end = ends_at.astimezone(self.zone)
        same_day = starts_at.astimezone(self.zone).date() == end.date()
        return f"{self.when(starts_at)} to {f'{end:%H:%M}' if same_day else self.when(ends_at)}"

    def field(self, at: datetime) -> str:
        """As a field of date and time has it."""
        return local_minute(at, self.zone)

    def day(self, at: datetime) -> str:
        """The day that it is here, as addresses have it."""
        return at.astimezone(self.zone).date().isoformat()


def booking_pages(
    browser: Browser,
    bookings: Bookings,
    tasks: Tasks,
    records: Records,
    organisation: Callable[[], Organisation],
    choices: Callable[[], Choices],
    clock: Clock,
) -> APIRouter:
    """`/bookings` and `/resources/{code}`."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    ours = [Depends(from_our_own_page)]

    def about_words(visitor: Visitor, wanted: Wanted) -> str:
        """What it is booked for; empty: nothing, or out of reach."""
        token = visitor.token.token
        try:
            if wanted.task is not None:
                return tasks.one(token, wanted.task).subject_line
            if wanted.case is not None and visitor.may("case:read"):
                case = records.case(token, wanted.case)
                return f"{case.number} {case.title}".strip()
        except (Away, Refused):
            return ""
        return ""

    def search(visitor: Visitor, wanted: Wanted, *, error: str = "", status: int = 200, message: str = "", note: str = "") -> Response:
        require(visitor, "resource:read")
        around, now, token = organisation(), clock(), visitor.token.token
        begins = moment_in(wanted.begins, around.zone) if wanted.begins else _next_half_hour(now)
        if begins is None:
            begins, error, status = _next_half_hour(now), "Say from when: date and time.", 422
        params = {"from": begins.isoformat(), "minutes": str(wanted.minutes)}
        params |= {name: value for name in ("service", "unit", "resource") if (value := getattr(wanted, name))}
        try:
            resources, slots = bookings.resources(token, params)
            booked = bookings.some(token, {name.removesuffix("_id"): id for name, id in wanted.about.items()}) if wanted.about else ()
            asks = visitor.may("booking:confirm") and not wanted.about
            requested = bookings.requested(token, visitor.token.member.unit, now) if asks else ()
        except Away:
            return unread(browser, visitor, wanted.address)
        except Refused as refused:
            return unread(browser, visitor, wanted.address, str(refused))
        days = groupby(slots, lambda slot: slot.starts_at.astimezone(around.zone).date())
        when = when_of(clock, around)
        return browser.page(
            "bookings.html",
            visitor,
            status,
            wanted=wanted,
            about=about_words(visitor, wanted),
            begins=wanted.begins or local_minute(begins, around.zone),
            lengths=LENGTHS,
            choices=choices(),
            resources={resource.code: resource for resource in resources},
            days=[(day_heading(day, now.astimezone(around.zone).date()), _by_resource(found)) for day, found in days],
            clock_of=lambda at: f"{at.astimezone(around.zone):%H:%M}",
            booked=booked,
            requested=requested,
            minutes_words=minutes_words,
            span=Spans(when, around.zone),
            names=around,
            key=uuid4(),
            longest=LONGEST_NOTE,
            note=note,
            now=now,
            error=error,
            message=message,
        )

    @router.get("/bookings")
    def find(
        visitor: Visitor = signed_in,
        service: Code = "",
        unit: Code = "",
        resource: Code = "",
        begins: Annotated[str, Query(alias="from", max_length=40)] = "",
        minutes: Annotated[int, Query(ge=5, le=31 * 24 * 60)] = 60,
        task: UUID | None = None,
        case: UUID | None = None,
        done: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        return search(visitor, Wanted(service, unit, resource, begins, minutes, task, case), message=DONE.get(done, ""))

    @router.post("/bookings", dependencies=ours)
    def book(
        key: Annotated[UUID, Form()],
        slot: Annotated[str, Form(max_length=200)] = "",
        note: Annotated[str, Form(max_length=4 * LONGEST_NOTE)] = "",
        service: Annotated[str, Form(max_length=64)] = "",
        unit: Annotated[str, Form(max_length=64)] = "",
        resource: Annotated[str, Form(max_length=64)] = "",
        begins: Annotated[str, Form(alias="from", max_length=40)] = "",
        minutes: Annotated[int, Form(ge=5, le=31 * 24 * 60)] = 60,
        task: Annotated[UUID | None, Form()] = None,
        case: Annotated[UUID | None, Form()] = None,
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "booking:make")
        wanted = Wanted(service, unit, resource, begins, minutes, task, case)
        chosen = slot_of(slot)
        if chosen is None:
            return search(visitor, wanted, error="Choose a time first.", status=422, note=note)
        try:
            bookings.book(visitor.token.token, chosen, wanted.about, note.replace("\x00", "").strip(), key)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return search(visitor, wanted, error=str(refused), status=409, note=note)
        return see_other(f"/tasks/{task}?done=booked#bookings" if task else f"{Wanted(case=case).address}&done=booked")

    @router.post("/bookings/{booking}/{action}", dependencies=ours)
    def act(
        booking: UUID,
        action: Literal["cancel", "confirm", "move"],
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        back: Annotated[str, Form(max_length=500)] = "/bookings",
        begins: Annotated[str, Form(alias="from", max_length=40)] = "",
        until: Annotated[str, Form(max_length=40)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "booking:confirm" if action == "confirm" else "booking:make")
        where, zone, token = local_path(back, "/bookings"), organisation().zone, visitor.token.token
        starts_at, ends_at = moment_in(begins, zone), moment_in(until, zone)
        try:
            if action != "move":
                bookings.act(token, booking, action, revision, key)
            elif starts_at is not None and ends_at is not None and starts_at < ends_at:
                bookings.move(token, booking, starts_at, ends_at, revision, key)
            else:
                wrong = "Say from when until when: date and time, the later one last."
                return browser.page("step_refused.html", visitor, 422, reason=wrong, back=where)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return browser.page("step_refused.html", visitor, 409, reason=str(refused), back=where)
        path, _, anchor = where.partition("#")
        done = {"cancel": "cancelled", "confirm": "confirmed", "move": "moved"}[action]
        return see_other(f"{path}{'&' if '?' in path else '?'}done={done}{'#' + anchor if anchor else ''}")

    @router.get("/resources/{code}")
    def one_day(
        code: Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")],
        visitor: Visitor = signed_in,
        day: date | None = None,
        done: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        require(visitor, "resource:read")
        around, now, token = organisation(), clock(), visitor.token.token
        today = now.astimezone(around.zone).date()
        shown = day or today
        begin, end = (datetime.combine(shown + timedelta(days=count), time(), around.zone) for count in (0, 1))
        try:
            free_at = {"resource": code, "from": begin.isoformat(), "until": end.isoformat(), "minutes": str(PIECE)}
            resources, free = bookings.resources(token, free_at)
            found = bookings.some(token, {"resource": code, "from": begin.isoformat(), "until": end.isoformat()})
        except Away:
            return unread(browser, visitor, f"/resources/{code}")
        except Refused as refused:
            return unread(browser, visitor, f"/resources/{code}", str(refused))
        if not resources and not found:
            return unread(browser, visitor, f"/resources/{code}", f"There is no active resource {code}.")
        return browser.page(
            "resource.html",
            visitor,
            resource=resources[0] if resources else None,
            name=resources[0].name if resources else found[0].resource_name,
            code=code,
            day=shown,
            heading=day_heading(shown, today),
            is_today=shown == today,
            booked=_live_first(found),
            span=Spans(when_of(clock, around), around.zone),
            clock_of=lambda at: f"{at.astimezone(around.zone):%H:%M}",
            free=stretches(free),
            beside=[shown - timedelta(days=1), shown + timedelta(days=1)],
            names=around,
            key=uuid4(),
            now=now,
            message=DONE.get(done, ""),
        )

    return router


def _by_resource(slots: Iterable[Slot]) -> list[tuple[str, list[Slot]]]:
    """A day's free times, of one resource after the other, the one that is free first before the others."""
    found: dict[str, list[Slot]] = {}
    for slot in slots:
        found.setdefault(slot.resource, []).append(slot)
    return list(found.items())


def _next_half_hour(now: datetime) -> datetime:
    return now + (-timedelta(minutes=now.minute, seconds=now.second, microseconds=now.microsecond) % timedelta(minutes=30))


def _live_first(found: tuple[Booking, ...]) -> list[Booking]:
    return sorted(found, key=lambda booking: (not booking.is_live, booking.starts_at))
