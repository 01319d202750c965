"""The page of customers' feedback (CASE-13): counted, and what was written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from services.desk.api.browser import Browser, Visitor
from services.desk.domain.feedback import Group, Said
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import due_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.feedback import FeedbackReader
from shared.clock import Clock
from shared.web import Forbidden

By = Literal["subject", "unit", "method"]


def feedback_pages(browser: Browser, reader: FeedbackReader, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/feedback`."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    @router.get("/feedback")
    def feedback(
        visitor: Visitor = signed_in,
        by: By = "subject",
        first: Annotated[str, Query(alias="from", max_length=10)] = "",
        to: Annotated[str, Query(max_length=10)] = "",
    ) -> Response:
        if not visitor.may("feedback:read"):
            raise Forbidden("Your roles do not open this page; it needs the permission feedback:read.")
        around, now = organisation(), clock()
        groups: tuple[Group, ...] | None = None
        said: tuple[Said, ...] = ()
        more, error, status = False, _wrong(first, to), 422
        if not error:
            given = {"by": by, "from": first, "to": to}
            filters = {name: value for name, value in given.items() if value}
            token, status = visitor.token.token, 200
            try:
                groups = reader.summary(token, filters)
                said, more = reader.said(token, filters)
            except Away:
                groups, status = None, 503
            except Refused as refused:
                error, status = str(refused), 422
        shown = {"groups": groups, "said": said, "more": more, "error": error}
        kept = {"by": by, "first": first, "to": to}
        return browser.page(
            "feedback.html", visitor, status, **shown, **kept, names=around, when=lambda at: due_words(at, now, around.zone)
        )

    return router


def _wrong(first: str, to: str) -> str:
    """What is wrong with the days, for people; browsers without a calendar send what was typed."""
    try:
        days = [date.fromisoformat(text) for text in (first, to) if text]
    except ValueError:
        return "A day is written like 2026-03-31."
    return "The first day is after the last." if len(days) == 2 and days[1] < days[0] else ""
