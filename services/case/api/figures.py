"""Figures for dashboards, and reports on a period (CASE-15)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime

from services.case.api.reach import rows_of
from services.case.api.shapes.declaring import gives
from services.case.api.shapes.finding import CaseReport, Figures
from services.case.storage import figures
from services.case.storage.figures import By
from shared.clock import Clock
from shared.storage import Database
from shared.web import Answer, Principal, Unprocessable, requires

CaseReader = Annotated[Principal, Depends(requires("case:read"))]


def figures_router(database: Database, clock: Clock) -> APIRouter:
    """`GET /figures` and `GET /reports/cases`."""
    router = APIRouter(tags=["figures"])

    @router.get(
        "/figures",
        responses=gives(Figures),
        summary="How many open cases the caller reaches: overdue, unassigned, waiting, and of what kinds.",
    )
    def show_figures(principal: CaseReader) -> Response:
        """`open`, `overdue`, `unassigned` and `awaiting` (the customer), together and `by` priority, category, unit, owner, state and
        subject, the most first; with the case that has been without an owner for longest.
        """
        rows = rows_of(principal)
        with database.read() as tx:
            found = figures.open_cases(tx, rows, clock())
            found["oldest_unassigned"] = figures.oldest_unassigned_case(tx, rows)
        return Answer(found).response()

    @router.get(
        "/reports/cases",
        responses=gives(CaseReport),
        summary="Cases opened, completed and cancelled in a period, and the median time to completion.",
    )
    def report(
        principal: CaseReader,
        begin: Annotated[AwareDatetime, Query(alias="from", description="The first moment.")],
        end: Annotated[AwareDatetime, Query(alias="to", description="The first moment after it.")],
        by: Annotated[By, Query(description="The field whose values the cases are counted by.")] = "subject",
    ) -> Response:
        if begin >= end:
            raise Unprocessable("The period ends before it begins: `from` must be earlier than `to`.")
        with database.read() as tx:
            return Answer({"items": figures.report(tx, by, begin, end, rows_of(principal))}).response()

    return router
