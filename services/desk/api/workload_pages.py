"""Who has how much to do, and giving some of it to others (TASK-7, EDGE-13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.api.task_page import Row, row_of
from services.desk.domain.choices import Choices
from services.desk.domain.organisation import Organisation
from services.desk.domain.staffing import Given, Outcome, given_of
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.staffing import Staffing
from services.desk.gateways.tasks import Tasks
from shared.clock import Clock

Of = Annotated[str, Query(max_length=80, pattern=r"^((user|role|unit):[A-Za-z0-9._-]+)?$")]
KINDS = ("user", "role", "unit")


def workload_pages(
    browser: Browser,
    staffing: Staffing,
    tasks: Tasks,
    organisation: Callable[[], Organisation],
    choices: Callable[[], Choices],
    clock: Clock,
) -> APIRouter:
    """`/workload`."""
    router = APIRouter(prefix="/workload", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    def page(
        visitor: Visitor,
        unit: str,
        of: str,
        *,
        to: str = "",
        error: str = "",
        status: int = 200,
        message: str = "",
        outcomes: Sequence[Outcome] = (),
    ) -> Response:
        require(visitor, "absence:manage")
        around, now, token = organisation(), clock(), visitor.token.token
        reaches_all = visitor.token.grant.scope == "all"
        # Whoever reaches all may look at all units at once.
        shown = unit if reaches_all else visitor.token.member.unit
        rows: list[Row] | None = None
        more = False
        try:
            workload = staffing.workload(token, shown)
            if of:
                kind, _, code = of.partition(":")
                found = tasks.with_whom(token, kind, code, shown if kind == "role" else "")
                rows, more = [row_of(task, now, around) for task in found.tasks], found.more
        except Away:
            return unread(browser, visitor, "/workload")
        except Refused as refused:
            return unread(browser, visitor, "/workload", str(refused))
        subjects = {row.task.id: row.task.subject_line for row in rows or ()}
        available = choices()
        return browser.page(
            "workload.html",
            visitor,
            status,
            workload=workload,
            unit=shown,
            units=available.units if reaches_all else (),
            of=of,
            of_name=around.name(*of.split(":", 1)) if of else "",
            rows=rows,
            more=more,
            to=to,
            staff=available.staff,
            roles=available.roles,
            all_units=available.units,
            refused=[(subjects.get(one.task, str(one.task)), one.why) for one in outcomes if one.outcome in ("refused", "not_found")],
            address=lambda of: f"/workload?{urlencode({'unit': shown, 'of': of})}#tasks",
            names=around,
            when=when_of(clock, around),
            key=uuid4(),
            error=error,
            message=message,
        )

    @router.get("")
    def show(
        visitor: Visitor = signed_in,
        unit: Annotated[str | None, Query(max_length=64)] = None,
        of: Of = "",
        given: Annotated[int, Query(ge=0, le=1000)] = 0,
        same: Annotated[int, Query(ge=0, le=1000)] = 0,
        lent: bool = False,
    ) -> Response:
        return page(visitor, visitor.token.member.unit if unit is None else unit, of, message=Given(given, same, lent).words)

    @router.post("/reassign", dependencies=[Depends(from_our_own_page)])
    def reassign(
        key: Annotated[UUID, Form()],
        task: Annotated[list[UUID] | None, Form(max_length=1000)] = None,
        to: Annotated[str, Form(max_length=80)] = "",
        although_away: Annotated[bool, Form()] = False,
        unit: Annotated[str, Form(max_length=64)] = "",
        of: Annotated[str, Form(max_length=80, pattern=r"^((user|role|unit):[A-Za-z0-9._-]+)?$")] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        require(visitor, "task:assign")
        kind, _, code = to.partition(":")
        if not task:
            return page(visitor, unit, of, to=to, error="Choose the tasks first.", status=422)
        if kind not in KINDS or not code:
            return page(visitor, unit, of, error="Choose who is to have them.", status=422)
        try:
            outcomes = staffing.reassign(visitor.token.token, task, {kind: code, "although_away": although_away}, key)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return page(visitor, unit, of, to=to, error=str(refused), status=409)
        done = given_of(outcomes)
        if any(one.outcome in ("refused", "not_found") for one in outcomes):
            return page(visitor, unit, of, to=to, status=409, message=done.words, outcomes=outcomes)
        return see_other(f"/workload?{urlencode({'unit': unit, 'of': of} | asdict(done))}")

    return router
