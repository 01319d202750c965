"""The files of communications, and the messages as they came (COM-1): within the same reach as the communication itself."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from services.case.api.shapes.declaring import gives_file
from services.case.storage import views
from shared.storage import Database
from shared.storage.objects import ObjectStore
from shared.web import NotFound, Principal, Problem, requires
from shared.web.downloads import download

Reader = Annotated[Principal, Depends(requires("communication:read"))]
Position = Annotated[int, Path(ge=0, lt=10_000, description="Place among the communication's files, from 0.")]


def files_router(database: Database, objects: ObjectStore) -> APIRouter:
    """`GET /communications/{id}/files/{position}` and `GET /communications/{id}/raw`."""
    router = APIRouter(prefix="/communications/{communication_id}", tags=["communications"])

    @router.get(
        "/files/{position}", responses=gives_file("*/*"), summary="One file of a communication, to be saved.", response_class=Response
    )
    def show_file(communication_id: UUID, position: Position, principal: Reader) -> Response:
        with database.read() as tx:
            found = views.attachment(tx, communication_id, position, views.Rows.reached_by(principal.scope, principal.unit, principal.user))
        if found is None:
            raise NotFound
        if found.sha256 is None:
            raise Problem(410, "This file is not kept any more: its time is over, or it was erased.")
        # What may harm whoever opens it is not handed to a program by its type.
        content_type = "application/octet-stream" if found.danger else found.content_type
        return download(objects, found.sha256, found.size, found.filename, content_type)

    @router.get(
        "/raw",
        responses=gives_file("message/rfc822", "application/octet-stream"),
        summary="The message as it came, to be saved.",
        response_class=Response,
    )
    def show_raw(communication_id: UUID, principal: Reader) -> Response:
        with database.read() as tx:
            found = views.raw_message(tx, communication_id, views.Rows.reached_by(principal.scope, principal.unit, principal.user))
        if found is None:
            raise NotFound("There is no such message that you can see, or it was not kept.")
        ending, content_type = (".eml", "message/rfc822") if found.is_mail else ("", "application/octet-stream")
        return download(objects, found.sha256, found.size, f"message-{communication_id}{ending}", content_type)

    return router
