"""Clocks: those of an item, one of them explained, and lists of what is due, at risk and breached."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import StringConstraints

from services.sla.api.asking import FILTERS, READER, Around, Kept, reach_of
from services.sla.api.shapes import Clocks, ClockView, Counts, ExplainedClock, Explanation, Figures
from services.sla.domain.packing import unpack
from services.sla.domain.records import ItemKind
from services.sla.handlers.showing import ITEM_NAMES, clocks_around, explained, id_of, view_of
from services.sla.storage import items, lists
from services.sla.storage.lists import Place, Which
from shared.calendars import CalendarError, DurationError, due, parse_duration
from shared.storage import Database, dead_letters
from shared.web import NotFound, Principal, Unprocessable, requires
from shared.web.pages import page_behind

MOST = 100
"""Clocks on a page."""
Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items on the page.")]
After = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]
Within = Annotated[
    str | None,
    Query(max_length=100, description="Due within this time: seconds, or a duration such as `4 working hours` or `2 days`."),
]


def clocks_router(database: Database, around: Around) -> APIRouter:
    """The routes under `/clocks`, and `GET /counts`."""
    router = APIRouter(tags=["clocks"])

    @router.get("/clocks", summary="The clocks on a case (with its tasks'), a task, a communication or a lead.")
    def listed(principal: READER, item_id: Annotated[UUID, Query(description="The case, task, communication or lead.")]) -> Clocks:
        now = around.clock()
        with database.read() as tx:
            found = clocks_around(tx, items.around(tx, item_id, reach_of(principal)))
        return Clocks(items=[ClockView(**view) for one in found if (view := view_of(one, now)) is not None])

    @router.get("/clocks/upcoming", summary="Running clocks by when they are due, the soonest first.")
    def upcoming(principal: READER, wanted: FILTERS, limit: Limit = 50, after: After = None, within: Within = None) -> Clocks:
        return page(Which.UPCOMING, principal, wanted, limit, after, None if within is None else end_of(within))

    @router.get("/clocks/at-risk", summary="Running clocks that are due soon, the soonest first.")
    def at_risk(principal: READER, wanted: FILTERS, limit: Limit = 50, after: After = None) -> Clocks:
        return page(Which.AT_RISK, principal, wanted, limit, after, None)

    @router.get("/clocks/breached", summary="Running clocks whose due time has passed, the longest first.")
    def breached(principal: READER, wanted: FILTERS, limit: Limit = 50, after: After = None) -> Clocks:
        return page(Which.BREACHED, principal, wanted, limit, after, None)

    @router.get("/clocks/figures", summary="How many clocks are due today, at risk and breached.")
    def figures(principal: READER, wanted: FILTERS) -> Figures:
        now, reach = around.clock(), reach_of(principal)
        tomorrow = now.astimezone(around.zone()).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        with database.read() as tx:
            return Figures(
                upcoming_today=lists.count(tx, Which.UPCOMING, wanted.wanted(), reach, now, tomorrow - timedelta(microseconds=1)),
                at_risk=lists.count(tx, Which.AT_RISK, wanted.wanted(), reach, now),
                breached=lists.count(tx, Which.BREACHED, wanted.wanted(), reach, now),
            )

    @router.get("/clocks/{id}", summary="Why an item's clocks stand as they do: each with its ledger as a timeline.")
    def one(
        id: Annotated[
            str,
            StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$"),
            Path(description="A case, task, communication or lead, or one of their clocks; or the number of a case or lead."),
        ],
        principal: READER,
    ) -> Explanation:
        now, zone, reach = around.clock(), around.zone(), reach_of(principal)
        asked = _uuid(id)
        with database.read() as tx:
            item = items.with_number(tx, id, reach) if asked is None else items.of(tx, asked, reach)
            if item is None:
                raise NotFound
            found = clocks_around(tx, [item])
        record = unpack(bytes(item.record))
        if asked is not None and asked in [id_of(item, clock) for clock in record.clocks]:
            found = [clock for clock in found if clock.clock_id == asked]
        told = [explained(clock, around.policy, now, zone) for clock in found]
        return Explanation(
            item_kind=ITEM_NAMES[ItemKind(item.item_kind)],
            item_id=item.item_id,
            number=item.number,
            title=item.title,
            zone=str(zone),
            clocks=[ExplainedClock(**clock) for clock in told if clock is not None],
        )

    @router.get("/counts", summary="How many running clocks and dead letters there are.")
    def counts(_principal: Annotated[Principal, Depends(requires("status:read"))]) -> Counts:
        with database.read() as tx:
            return Counts(timers=items.count_open(tx), dead_letters=dead_letters.count_open(tx))

    def page(which: Which, principal: Principal, wanted: Kept, limit: int, after: str | None, until: datetime | None) -> Clocks:
        request = page_behind(after, limit)
        place, now = request.place(), around.clock()
        with database.read() as tx:
            found = lists.page(
                tx, which, wanted.wanted(), reach_of(principal), now, until, None if place is None else Place(*place), limit + 1
            )
        shown = found[:limit]
        views = [view_of(clock, now) for clock in shown]
        following = request.following(len(found), shown, lambda last: (last.due_at, last.clock_id))
        return Clocks(items=[ClockView(**view) for view in views if view is not None], next=following)

    def end_of(within: str) -> datetime:
        now = around.clock()
        try:
            if within.isascii() and within.isdigit() and len(within) <= 9:
                return now + timedelta(seconds=int(within))
            return due(parse_duration(within), now, around.policy(0).calendar)
        except (CalendarError, DurationError, OverflowError) as error:
            raise Unprocessable(f"within: {error}") from error

    return router


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
