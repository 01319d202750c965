"""Absences, and who has how much to do (TASK-7, EDGE-13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.task.api.bodies import Body, Moment, User
from services.task.api.commanding import member_of
from services.task.domain.assignment.absences import Absence, HandOver, circle
from services.task.domain.resources.booking import Booking
from services.task.handlers.resources import Resources, compile_resources
from services.task.handlers.work import CompiledOf
from services.task.storage import absences, bookings
from services.task.storage import workload as workloads
from shared.clock import Clock
from shared.ids import derive
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.schemas.events import BookingLifeCycle
from shared.storage import Transaction
from shared.web import (
    Answer,
    Command,
    Conflict,
    NotFound,
    PageRequest,
    Principal,
    Problem,
    Unprocessable,
    answer_once,
    command,
    page_request,
    requires,
)

Asking = Annotated[Command, Depends(command)]
Reader = Annotated[Principal, Depends(requires("task:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]
MOST_BOOKINGS = 20
Code = Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]*$")]


class AbsenceBody(Body):
    """Somebody is away `from` a time `until` another; none: their return is not known yet."""

    user: User | None = Field(default=None, description="Who is away; none: oneself.")
    starts_at: Moment = Field(validation_alias="from")
    ends_at: Moment | None = Field(default=None, validation_alias="until")
    stand_in: User | None = Field(default=None, description="Who gets what would be theirs; none: the role or unit that it is for.")
    hand_over: HandOver = Field(default=HandOver.ALL, description="What of that which they hold is handed over as it begins.")
    give_back: bool = Field(default=True, description="Whether what is still open where it was lent to comes back with them.")
    note: Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")] = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("`until` comes after `from`")
        return self


class EndBody(Body):
    """When they are back; none: now. An absence that has not begun is then cancelled."""

    ends_at: Moment | None = Field(default=None, validation_alias="until")


class BookedView(BaseModel):
    """A booking of somebody who is away then."""

    id: UUID
    resource: str
    resource_name: str
    starts_at: datetime = Field(serialization_alias="from")
    ends_at: datetime = Field(serialization_alias="until")
    state: BookingLifeCycle


class AbsenceView(BaseModel):
    """An absence. `state`: `coming`, `present` while it lasts, `past` or `cancelled`. `bookings`: what is booked with them in that time and
    not over, the first 20: it is for people to move or cancel.
    """

    id: UUID
    user: str
    starts_at: datetime = Field(serialization_alias="from")
    ends_at: datetime | None = Field(serialization_alias="until")
    stand_in: str | None
    hand_over: HandOver
    give_back: bool
    note: str
    made_by: str
    state: Literal["coming", "present", "past", "cancelled"]
    bookings: list[BookedView]


class AbsencePage(BaseModel):
    """One page of absences; `next` goes into `cursor`."""

    items: list[AbsenceView]
    next: str | None


class WorkloadView(BaseModel):
    """What one member of staff has to do. `capacity` None: no limit. `free`: how many tasks they would still be given; None: any number."""

    user: str
    name: str
    unit: str
    open: int
    overdue: int
    capacity: int | None
    free: int | None
    skills: list[str]
    absent: bool
    absent_until: datetime | None
    stand_in: str | None


class WaitingView(BaseModel):
    """Open tasks of a unit that nobody has, by the role or unit that they are for."""

    owner_kind: str
    owner: str
    open: int
    overdue: int


class Workload(BaseModel):
    """Who has how much to do, and what waits for somebody."""

    items: list[WorkloadView]
    waiting: list[WaitingView]


def absence_routes(publisher: EventPublisher, reference: ReferenceData, compiled: CompiledOf, clock: Clock) -> APIRouter:
    """The routes about who is away, and who has how much to do."""
    router = APIRouter(tags=["absences"])
    changes = Depends(requires("task:progress"))
    resources: Callable[[int], Resources] = VersionCache(reference, compile_resources).get

    def may_manage(principal: Principal, user: str) -> bool:
        if user == principal.user:
            return True
        if not principal.may("absence:manage") or principal.scope == "own":
            return False
        member = reference.staff.get(user)
        return principal.scope == "all" or (member is not None and member.unit == principal.unit)

    def without_circle(tx: Transaction, absence: Absence) -> None:
        others = [(away, instead) for away, instead in absences.stand_ins_between(tx, absence.starts_at, absence.ends_at)]
        if way := circle(absence.user, absence.stand_in, others):
            raise Unprocessable(f"The stand-ins would lead in a circle: {', then '.join(way)}.")

    def lock_resources(tx: Transaction, user: str) -> None:
        """Whoever books this person meanwhile sees the absence, or is seen by it."""
        for code in sorted(code for code, each in resources(0).by_code.items() if each.user == user):
            bookings.lock_resource(tx, code)

    def shown(tx: Transaction, found: Sequence[Absence], now: datetime) -> list[dict[str, Any]]:
        live = [absence for absence in found if absence.cancelled_at is None]
        booked = bookings.falling_into(tx, live, now, MOST_BOOKINGS)
        return [_view(absence, now, booked.get(absence.id, ())) for absence in found]

    @router.post("/absences", response_model=AbsenceView, status_code=201, dependencies=[changes], summary="Say that somebody is away.")
    def enter(body: AbsenceBody, asking: Asking) -> Response:
        now = clock()
        principal = asking.principal
        user = body.user or principal.user
        if not may_manage(principal, user):
            raise Problem(403, f"You may not say when {user} is away.")
        member_of(reference, user)
        if body.stand_in is not None:
            member_of(reference, body.stand_in)
        if body.ends_at is not None and body.ends_at <= now:
            raise Unprocessable("It is over already: `until` lies in the past.")
        absence = Absence(
            derive("absence", asking.cause),
            user,
            body.starts_at,
            body.ends_at,
            body.stand_in,
            body.hand_over,
            body.give_back,
            body.note,
            principal.user,
        )

        def answer() -> Answer:
            lock_resources(tx, user)
            without_circle(tx, absence)
            absences.insert(tx, absence, now)
            return Answer(shown(tx, [absence], now)[0], 201)

        with _apart(user), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/absences/{absence_id}/end",
        response_model=AbsenceView,
        dependencies=[changes],
        summary="Set the return, end an absence, cancel it.",
    )
    def end(absence_id: UUID, asking: Asking, body: EndBody | None = None) -> Response:
        now = clock()
        until = body.ends_at if body else None

        def answer() -> Answer:
            absence = absences.lock(tx, absence_id)
            if absence is None or not may_manage(asking.principal, absence.user):
                raise NotFound
            lock_resources(tx, absence.user)
            state = _state(absence, now)
            if state in ("past", "cancelled"):
                raise Conflict(f"The absence is {state}.")
            if until is None and state == "coming" and absence.begun_at is None:
                absences.cancel(tx, absence_id, now)
            elif until is not None and until < now:
                raise Unprocessable("`until` lies in the past.")
            elif (until or now) <= absence.starts_at:
                raise Unprocessable("`until` comes after the beginning; without it, an absence that has not begun is cancelled.")
            else:
                absences.set_end(tx, absence_id, until or now)
            changed = absences.lock(tx, absence_id)
            if changed is None:
                raise NotFound
            if changed.cancelled_at is None:
                without_circle(tx, changed)
            return Answer(shown(tx, [changed], now)[0])

        with _apart("the user"), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("/absences", response_model=AbsencePage, summary="Absences within reach that last or are to come, the earliest first.")
    def list_absences(
        principal: Reader,
        page: Paging,
        user: Code = None,
        unit: Code = None,
        past: Annotated[bool, Query(description="Those that are over or were cancelled as well.")] = False,
    ) -> Response:
        now = clock()
        users = _within_reach(principal, user, unit)
        with publisher.database.read() as tx:
            found = absences.listed(tx, users, None if past else now, page.limit + 1, page.place())
            items = shown(tx, found[: page.limit], now)
        following = page.following(len(found), found[: page.limit], lambda absence: (absence.starts_at.isoformat(), absence.id))
        return Answer({"items": items, "next": following}).response()

    @router.get("/workload", response_model=Workload, summary="Who has how many tasks, and can be given more.")
    def show_workload(principal: Reader, unit: Code = None) -> Response:
        now = clock()
        staff = compiled(0).staff
        # Of those whom the configuration lists as active: nobody else is given anything.
        users = [user for user in _within_reach(principal, None, unit) if user in staff.members]
        with publisher.database.read() as tx:
            held = workloads.held(tx, users, now)
            away = absences.away(tx, now)
            units = {reference.staff[user].unit for user in users}
            waiting = workloads.waiting(tx, units, now) if principal.scope != "own" else []
        items = []
        for user in users:
            member, absence = staff.members[user], away.get(user)
            count, overdue = held.get(user, (0, 0))
            free = None if member.capacity is None else max(0, member.capacity - count)
            items.append(
                {
                    "user": user,
                    "name": reference.staff[user].name,
                    "unit": member.unit,
                    "open": count,
                    "overdue": overdue,
                    "capacity": member.capacity,
                    "free": 0 if absence else free,
                    "skills": sorted(member.skills),
                    "absent": absence is not None,
                    "absent_until": absence.until if absence else None,
                    "stand_in": absence.stand_in if absence else None,
                }
            )
        return Answer({"items": items, "waiting": waiting}).response()

    def _within_reach(principal: Principal, user: str | None, unit: str | None) -> list[str]:
        """The users whom the caller may ask about: themselves; those of their unit, who manage that; or all."""
        manages = principal.may("absence:manage")
        found = []
        for each, member in reference.staff.items():
            reached = principal.scope == "all" or (principal.scope == "unit" and member.unit == principal.unit)
            if (each == principal.user or (manages and reached)) and user in (None, each) and unit in (None, member.unit):
                found.append(each)
        return sorted(found)

    return router


@contextmanager
def _apart(user: str) -> Iterator[None]:
    try:
        yield
    except absences.Overlaps as error:
        raise Conflict(f"For {user} another absence is known in that time; end that one, or change it.") from error


def _state(absence: Absence, now: datetime) -> str:
    if absence.cancelled_at is not None:
        return "cancelled"
    if absence.ends_at is not None and absence.ends_at <= now:
        return "past"
    return "coming" if absence.starts_at > now else "present"


def _view(absence: Absence, now: datetime, booked: Sequence[Booking]) -> dict[str, Any]:
    return {
        "id": absence.id,
        "user": absence.user,
        "from": absence.starts_at,
        "until": absence.ends_at,
        "stand_in": absence.stand_in,
        "hand_over": absence.hand_over.value,
        "give_back": absence.give_back,
        "note": absence.note,
        "made_by": absence.made_by,
        "state": _state(absence, now),
        "bookings": [
            {
                "id": each.id,
                "resource": each.resource,
                "resource_name": each.resource_name,
                "from": each.span.start,
                "until": each.span.end,
                "state": each.state.value,
            }
            for each in booked
        ],
    }
