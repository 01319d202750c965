"""The page of a case's related cases, with forms to merge it, to split it, and to undo both (CASE-11, EDGE-11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Query, Response

from services.desk.api.browser import Browser, Visitor, from_our_own_page, see_other
from services.desk.api.record_pages import require, unread, when_of
from services.desk.domain.choices import Choices
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.records import Records
from services.desk.gateways.related import RelatedCases, Step
from shared.clock import Clock

DONE = {
    "merged": "Done: the case is merged, and what comes later goes to the other one.",
    "undone": "Done: it is again as it was.",
    "split": "Done: this is the new case.",
}
WORDS = {
    "merged_into": "Merged into",
    "merged": "Merged into this one",
    "split_from": "Split off from",
    "split_off": "Split off this one",
    "parent": "The major case",
    "child": "Children of this major case",
    "follows_up": "Follows up",
    "followed_up_by": "Followed up by",
    "caused_by": "Caused by",
    "cause_of": "Cause of",
    "related": "Linked",
    "same_contact": "Of the same contact",
}
"""Headings of what relates cases, in the page's order."""


def related_pages(
    browser: Browser,
    related: RelatedCases,
    records: Records,
    organisation: Callable[[], Organisation],
    choices: Callable[[], Choices],
    clock: Clock,
) -> APIRouter:
    """`/cases/{id}/related`, and where its forms go to."""
    router = APIRouter(prefix="/cases/{case}/related", include_in_schema=False)
    signed_in: Visitor = Depends(browser.visitor)
    ours = [Depends(from_our_own_page)]

    def show(visitor: Visitor, case: UUID, *, error: str = "", status: int = 200, message: str = "") -> Response:
        token = visitor.token.token
        try:
            found = records.case(token, case)
            revision = related.revision(token, case)
            others = related.of_case(token, case)
        except Away:
            return unread(browser, visitor, f"/cases/{case}/related")
        except Refused as refused:
            return unread(browser, visitor, f"/cases/{case}/related", str(refused))
        around = organisation()
        groups = [(words, [one for one in others if one.relation == relation]) for relation, words in WORDS.items()]
        return browser.page(
            "related.html",
            visitor,
            status,
            case=found,
            groups=[group for group in groups if group[1]],
            revision=revision,
            key=uuid4(),
            subjects=choices().subjects,
            may_merge=visitor.may("case:merge"),
            names=around,
            when=when_of(clock, around),
            error=error,
            message=message,
        )

    def do(visitor: Visitor, case: UUID, done: str, work: Callable[[str], UUID | None]) -> Response:
        require(visitor, "case:merge")
        try:
            shown = work(visitor.token.token) or case
        except Away:
            return browser.page("case_away.html", visitor, 503, back=f"/cases/{case}/related")
        except Refused as refused:
            return show(visitor, case, error=str(refused), status=409)
        return see_other(f"/cases/{shown}/related?done={done}")

    @router.get("")
    def page(case: UUID, visitor: Visitor = signed_in, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        require(visitor, "case:read")
        return show(visitor, case, message=DONE.get(done, ""))

    @router.post("/merge", dependencies=ours)
    def merge(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        number: Annotated[str, Form(max_length=40)] = "",
        reason: Annotated[str, Form(max_length=2000)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        wanted = number.strip().upper()

        def work(token: str) -> None:
            if not wanted or "\x00" in wanted + reason:
                raise Refused("Say which case, by its number, like C-2026-000123.")
            related.merge(token, Step(case, revision, key), wanted, reason.strip())

        return do(visitor, case, "merged", work)

    @router.post("/split", dependencies=ours)
    def split(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        communications: Annotated[list[UUID], Form(max_length=200)] = [],  # noqa: B006 - FastAPI copies it
        subject: Annotated[str, Form(max_length=64)] = "",
        title: Annotated[str, Form(max_length=900)] = "",
        visitor: Visitor = signed_in,
    ) -> Response:
        def work(token: str) -> UUID:
            if not communications or not subject or "\x00" in title:
                raise Refused("Choose at least one communication, and the subject of the new case.")
            return related.split(token, Step(case, revision, key), communications, subject, title.strip())

        return do(visitor, case, "split", work)

    @router.post("/undo", dependencies=ours)
    def undo(
        case: UUID,
        revision: Annotated[int, Form(ge=0)],
        key: Annotated[UUID, Form()],
        what: Annotated[Literal["merges", "splits"], Form()],
        id: Annotated[UUID, Form()],
        visitor: Visitor = signed_in,
    ) -> Response:
        return do(visitor, case, "undone", lambda token: related.undo(token, Step(case, revision, key), what, id))

    return router
