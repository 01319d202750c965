"""Deleting cases, and what was deleted (CASE-8)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from services.case.api.reach import Asking, Plain, may_see, refusals
from services.case.api.shapes.cases import DeletedCase, ListedDeletedCase
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.records import HistoryEntry
from services.case.domain.case import Actor, Case
from services.case.handlers import deletion
from services.case.handlers.commands import Asked
from services.case.storage import deletion as deleted
from services.case.storage import views
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.web import Answer, NotFound, PageRequest, Principal, answer_once, check_revision, page_request, requires

Deleter = Annotated[Principal, Depends(requires("case:delete"))]


class DeleteBody(BaseModel):
    """Why the case is deleted."""

    model_config = ConfigDict(extra="forbid")

    reason: Plain = Field(default="", examples=["Opened under the wrong subject."])


def deletion_router(publisher: EventPublisher, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["cases"])

    @router.post(
        "/cases/{case_id}/delete",
        responses=gives(DeletedCase),
        summary="Delete a case that staff opened by mistake, while nothing refers to it.",
    )
    def delete_case(case_id: UUID, body: DeleteBody, principal: Deleter, asking: Asking) -> Response:
        def permit(case: Case) -> None:
            if not may_see(principal, case.unit, case.owner):
                raise NotFound
            check_revision(asking, case.revision)

        actor = Actor(principal.user, principal.unit)
        asked = Asked(case_id, actor, asking.cause, clock(), current_traceparent(), permit)

        def answer() -> Answer:
            last = deletion.delete(tx, asked, body.reason)
            return Answer({"id": last.id, "number": last.number, "deleted_by": last.changed_by, "deleted_at": last.changed_at})

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("/deleted-cases", responses=gives(Listed[ListedDeletedCase]), summary="Cases that were deleted, the last first.")
    def list_deleted(principal: Deleter, page: Annotated[PageRequest, Depends(page_request)]) -> Response:
        unit = None if principal.scope == "all" else principal.unit
        with publisher.database.read() as tx:
            found = deleted.listed(tx, unit, page.place(), page.limit + 1)
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (row["deleted_at"].isoformat(), str(row["id"])))
        return Answer({"items": shown, "next": following}).response()

    @router.get(
        "/deleted-cases/{case_id}/history",
        responses=gives(Listed[HistoryEntry]),
        summary="Every change of a case that was deleted, the oldest first.",
    )
    def deleted_history(case_id: UUID, principal: Deleter) -> Response:
        with publisher.database.read() as tx:
            unit = deleted.unit_of(tx, case_id)
            past = views.history(tx, case_id, 0, 500)
        if unit is None or (principal.scope != "all" and unit != principal.unit):
            raise NotFound
        return Answer({"items": past, "next": None}).response()

    return router
