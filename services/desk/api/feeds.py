"""`/configuration/feeds`: the iCalendar feeds of closed days, how it went with them, and reading them now."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from services.desk.handlers.feeds import Feed, Feeds, NoSuchFeed, Read
from services.desk.storage.feeds import FeedState
from shared.clock import Clock
from shared.web import Command, Unprocessable, command, requires

Text = Annotated[str, Query(max_length=2000, pattern=r"^[^\x00]*$")]


class FeedView(BaseModel):
    """A feed of a calendar in force. `read_at`: when it was last read as a whole; `problem`: why it was not at the last try."""

    calendar: str
    url: str
    only: list[str]
    days: list[date]
    tried_at: datetime | None
    read_at: datetime | None
    problem: str
    notes: list[str]


class FeedList(BaseModel):
    """Every feed, by calendar and address."""

    items: list[FeedView]


class ReadView(BaseModel):
    """What became of reading a feed: its closed days after it, and what changed. With a `problem` they are as before."""

    calendar: str
    url: str
    days: list[date]
    added: list[date]
    removed: list[date]
    notes: list[str]
    problem: str


class RefreshedView(BaseModel):
    """The version in force, whether it is a new one, and each feed that was read."""

    version: int
    changed: bool
    feeds: list[ReadView]


def feed_routes(feeds: Feeds, clock: Clock) -> APIRouter:
    """They say what is closed; what they said is part of the configuration's versions."""
    router = APIRouter(prefix="/configuration/feeds", tags=["configuration"])
    reads, applies = Depends(requires("configuration:read")), Depends(requires("configuration:apply"))

    @router.get("", dependencies=[reads], summary="The feeds of closed days, and when each was read.")
    def listed() -> FeedList:
        return FeedList(items=[_shown(feed, state) for feed, state in feeds.states()])

    @router.post(
        "/refresh",
        dependencies=[applies],
        summary="Read the feeds of closed days, and publish a version when days changed. With `calendar`, the body is that feed's content"
        " (iCalendar) and nothing is fetched; `url` says which feed where the calendar has several. With `check` nothing is published.",
    )
    async def refresh(
        request: Request, asked: Annotated[Command, Depends(command)], check: bool = False, calendar: Text = "", url: Text = ""
    ) -> RefreshedView:
        content = await request.body()
        return await run_in_threadpool(_refresh, asked, check, (calendar, url, content) if calendar else None)

    def _refresh(asked: Command, check: bool, handed: tuple[str, str, bytes] | None) -> RefreshedView:
        try:
            found = feeds.refresh(asked.principal.user, asked.cause, clock(), publish=not check, handed=handed)
        except NoSuchFeed as error:
            raise Unprocessable(str(error)) from error
        return RefreshedView(version=found.version, changed=found.is_new, feeds=[_read(read) for read in found.reads])

    return router


def _shown(feed: Feed, state: FeedState | None) -> FeedView:
    return FeedView(
        calendar=feed.calendar,
        url=feed.url,
        only=list(feed.only),
        days=list(feed.days),
        tried_at=state.tried_at if state else None,
        read_at=state.read_at if state else None,
        problem=state.problem if state else "",
        notes=list(state.notes) if state else [],
    )


def _read(read: Read) -> ReadView:
    return ReadView(
        calendar=read.feed.calendar,
        url=read.feed.url,
        days=list(read.days),
        added=list(read.added),
        removed=list(read.removed),
        notes=list(read.notes),
        problem=read.problem,
    )
