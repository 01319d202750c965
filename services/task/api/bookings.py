"""Resources, when they are free, and their bookings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.task.api.bodies import Moment
from services.task.api.booking_views import (
    BookBody,
    BookingPage,
    BookingView,
    MoveBody,
    ReasonBody,
    ResourceList,
    Times,
    booking_view,
    hidden,
)
from services.task.api.reading import in_sight, may_see_case
from services.task.api.views import caller_of
from services.task.domain.caller import Caller
from services.task.domain.case import Case
from services.task.domain.resources.booking import Booking, BookingRefused
from services.task.domain.resources.slots import Span
from services.task.domain.task import Task
from services.task.handlers import bookings, commands
from services.task.handlers.resources import AwayOf, Resource, Resources, compile_resources, free_at
from services.task.handlers.work import Cause, CompiledOf, Work
from services.task.storage import bookings as storage
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.observability.tracing import current_traceparent
from shared.schemas.events import BookingLifeCycle, Code
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    Conflict,
    Forbidden,
    NotFound,
    PageRequest,
    Principal,
    Unprocessable,
    answer_once,
    check_revision,
    command,
    page_request,
    requires,
)

Asking = Annotated[Command, Depends(command)]
Reader = Annotated[Principal, Depends(requires("resource:read"))]
Do = Callable[[Transaction, Work, Booking, Cause], None]
MOST_SLOTS = 50
LONGEST_SEARCH = timedelta(days=31)


def booking_routes(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock, away: AwayOf) -> APIRouter:
    """`/resources` and `/bookings`."""
    router = APIRouter(tags=["resources"])
    known: Callable[[int], Resources] = VersionCache(reference, compile_resources).get
    books, confirms = Depends(requires("booking:make")), Depends(requires("booking:confirm"))

    @router.get("/resources", response_model=ResourceList, summary="Resources, and the first times in which they are free.")
    def list_resources(
        _principal: Reader,
        service: Code | None = None,
        unit: Code | None = None,
        resource: Code | None = None,
        from_: Annotated[Moment | None, Query(alias="from", description="None: no times are searched.")] = None,
        until: Annotated[Moment | None, Query(description="None: seven days later.")] = None,
        minutes: Annotated[int, Query(ge=5, le=31 * 24 * 60)] = 60,
    ) -> Response:
        found = [
            each
            for each in known(0).by_code.values()
            if (service is None or service in each.services) and unit in (None, each.unit) and resource in (None, each.code)
        ]
        slots: list[tuple[Span, str]] = []
        if from_ is not None:
            end = until or from_ + timedelta(days=7)
            if not from_ < end <= from_ + LONGEST_SEARCH:
                raise Unprocessable("The search ends after it begins, and at most 31 days later.")
            begin = _next_five_minutes(max(from_, clock()))
            if begin < end:  # what is over is not free any more
                with publisher.database.read() as tx:
                    slots = free_at(tx, found, Span(begin, end), minutes, MOST_SLOTS, away)
        items = [
            {
                name: getattr(each, name)
                for name in ("code", "name", "description", "kind", "unit", "user", "capacity", "needs_confirmation")
            }
            | {"services": sorted(each.services)}
            for each in found
        ]
        return Answer(
            {"resources": items, "slots": [{"resource": code, "from": span.start, "until": span.end} for span, code in slots]}
        ).response()

    @router.get("/bookings", response_model=BookingPage, summary="Bookings by their time; of those out of reach only when they are.")
    def list_bookings(
        principal: Reader,
        page: Annotated[PageRequest, Depends(page_request)],
        resource: Code | None = None,
        task: UUID | None = None,
        case: UUID | None = None,
        unit: Annotated[Code | None, Query(description="Of all resources of this unit.")] = None,
        state: BookingLifeCycle | None = None,
        from_: Annotated[Moment | None, Query(alias="from")] = None,
        until: Moment | None = None,
    ) -> Response:
        if resource is None and task is None and case is None and unit is None:
            raise Unprocessable("Say of which resource, task, case or unit.")
        span = None
        if from_ is not None or until is not None:
            if from_ is None or until is None or until <= from_:
                raise Unprocessable("Give both from and until, the later one last.")
            span = Span(from_, until)
        caller = caller_of(principal)
        with publisher.database.read() as tx:
            found = storage.listed(
                tx,
                resources=None if resource is None else (resource,),
                unit=unit,
                state=state.value if state else None,
                task_id=task,
                case_id=case,
                span=span,
                after=page.place(),
                limit=page.limit + 1,
            )
            shown = found[: page.limit]
            items = [booking_view(each) if _reaches(tx, caller, each) else hidden(each) for each in shown]
        following = page.following(len(found), shown, lambda each: (each.span.start.isoformat(), each.id))
        return Answer({"items": items, "next": following}).response()

    @router.get("/bookings/{booking_id}", response_model=BookingView, summary="A booking.")
    def show_booking(booking_id: UUID, principal: Reader) -> Response:
        with publisher.database.read() as tx:
            booking = storage.get(tx, booking_id)
            if booking is None or not _reaches(tx, caller_of(principal), booking):
                raise NotFound
        return _answer(booking).response()

    @router.post(
        "/bookings",
        response_model=BookingView,
        status_code=201,
        dependencies=[books],
        summary="Book a resource for a task or a case; 409 with the nearest free times when it is taken.",
    )
    def book(body: BookBody, asking: Asking) -> Response:
        now = clock()
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())
        caller = caller_of(asking.principal)

        def answer() -> Answer:
            work = Work(compiled, now)
            task, case = _about(tx, work, caller, body.task_id, body.case_id)
            if (task is not None and not task.state.is_open) or (case is not None and case.is_closed):
                raise Conflict("What it is for has ended: nothing is booked for it.")
            return _answer(bookings.book(tx, work, _resource(body.resource), task, case, _span(body), body.note, cause, away), 201)

        with _refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def run(booking_id: UUID, asking: Command, do: Do, *, of_the_unit: bool = False) -> Response:
        now = clock()
        cause = Cause(asking.cause, now, asking.principal.user, current_traceparent())
        caller = caller_of(asking.principal)

        def answer() -> Answer:
            work = Work(compiled, now)
            about = storage.about(tx, booking_id)
            if about is None:
                raise NotFound
            # Locked in the same order as everywhere: the case, its tasks, the booking.
            _load(tx, work, *about)
            booking = storage.lock(tx, booking_id)
            if not _reaches(tx, caller, booking):
                raise NotFound
            if of_the_unit and caller.scope != "all" and caller.unit != booking.unit:
                raise Forbidden(f"Requests for {booking.resource_name} are confirmed in the unit {booking.unit}.")
            check_revision(asking, booking.revision)
            do(tx, work, booking, cause)
            return _answer(booking)

        with _refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post("/bookings/{booking_id}/move", response_model=BookingView, dependencies=[books], summary="Move a booking to another time.")
    def move(booking_id: UUID, body: MoveBody, asking: Asking) -> Response:
        def do(tx: Transaction, work: Work, booking: Booking, cause: Cause) -> None:
            bookings.move(tx, work, booking, _resource(booking.resource), _span(body), cause, away)

        return run(booking_id, asking, do)

    @router.post("/bookings/{booking_id}/cancel", response_model=BookingView, dependencies=[books], summary="Cancel a booking or request.")
    def cancel(booking_id: UUID, asking: Asking, body: ReasonBody | None = None) -> Response:
        reason = body.reason if body else ""
        return run(booking_id, asking, lambda tx, work, booking, cause: bookings.cancel(tx, work, booking, reason, cause))

    @router.post(
        "/bookings/{booking_id}/confirm", response_model=BookingView, dependencies=[confirms], summary="Confirm a request for one's unit."
    )
    def confirm(booking_id: UUID, asking: Asking) -> Response:
        def do(tx: Transaction, work: Work, booking: Booking, cause: Cause) -> None:
            bookings.confirm(tx, work, booking, cause, away)

        return run(booking_id, asking, do, of_the_unit=True)

    def _resource(code: str) -> Resource:
        found = known(0).by_code.get(code)
        if found is None:
            raise Unprocessable(f"There is no active resource {code}.")
        return found

    return router


def _about(tx: Transaction, work: Work, caller: Caller, task_id: UUID | None, case_id: UUID | None) -> tuple[Task | None, Case | None]:
    """What is booked for, locked and within reach. Of a task: with its case."""
    task = _load(tx, work, task_id, case_id)
    of = case_id if task is None else task.case_id
    case = None if of is None else work.cases.get(of)
    if task_id is not None and (task is None or not caller.sees(task)):
        raise NotFound
    if task_id is None and (case is None or not may_see_case(caller, case, work.tasks_of(case.id))):
        raise NotFound
    return task, case


def _load(tx: Transaction, work: Work, task_id: UUID | None, case_id: UUID | None) -> Task | None:
    if task_id is not None:
        return commands.load_task(tx, work, task_id)
    work.lock_cases(tx, () if case_id is None else (case_id,))
    return None


def _reaches(tx: Transaction, caller: Caller, booking: Booking) -> bool:
    """Whether the caller may know what the booking is for: theirs, their unit's, or for what they see."""
    if caller.scope == "all" or caller.user in (booking.made_by, booking.resource_user):
        return True
    if caller.scope == "unit" and booking.unit == caller.unit:
        return True
    return in_sight(tx, caller, None if booking.task_id else booking.case_id, booking.task_id)


def _span(body: Times) -> Span:
    return Span(body.from_, body.until)


def _next_five_minutes(at: Moment) -> Moment:
    return at + (-timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond) % timedelta(minutes=5))


def _answer(booking: Booking, status: int = 200) -> Answer:
    return Answer(booking_view(booking), status, booking.revision)


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer a booking that cannot be as a conflict, with the nearest free times."""
    try:
        yield
    except BookingRefused as refused:
        slots: list[dict[str, Any]] = [{"from": slot.start.isoformat(), "until": slot.end.isoformat()} for slot in refused.slots]
        raise Conflict(str(refused), why=refused.why, free=slots) from refused
