"""The overview: how many cases are open, overdue, nobody's or waiting for the customer, and of what kinds (CASE-15)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from services.desk.api.browser import Browser, Visitor
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.figures import Figures, figures_of
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import span_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.figures import FiguresReader
from shared.clock import Clock

TABLES = {"priority": "By priority", "unit": "By unit", "owner": "By owner", "category": "By category"}
"""Fields of the tables and their headings, in the page's order."""


def overview_pages(browser: Browser, reader: FiguresReader, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/overview`."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    @router.get("/overview")
    def overview(visitor: Visitor = signed_in) -> Response:
        require(visitor, "case:read")
        around, now = organisation(), clock()
        found: Figures | None
        try:
            found = figures_of(reader.open_cases(visitor.token.token), tuple(TABLES), around.priorities)
        except Away:
            found = None
        except Refused as refused:
            return unread(browser, visitor, "/overview", str(refused))
        return browser.page(
            "overview.html",
            visitor,
            503 if found is None else 200,
            figures=found,
            headings=TABLES,
            cases_of=_cases_of,
            waits=span_words(now - found.oldest_at) if found and found.oldest_at else "",
            names=around,
            when=when_of(clock, around),
        )

    return router


def _cases_of(show: str, field: str, code: str) -> str:
    """The address of the list of the cases that a figure counts; empty where the list has no such filter."""
    if code:
        return f"/cases?{urlencode({'show': show, field: code})}"
    # Those that are nobody's have a list of their own; a category that is not set is none to filter by.
    return "/cases?show=unassigned" if field == "owner" and show in ("open", "unassigned") else ""
