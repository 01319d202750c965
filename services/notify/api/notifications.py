"""`/notifications`: what one was told, on the desk and beside it (NOTE-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from services.notify.domain.news import about, headline
from services.notify.storage import notifications
from shared.clock import Clock
from shared.storage import Database
from shared.web import Page, PageRequest, Principal, Problem, page_request, requires

OWN = Annotated[Principal, Depends(requires("notification:own"))]
MOST_COUNTED = 100
MOST_READ = 500


class Notification(BaseModel):
    """Something that one was told. `about` is what the `headline` is said of; `told`: how else than on the desk, and how far that is."""

    id: UUID
    place: int
    """Grows with every notification: `until` of those that were read."""
    occasion: str
    headline: str
    about: str
    item_kind: str
    item_id: UUID
    case_id: UUID | None
    number: str
    title: str
    due_at: datetime | None
    at: datetime
    read_at: datetime | None
    told: Literal["desk", "email", "digest"]
    state: Literal["waiting", "sent", "failed"]
    waits_until: datetime | None


class Unread(BaseModel):
    """How many notifications are unread; counted as far as 100."""

    unread: int


class ReadBody(BaseModel):
    """Which were read: these, or all up to a place."""

    model_config = ConfigDict(extra="forbid")
    ids: list[UUID] = Field(default=[], max_length=MOST_READ)
    until: int | None = Field(default=None, ge=0, le=2**62)


def notifications_router(database: Database, clock: Clock) -> APIRouter:
    """`GET /notifications`, `GET /notifications/unread`, `POST /notifications/read`."""
    router = APIRouter(prefix="/notifications", tags=["notifications"])

    @router.get("", summary="What you were told, the newest first.")
    def listed(
        principal: OWN,
        page: Annotated[PageRequest, Depends(page_request)],
        unread: Annotated[bool, Query(description="Only what you have not read.")] = False,
    ) -> Page[Notification]:
        after = page.keys(1)
        if after and not isinstance(after[0], int):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            rows = notifications.listed(tx, principal.user, unread=unread, before=after[0] if after else None, limit=page.limit + 1)
        shown = rows[: page.limit]
        return Page(items=[_view(row) for row in shown], next=page.following(len(rows), shown, lambda row: (row["sequence"],)))

    @router.get("/unread", summary="How many you have not read.")
    def count(principal: OWN) -> Unread:
        with database.read() as tx:
            return Unread(unread=notifications.count_unread(tx, principal.user, MOST_COUNTED))

    @router.post("/read", summary="Say that you have read these, or all up to a place.")
    def read(body: ReadBody, principal: OWN) -> Unread:
        with database.transaction() as tx:
            if body.ids:
                notifications.read(tx, principal.user, body.ids, clock())
            if body.until is not None:
                notifications.read_until(tx, principal.user, body.until, clock())
            return Unread(unread=notifications.count_unread(tx, principal.user, MOST_COUNTED))

    return router


def _view(row: dict[str, Any]) -> Notification:
    facts: dict[str, str] = orjson.loads(row["facts"])
    is_digest = row["hold"] == "digest" or row["digest_id"] is not None
    waits = row["state"] in ("queued", "held", "gathered", "claimed")
    return Notification(
        id=row["id"],
        place=row["sequence"],
        occasion=row["occasion"],
        headline=headline(row["occasion"]),
        about=about(facts),
        item_kind=row["item_kind"],
        item_id=row["item_id"],
        case_id=row["case_id"],
        number=facts.get("number", ""),
        title=facts.get("title", ""),
        due_at=datetime.fromisoformat(facts["due_at"]) if facts.get("due_at") else None,
        at=row["created_at"],
        read_at=row["read_at"],
        told="desk" if row["channel"] == "desk" else "digest" if is_digest else "email",
        state="waiting" if waits else "sent" if row["state"] == "sent" else "failed",
        waits_until=row["hold_until"] if waits and row["hold"] else None,
    )
