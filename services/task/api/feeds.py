"""Feeds for calendar programs, which cannot log in: a secret of its own in the path opens one feed, and nothing else."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, model_validator

from services.task.api.bodies import Body
from services.task.api.calendars import calendar_of_bookings, calendar_of_tasks
from services.task.domain.resources.slots import Span
from services.task.storage import bookings as bookings_storage
from services.task.storage import feeds as storage
from services.task.storage.feeds import Feed
from shared.clock import Clock
from shared.messaging import EventPublisher, ReferenceData
from shared.schemas.configuration.resources import Resource
from shared.schemas.events import Code
from shared.web import Answer, Forbidden, NotFound, Principal, Problem, Unprocessable, requires
from shared.web.allowance import Allowance

Owner = Annotated[Principal, Depends(requires("task:read"))]
Kind = Literal["tasks", "resources"]
Token = Annotated[str, Path(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]+$")]
MOST_TASKS, MOST_BOOKINGS = 500, 1000
BACK, AHEAD = timedelta(days=30), timedelta(days=180)
"""How far from now a resource's feed shows bookings."""
WRONG_AN_HOUR = 30
"""Tokens that open nothing, from one address."""
READS_AN_HOUR = 120
"""Of one feed."""


class FeedBody(Body):
    """Make a feed of one's own tasks, or of a resource's bookings."""

    kind: Kind
    resource: Code | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if (self.kind == "resources") != (self.resource is not None):
            raise ValueError("name the resource of a feed of kind resources, and none otherwise")
        return self


class FeedView(BaseModel):
    """A feed. `path`: where a calendar program reads it; shown only now, since its secret is not kept."""

    id: UUID
    kind: Kind
    resource: str | None
    made_at: datetime
    path: str | None


class FeedList(BaseModel):
    """One's feeds."""

    items: list[FeedView]


def feed_routes(publisher: EventPublisher, reference: ReferenceData, clock: Clock) -> APIRouter:
    """Making and revoking feeds."""
    router = APIRouter(tags=["feeds"])

    @router.post(
        "/feeds",
        response_model=FeedView,
        status_code=201,
        summary="Make a feed for a calendar program; one's earlier feed of the same ends. A repeat makes a new secret.",
    )
    def make_feed(body: FeedBody, principal: Owner) -> Response:
        member = reference.staff.get(principal.user)
        if member is None or not member.active:
            raise Unprocessable("Only members of staff have feeds.")
        if body.resource is not None:
            _require_reach(principal, _resource(reference, body.resource))
        token = token_urlsafe(32)
        feed = Feed(uuid4(), body.kind, body.resource or "", principal.user, clock())
        with publisher.transaction() as tx:
            storage.replace(tx, feed, _digest(token))
        return Answer(_view(feed, token), 201).response()

    @router.get("/feeds", response_model=FeedList, summary="One's feeds.")
    def list_feeds(principal: Owner) -> Response:
        with publisher.database.read() as tx:
            found = storage.made_by(tx, principal.user)
        return Answer({"items": [_view(feed) for feed in found]}).response()

    @router.delete("/feeds/{feed_id}", status_code=204, summary="Revoke one of one's feeds.")
    def revoke_feed(feed_id: UUID, principal: Owner) -> Response:
        with publisher.transaction() as tx:
            if not storage.revoke(tx, feed_id, principal.user):
                raise NotFound
        return Response(status_code=204)

    return router


def public_feeds(publisher: EventPublisher, reference: ReferenceData, clock: Clock) -> APIRouter:
    """Reading feeds: no access token, only the secret in the path."""
    router = APIRouter(tags=["feeds"])
    wrong, reads = Allowance(WRONG_AN_HOUR), Allowance(READS_AN_HOUR)

    def find(kind: Kind, token: str) -> Feed | None:
        with publisher.database.read() as tx:
            feed = storage.of_token(tx, kind, _digest(token))
        member = None if feed is None else reference.staff.get(feed.made_by)
        return feed if member is not None and member.active else None

    # Coroutines: the counting is for one thread.
    async def may_look(request: Request) -> None:
        if wait := wrong.wait(_address(request), clock()):
            raise _too_often(wait)

    async def counted(request: Request, feed: Feed | None) -> Feed:
        if feed is None:
            wrong.take(_address(request), clock())
            raise NotFound
        if wait := reads.take(str(feed.id), clock()):
            raise _too_often(wait)
        return feed

    # As defaults: annotations are resolved at the module's level, where these are not.
    looked = Depends(may_look)

    def of_tasks(token: Token, _: None = looked) -> Feed | None:
        return find("tasks", token)

    def of_resource(token: Token, _: None = looked) -> Feed | None:
        return find("resources", token)

    found_tasks, found_resource = Depends(of_tasks), Depends(of_resource)

    async def tasks_feed(request: Request, feed: Feed | None = found_tasks) -> Feed:
        return await counted(request, feed)

    async def resource_feed(request: Request, feed: Feed | None = found_resource) -> Feed:
        return await counted(request, feed)

    of_user, of_bookings = Depends(tasks_feed), Depends(resource_feed)

    @router.get("/feeds/tasks/{token}.ics", summary="A user's open tasks, at their due times.", response_class=Response)
    def show_tasks(request: Request, feed: Feed = of_user) -> Response:
        with publisher.database.read() as tx:
            tasks = storage.due_tasks(tx, feed.made_by, MOST_TASKS)
        return _answer(request, calendar_of_tasks(feed.made_by, tasks))

    @router.get("/feeds/resources/{token}.ics", summary="A resource's bookings.", response_class=Response)
    def show_bookings(request: Request, feed: Feed = of_bookings) -> Response:
        resource = _resource(reference, feed.code, missing=NotFound())
        now = clock()
        with publisher.database.read() as tx:
            found = bookings_storage.listed(
                tx, resources=(feed.code,), span=Span(now - BACK, now + AHEAD), live_only=True, limit=MOST_BOOKINGS
            )
            subjects = storage.subjects_of(tx, [(each.task_id, each.case_id) for each in found])
        return _answer(request, calendar_of_bookings(resource.name, found, subjects))

    return router


def _resource(reference: ReferenceData, code: str, missing: Problem | None = None) -> Resource:
    for resource in reference.configuration().resources:
        if resource.code == code and resource.active:
            return resource
    raise missing or Unprocessable(f"There is no active resource {code}.")


def _require_reach(principal: Principal, resource: Resource) -> None:
    near = principal.scope == "all" or resource.user == principal.user or (principal.scope == "unit" and resource.unit == principal.unit)
    if not near or (resource.user != principal.user and not principal.may("resource:read")):
        raise Forbidden("A feed of a resource is for its unit, or for the person that it is.")


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _too_often(wait: timedelta) -> Problem:
    return Problem(429, "Too often; try again later.", headers={"Retry-After": str(math.ceil(wait.total_seconds()))})


def _view(feed: Feed, token: str | None = None) -> dict[str, object]:
    path = None if token is None else f"/feeds/{feed.kind}/{token}.ics"
    return {"id": feed.id, "kind": feed.kind, "resource": feed.code or None, "made_at": feed.made_at, "path": path}


def _answer(request: Request, content: bytes) -> Response:
    """The feed, or only that it is as it was (RFC 9110, 13.1.2)."""
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
    given = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    if etag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)
