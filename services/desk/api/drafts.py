"""`/configuration/drafts`: configurations in the making, beside those that are or were in force."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from services.desk.api.machines import ProblemView, applied_response, invalid, problem_views, text_of
from services.desk.handlers.configuration import Invalid
from services.desk.handlers.drafts import (
    DraftChanged,
    DraftRefused,
    NoSuchDraft,
    Outdated,
    discard_draft,
    problems_of,
    publish_draft,
    save_draft,
)
from services.desk.storage import configurations, drafts
from services.desk.storage.drafts import Draft
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.web import Answer, Command, NotFound, Page, PageRequest, Problem, Unprocessable, command, page_of, page_request, requires
from shared.web.commands import etag

Name = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9][a-z0-9-]*$")]
Base = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="The version that the draft is made from.")]
Asked = Annotated[Command, Depends(command)]


class DraftView(BaseModel):
    """A draft, without its text. `based_on`: the version that it is made from; `is_outdated`: another one is in force since, which
    differs from it in more than the closed days of feeds.
    """

    name: str
    revision: int
    based_on: int
    is_outdated: bool
    saved_by: str
    saved_at: datetime


class DraftText(DraftView):
    """A draft, and what keeps it from being published."""

    source: str
    problems: list[ProblemView]


def draft_routes(publisher: EventPublisher, clock: Clock) -> APIRouter:
    """Kept by name; published as the next version while the version that they were made from is in force."""
    router = APIRouter(prefix="/configuration/drafts", tags=["configuration"])
    reads, applies = Depends(requires("configuration:read")), Depends(requires("configuration:apply"))
    database = publisher.database

    def in_force() -> frozenset[int]:
        with database.read() as tx:
            return configurations.in_force(tx)

    def whole(draft: Draft) -> DraftText:
        return DraftText(**_shown(draft, in_force()).model_dump(), source=draft.source, problems=problem_views(problems_of(draft.source)))

    @router.get("", dependencies=[reads], summary="Drafts of the configuration, by name.")
    def listed(page: Annotated[PageRequest, Depends(page_request)]) -> Page[DraftView]:
        after = page.keys(1)
        with database.read() as tx:
            found = drafts.listed(tx, page.limit + 1, str(after[0]) if after else None)
        versions = in_force()
        return page_of([_shown(draft, versions) for draft in found], page.limit, lambda draft: (draft.name,))

    @router.get("/{name}", dependencies=[reads], response_model=DraftText, summary="A draft, and what keeps it from being published.")
    def one(name: Name) -> Response:
        draft = _found(publisher, name)
        return Answer(whole(draft).model_dump(mode="json"), revision=draft.revision).response()

    @router.get("/{name}/difference", dependencies=[reads], summary="What the draft would change, as a unified diff of the YAML.")
    def difference(name: Name) -> Response:
        draft = _found(publisher, name)
        with database.read() as tx:
            version, old = configurations.source(tx) or (0, "")
        lines = difflib.unified_diff(
            old.splitlines(keepends=True), draft.source.splitlines(keepends=True), f"version {version}", f"draft {name}"
        )
        return Response("".join(lines), media_type="text/x-diff")

    @router.put(
        "/{name}",
        dependencies=[applies],
        response_model=DraftText,
        summary="Save a draft (YAML) as far as it is; its problems are told, and keep it from being published only.",
    )
    async def save(name: Name, request: Request, asked: Asked, based_on: Base = None) -> Response:
        body = await request.body()
        return await run_in_threadpool(_save, name, body, asked, based_on)

    def _save(name: str, body: bytes, asked: Command, based_on: int | None) -> Response:
        with _refusals(name):
            draft = save_draft(publisher, name, text_of(body), asked.principal.user, clock(), based_on=based_on, expected=asked.revision)
        return Answer(whole(draft).model_dump(mode="json"), revision=draft.revision).response()

    @router.delete("/{name}", dependencies=[applies], status_code=204, summary="Discard a draft.")
    def discard(name: Name, asked: Asked) -> Response:
        with _refusals(name):
            discard_draft(publisher, name, asked.revision)
        return Response(status_code=204)

    @router.post("/{name}/publish", dependencies=[applies], summary="Make a draft the newest version; then it is a draft no more.")
    def publish(name: Name, asked: Asked) -> Response:
        with _refusals(name):
            return applied_response(publish_draft(publisher, name, asked.principal.user, asked.cause, clock(), asked.revision))

    return router


def _found(publisher: EventPublisher, name: str) -> Draft:
    with publisher.database.read() as tx:
        draft = drafts.one(tx, name)
    if draft is None:
        raise NotFound(f"There is no draft {name}.")
    return draft


def _shown(draft: Draft, in_force: frozenset[int]) -> DraftView:
    return DraftView(
        name=draft.name,
        revision=draft.revision,
        based_on=draft.based_on,
        is_outdated=draft.based_on not in in_force,
        saved_by=draft.saved_by,
        saved_at=draft.saved_at,
    )


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    try:
        yield
    except NoSuchDraft as error:
        raise NotFound(f"There is no draft {name}.") from error
    except DraftChanged as error:
        raise Problem(412, str(error), headers={"ETag": etag(error.revision)}, revision=error.revision) from error
    except Outdated as error:
        raise Problem(409, str(error), version=error.newest) from error
    except DraftRefused as error:
        raise Unprocessable(str(error)) from error
    except Invalid as error:
        raise invalid(error) from error
