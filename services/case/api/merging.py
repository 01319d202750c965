"""Merging cases, splitting them, and undoing both (CASE-11, EDGE-11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from services.case.api.commanding import Body
from services.case.api.reach import READS, Asking, Plain, described_case, may_see, refusals
from services.case.api.shapes.cases import MergedCase
from services.case.api.shapes.declaring import gives
from services.case.domain.case import Actor, Case
from services.case.domain.splitting import MOST
from services.case.handlers.commands import Asked
from services.case.handlers.merging import Merging
from services.case.handlers.splitting import NewCase, Splitting
from services.case.storage import views
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code, Line
from shared.storage import Transaction
from shared.web import Answer, Command, NotFound, answer_once, check_revision, requires


class MergeBody(Body):
    """Which case goes on in the stead of this one."""

    into: UUID = Field(examples=["2f1c7a52-5e0e-5d53-9f5e-3a0d7b1f1c11"])
    reason: Plain = Field(default="", examples=["She wrote twice about the same leak."])


class SplitBody(Body):
    """What moves to the new case, and what kind of case that is; urgency and impact as the subject says where they are not given."""

    communications: Annotated[list[UUID], Field(min_length=1, max_length=MOST, examples=[["0b4e0d0e-91f2-5c1a-8a3c-2d9c6f0f7a10"]])]
    subject: Code = Field(examples=["noise"])
    title: Line = Field(default="", examples=["Noise at night"])
    urgency: Code | None = None
    impact: Code | None = None
    reason: Plain = ""


def permission(asking: Command, *, checks_revision: bool = True) -> Callable[[Case], None]:
    """What a command checks on each locked case: that its caller reaches it, and has seen it as it is."""

    def permit(case: Case) -> None:
        if not may_see(asking.principal, case.unit, case.owner):
            raise NotFound
        if checks_revision:
            check_revision(asking, case.revision)

    return permit


def asked_of(asking: Command, case_id: UUID, clock: Clock, *, checks_revision: bool = True, override: bool = False) -> Asked:
    """A command on a case as the handlers take it. `override`: whether the caller wants gates of completion passed over."""
    principal = asking.principal
    actor = Actor(principal.user, principal.unit, may_override=override and principal.may("case:assign"))
    permit = permission(asking, checks_revision=checks_revision)
    return Asked(case_id, actor, asking.cause, clock(), current_traceparent(), permit)


def merging_router(publisher: EventPublisher, merging: Merging, splitting: Splitting, clock: Clock) -> APIRouter:
    """`POST /cases/{id}/merge`, `/cases/{id}/split`, `/case-merges/{id}/undo` and `/case-splits/{id}/undo`."""
    router = APIRouter(tags=["cases"], dependencies=[Depends(requires("case:merge"))])

    def once(asking: Command, work: Callable[[Transaction], tuple[Case, dict[str, UUID], int]]) -> Response:
        def answer() -> Answer:
            case, further, status = work(tx)
            found = views.show_case(tx, case.id, asking.principal.may(READS))
            assert found is not None  # noqa: S101 - it is locked by this transaction
            return Answer(described_case(found) | further, status, revision=case.revision)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/cases/{case_id}/merge",
        responses=gives(MergedCase, etag=True),
        summary="Merge a duplicate into another case; later replies go there. It can be undone.",
    )
    def merge(case_id: UUID, body: MergeBody, asking: Asking) -> Response:
        def work(tx: Transaction) -> tuple[Case, dict[str, UUID], int]:
            permit_into = permission(asking, checks_revision=False)
            case, kept = merging.merge(tx, asked_of(asking, case_id, clock), body.into, permit_into, body.reason)
            return case, {"merge_id": kept.id}, 200

        return once(asking, work)

    @router.post(
        "/case-merges/{merge_id}/undo",
        responses=gives(MergedCase, etag=True),
        summary="Make a merged case what it was; what arrived since stays with the other one.",
    )
    def undo_merge(merge_id: UUID, asking: Asking) -> Response:
        asked = asked_of(asking, merge_id, clock, checks_revision=False)
        return once(asking, lambda tx: (merging.undo(tx, asked, merge_id), {}, 200))

    @router.post(
        "/cases/{case_id}/split",
        responses=gives(MergedCase, 201, etag=True),
        status_code=201,
        summary="Move communications to a new case of the same customer.",
    )
    def split(case_id: UUID, body: SplitBody, asking: Asking) -> Response:
        def work(tx: Transaction) -> tuple[Case, dict[str, UUID], int]:
            new = NewCase(body.subject, body.title, body.urgency, body.impact, body.reason)
            case, kept = splitting.split(tx, asked_of(asking, case_id, clock), list(dict.fromkeys(body.communications)), new)
            return case, {"split_id": kept.id}, 201

        return once(asking, work)

    @router.post(
        "/case-splits/{split_id}/undo",
        responses=gives(MergedCase, etag=True),
        summary="Merge a case that was split off back, while nothing else refers to it.",
    )
    def undo_split(split_id: UUID, asking: Asking) -> Response:
        asked = asked_of(asking, split_id, clock, checks_revision=False)
        return once(asking, lambda tx: (splitting.undo(tx, asked, split_id), {}, 200))

    return router
