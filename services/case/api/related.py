"""Related cases, links between cases, and major cases (CASE-11, EDGE-15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, StringConstraints

from services.case.api.commanding import Body
from services.case.api.merging import asked_of, permission
from services.case.api.reach import Asking, Plain, may_see, refusals, rows_of
from services.case.api.reading import CaseReader, Paging
from services.case.api.shapes.cases import ListedChild, MajorCase, RelatedCase
from services.case.api.shapes.declaring import Listed, gives
from services.case.domain.case import Case
from services.case.handlers import related
from services.case.handlers.major import Major, Result
from services.case.storage import cases
from services.case.storage import major as major_storage
from services.case.storage.related import related as related_cases
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.schemas.events import Code
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, Principal, answer_once, requires

Kind = Literal["related", "follow_up", "caused_by"]
Children = Annotated[list[UUID], Field(min_length=1, max_length=500, examples=[["0b4e0d0e-91f2-5c1a-8a3c-2d9c6f0f7a10"]])]


class LinkBody(Body):
    """`follow_up`, `caused_by`: this case follows up, or was caused by, the other one; `related` has no direction."""

    other: UUID = Field(examples=["2f1c7a52-5e0e-5d53-9f5e-3a0d7b1f1c11"])
    kind: Kind = Field(default="related", examples=["caused_by"])


class ChildrenBody(Body):
    """Open cases to put under this one."""

    children: Children


class BroadcastBody(Body):
    """What to tell the customers of all open children; it stands where the template has `#message`."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True, pattern=r"^[^\x00]*$")] = Field(
        examples=["The heating is on again. Please tell us if yours is not."]
    )


class CloseBody(Body):
    """A status that resolves finally or completes. `override` completes in spite of open tasks; it needs a reason, and `case:assign`."""

    status: Code = Field(examples=["closed"])
    reason: Plain = ""
    override: bool = False


def related_router(publisher: EventPublisher, clock: Clock) -> APIRouter:
    """`GET /cases/{id}/related`, `POST /cases/{id}/links` and `DELETE /cases/{id}/links/{other}`."""
    router = APIRouter(prefix="/cases/{case_id}", tags=["cases"])
    progresses = Depends(requires("case:progress"))

    @router.get(
        "/related",
        responses=gives(Listed[RelatedCase]),
        summary="Cases of the same contact, merged, split off, linked, or of the same major case.",
    )
    def show_related(case_id: UUID, principal: CaseReader) -> Response:
        with publisher.database.read() as tx:
            _visible(tx, case_id, principal)
            return Answer({"items": related_cases(tx, case_id, rows_of(principal)), "next": None}).response()

    def once(asking: Command, work: Callable[[Transaction], Case]) -> Response:
        def answer() -> Answer:
            case = work(tx)
            return Answer({"items": related_cases(tx, case.id, rows_of(asking.principal)), "next": None}, revision=case.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/links",
        responses=gives(Listed[RelatedCase], etag=True),
        dependencies=[progresses],
        summary="Link it to another case; both show the link.",
    )
    def link(case_id: UUID, body: LinkBody, asking: Asking) -> Response:
        permit = permission(asking, checks_revision=False)
        return once(asking, lambda tx: related.link(tx, asked_of(asking, case_id, clock), body.other, permit, body.kind))

    @router.delete(
        "/links/{other}",
        responses=gives(Listed[RelatedCase], etag=True),
        dependencies=[progresses],
        summary="Take a link away, as it is seen from this case.",
    )
    def unlink(case_id: UUID, other: UUID, asking: Asking, kind: Annotated[Kind, Query(description="Which link.")] = "related") -> Response:
        permit = permission(asking, checks_revision=False)
        return once(asking, lambda tx: related.unlink(tx, asked_of(asking, case_id, clock), other, permit, kind))

    return router


def major_router(publisher: EventPublisher, major: Major, clock: Clock) -> APIRouter:
    """`/cases/{id}/children`, `/cases/{id}/broadcast` and `/cases/{id}/close`."""
    router = APIRouter(prefix="/cases/{case_id}", tags=["major cases"])
    merges, progresses = Depends(requires("case:merge")), Depends(requires("case:progress"))

    def once(asking: Command, work: Callable[[Transaction], tuple[Case, dict[str, Any]]]) -> Response:
        def answer() -> Answer:
            case, content = work(tx)
            return Answer(
                {"id": case.id, "number": case.number, "state": case.state, "status": case.status} | content, revision=case.revision
            )

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("/children", responses=gives(Listed[ListedChild]), summary="The children of a major case, the oldest first.")
    def list_children(case_id: UUID, principal: CaseReader, page: Paging) -> Response:
        with publisher.database.read() as tx:
            _visible(tx, case_id, principal)
            found = major_storage.children(tx, case_id, rows_of(principal), page.place(), page.limit + 1)
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (row["opened_at"].isoformat(), str(row["id"])))
        return Answer({"items": shown, "next": following}).response()

    @router.post(
        "/children",
        responses=gives(MajorCase, etag=True),
        dependencies=[merges],
        summary="Put open cases under it, which makes it a major case: all or none.",
    )
    def attach(case_id: UUID, body: ChildrenBody, asking: Asking) -> Response:
        def work(tx: Transaction) -> tuple[Case, dict[str, Any]]:
            wanted = list(dict.fromkeys(body.children))
            parent, children = major.attach(tx, asked_of(asking, case_id, clock), wanted, permission(asking, checks_revision=False))
            return parent, {"children": [{"id": child.id, "number": child.number} for child in children]}

        return once(asking, work)

    @router.delete(
        "/children/{child_id}", responses=gives(MajorCase, etag=True), dependencies=[merges], summary="Let a child go on on its own."
    )
    def detach(case_id: UUID, child_id: UUID, asking: Asking) -> Response:
        permit = permission(asking, checks_revision=False)
        return once(asking, lambda tx: (major.detach(tx, asked_of(asking, case_id, clock), child_id, permit), {}))

    @router.post(
        "/broadcast",
        responses=gives(MajorCase, etag=True),
        dependencies=[merges],
        summary="Tell the customers of all open children, by the message on case.broadcast.",
    )
    def broadcast(case_id: UUID, body: BroadcastBody, asking: Asking) -> Response:
        def work(tx: Transaction) -> tuple[Case, dict[str, Any]]:
            parent, results = major.broadcast(tx, asked_of(asking, case_id, clock), body.text)
            return parent, _results(results, "told")

        return once(asking, work)

    @router.post(
        "/close",
        responses=gives(MajorCase, etag=True),
        dependencies=[merges, progresses],
        summary="Resolve or complete it, and with it every open child whose rules and gates let it.",
    )
    def close(case_id: UUID, body: CloseBody, asking: Asking) -> Response:
        def work(tx: Transaction) -> tuple[Case, dict[str, Any]]:
            asked = asked_of(asking, case_id, clock, override=body.override)
            parent, results = major.close(tx, asked, body.status, body.reason)
            return parent, _results(results, "closed")

        return once(asking, work)

    return router


def _results(results: Sequence[Result], done: str) -> dict[str, Any]:
    return {
        "children": [
            {"id": one.child.id, "number": one.child.number, "state": one.child.state, done: not one.why}
            | ({"why": one.why} if one.why else {})
            for one in results
        ]
    }


def _visible(tx: Transaction, case_id: UUID, principal: Principal) -> None:
    found = cases.get(tx, case_id)
    if found is None or not may_see(principal, found.unit, found.owner):
        raise NotFound
