"""Privacy over HTTP: erasing a communication, and legal holds that forbid it (EDGE-17)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case import metrics
from services.case.api.shapes.cases import HeldCase
from services.case.api.shapes.communications import WholeCommunication
from services.case.api.shapes.declaring import gives
from services.case.domain.case import Actor, Case
from services.case.domain.refusals import CaseRefusal
from services.case.handlers import erasure
from services.case.handlers.commands import Asked, UnknownCase
from services.case.storage import retention, views
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.web import Answer, Command, Conflict, NotFound, answer_once, check_revision, command, requires

log = get_logger(__name__)
Asking = Annotated[Command, Depends(command)]


class HoldBody(BaseModel):
    """Whether the case is on hold from now on; the reason goes into its history."""

    model_config = ConfigDict(extra="forbid")
    hold: bool = Field(examples=[True])
    reason: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] = Field(
        default="", examples=["A claim is before the court."]
    )


def erasing(publisher: EventPublisher, clock: Clock) -> APIRouter:
    """`POST /communications/{id}/erase` and `POST /cases/{id}/hold`."""
    router = APIRouter()

    @router.post(
        "/communications/{communication_id}/erase",
        responses=gives(WholeCommunication, etag=True),
        tags=["communications"],
        dependencies=[Depends(requires("communication:erase"))],
        summary="Erase its texts, its sender and its files for good; the record stays.",
    )
    def erase(communication_id: UUID, asking: Asking) -> Response:
        principal = asking.principal

        def answer() -> Answer:
            if principal.scope != "all":
                rows = views.Rows(principal.unit if principal.scope == "unit" else None, principal.user)
                if views.show_communication(tx, communication_id, rows) is None:
                    raise NotFound
            found = retention.lock_erasable(tx, communication_id)
            if found is None:
                raise NotFound
            check_revision(asking, found.revision)
            try:
                done = erasure.erase(tx, found, principal.user, asking.cause, clock(), current_traceparent())
            except CaseRefusal as error:
                raise Conflict(str(error), what=error.what, why=error.why) from error
            if done.was_new:
                metrics.ERASED.inc()
                log.info("communication erased", communication=str(communication_id), by=principal.user)
            shown = views.show_communication(tx, communication_id, views.Rows())
            return Answer(shown, revision=done.revision)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.post(
        "/cases/{case_id}/hold",
        responses=gives(HeldCase, etag=True),
        tags=["cases"],
        dependencies=[Depends(requires("case:hold"))],
        summary="Put it on legal hold: nothing of its communications is erased or let go. Or end that.",
    )
    def hold(case_id: UUID, body: HoldBody, asking: Asking) -> Response:
        principal = asking.principal

        def permit(case: Case) -> None:
            is_ours = case.owner == principal.user or (principal.scope == "unit" and case.unit == principal.unit)
            if principal.scope != "all" and not is_ours:
                raise NotFound
            check_revision(asking, case.revision)

        def answer() -> Answer:
            asked = Asked(case_id, Actor(principal.user, principal.unit), asking.cause, clock(), current_traceparent(), permit)
            try:
                case = erasure.hold(tx, asked, body.hold, body.reason)
            except UnknownCase as error:
                raise NotFound from error
            log.info("legal hold", case=str(case_id), hold=body.hold, by=principal.user)
            return Answer({"id": case.id, "number": case.number, "legal_hold": body.hold}, revision=case.revision)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router
