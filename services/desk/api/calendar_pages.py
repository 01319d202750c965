"""Links by which calendar programs read one's tasks, or a resource's bookings (TASK-10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.bookings import Feed
from services.desk.domain.choices import Choices
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.bookings import Bookings
from shared.clock import Clock


def calendar_pages(
    browser: Browser,
    bookings: Bookings,
    organisation: Callable[[], Organisation],
    choices: Callable[[], Choices],
    reached_at: str,
    clock: Clock,
) -> APIRouter:
    """`/calendar`. `reached_at`: where `/feeds` is reached from outside; empty: nobody said."""
    router = APIRouter(prefix="/calendar", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    ours = [Depends(from_our_own_page)]

    def page(visitor: Visitor, *, made: Feed | None = None, error: str = "", status: int = 200, message: str = "") -> Response:
        require(visitor, "task:read")
        around, member = organisation(), visitor.token.member
        try:
            found = bookings.feeds(visitor.token.token)
        except Away:
            return unread(browser, visitor, "/calendar")
        except Refused as refused:
            return unread(browser, visitor, "/calendar", str(refused))
        scope = visitor.token.grant.scope
        return browser.page(
            "calendar.html",
            visitor,
            status,
            feeds=found,
            made=made,
            link=_link(made.path, reached_at) if made else "",
            is_whole=bool(reached_at),
            resources=[
                each
                for each in choices().resources
                if scope == "all" or each.user == member.user or (scope == "unit" and each.unit == member.unit)
            ],
            names=around,
            when=when_of(clock, around),
            error=error,
            message=message,
        )

    @router.get("")
    def list_feeds(visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        return page(visitor, message="The link is ended: nobody reads by it any more." if done == "ended" else "")

    @router.post("", dependencies=ours)
    def make(resource: Annotated[str, Form(max_length=64)] = "", visitor: Visitor = signed_in) -> Response:
        require(visitor, "task:read")
        try:
            made = bookings.make_feed(visitor.token.token, resource)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused as refused:
            return page(visitor, error=str(refused), status=409)
        # Its secret is shown now or never: there is no page to lead on to.
        return page(visitor, made=made)

    @router.post("/{feed}/end", dependencies=ours)
    def end(feed: UUID, visitor: Visitor = signed_in) -> Response:
        require(visitor, "task:read")
        try:
            bookings.revoke_feed(visitor.token.token, feed)
        except Away:
            return browser.page("away.html", visitor, 503)
        except Refused:
            pass  # Ended already, by whoever pressed twice.
        return see_other("/calendar?done=ended")

    return router


def _link(path: str, reached_at: str) -> str:
    return f"{reached_at.rstrip('/')}{path.removeprefix('/feeds')}" if reached_at else path
