"""`GET /search`: cases, contacts and communications by words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.case.api.reach import READS, rows_of
from services.case.api.shapes.declaring import gives
from services.case.api.shapes.finding import SearchPage
from services.case.handlers.search import Place, PlaceLost, find
from services.case.storage.search import KINDS
from shared.storage import Database
from shared.web import Answer, Forbidden, PageRequest, Principal, Problem, page_request, requires


def search_router(database: Database) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["search"])

    @router.get(
        "/search",
        responses=gives(SearchPage),
        summary="Cases, contacts and communications that have every word, also where one is misspelt.",
    )
    def search(
        principal: Annotated[Principal, Depends(requires("case:read"))],
        page: Annotated[PageRequest, Depends(page_request)],
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=300,
                pattern=r"^[^\x00]*$",
                examples=["boil* jansen"],
                description="Words; with an asterisk the beginning of one.",
            ),
        ],
        kind: Annotated[
            Literal["case", "contact", "communication"] | None,
            Query(description="Only these. Communications need the permission communication:read, and are left out without it."),
        ] = None,
    ) -> Response:
        """The best matches come first while they are at most a thousand, otherwise the newest (`order`). `corrected` names words that no
        record has, with those that were searched for instead. A page may be shorter than asked, even empty, although `next` leads on:
        frequent words are looked through a piece at a time.
        """
        reads = principal.may(READS)
        if kind == "communication" and not reads:
            raise Forbidden(f"To search communications needs the permission {READS}.")
        kinds = [kind] if kind else [one for one in KINDS if reads or one != "communication"]
        after = _place(page)
        with database.read() as tx:
            try:
                found = find(tx, q, kinds, rows_of(principal), after, page.limit)
            except PlaceLost as error:
                raise Problem(400, f"The cursor leads nowhere: {error}. Search again without it.") from error
        keys = None
        if found.following is not None:
            place = found.following
            keys = page.following(page.limit + 1, [place], lambda one: (one.rank, one.at.isoformat(), str(one.id)))
        order = "rank" if found.is_ranked else "newest"
        return Answer({"items": found.items, "next": keys, "corrected": found.corrected, "order": order}).response()

    return router


def _place(page: PageRequest) -> Place | None:
    keys = page.keys(3)
    if keys is None:
        return None
    try:
        return Place(None if keys[0] is None else float(keys[0]), datetime.fromisoformat(str(keys[1])), UUID(str(keys[2])))
    except ValueError as error:
        raise Problem(400, "The cursor is not one that this list gave; start without it.") from error
