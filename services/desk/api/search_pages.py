"""The page that finds records by words (FACE-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from services.desk.api.browser import Browser, Visitor
from services.desk.domain.organisation import Organisation
from services.desk.domain.tasks import due_words
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.search import Results, Search
from shared.clock import Clock
from shared.web import Forbidden

Kind = Literal["", "case", "contact", "communication"]


def search_pages(browser: Browser, search: Search, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/search`, a plain form."""
    router = APIRouter(include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)

    @router.get("/search")
    def find(
        visitor: Visitor = signed_in,
        q: Annotated[str, Query(max_length=300, pattern=r"^[^\x00]*$")] = "",
        kind: Kind = "",
        after: Annotated[str, Query(max_length=2000, pattern=r"^[A-Za-z0-9_-]*$")] = "",
    ) -> Response:
        if not visitor.may("case:read"):
            raise Forbidden("Your roles do not open this page; it needs the permission case:read.")
        words, around, now = q.strip(), organisation(), clock()
        found: Results | None = None
        status, error = 200, ""
        if words:
            try:
                found = search.find(visitor.token.token, words, kind, after)
            except Away:
                status, error = 503, "The case service does not answer. Nothing is lost; try again in a moment."
            except Refused as refused:
                status, error = 400, str(refused)

        def when(at: Any) -> str:
            return due_words(at, now, around.zone)

        asked = {"q": words} | ({"kind": kind} if kind else {})
        following = f"/search?{urlencode(asked | {'after': found.next})}" if found and found.next else ""
        kinds = [("", "Everything"), ("case", "Cases"), ("contact", "Customers")]
        if visitor.may("communication:read"):
            kinds.append(("communication", "Communications"))
        return browser.page(
            "search.html",
            visitor,
            status,
            words=words,
            kind=kind,
            kinds=kinds,
            found=found,
            error=error,
            following=following,
            beginning=f"/search?{urlencode(asked)}" if after else "",
            when=when,
        )

    return router
