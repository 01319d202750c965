"""A person's rights over HTTP: all that is kept of a contact given out, or erased (EDGE-17)."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response

from services.case import metrics
from services.case.api.reach import Asking
from services.case.api.shapes.customers import ErasedContact
from services.case.api.shapes.declaring import gives, gives_file
from services.case.domain.notes import RecordEntry, RecordKind
from services.case.domain.refusals import CaseRefusal
from services.case.handlers.people import erase_person
from services.case.storage import notes, people
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.observability.tracing import current_traceparent
from shared.storage import Database
from shared.storage.objects import DamagedObject, ObjectStore, StoreUnavailable
from shared.web import Answer, Conflict, Forbidden, NotFound, Principal, Problem, answer_once, check_revision, requires
from shared.web.downloads import Download, as_attachment

log = get_logger(__name__)
IN_MEMORY = 8 * 1024 * 1024
"""Bytes of an export that are held in memory; a longer one is put together on disk."""
_PIECE = 256 * 1024


def _whole_reach(principal: Principal, what: str) -> None:
    """A person's data lies with every unit, so only somebody who reaches every unit's may have it, or let it go."""
    if principal.scope != "all":
        raise Forbidden(f"{what} concerns the records of every unit, and you reach only some.")


def erasing_people(publisher: EventPublisher, clock: Clock) -> APIRouter:
    """`POST /contacts/{id}/erase`."""
    router = APIRouter(prefix="/contacts/{contact_id}", tags=["contacts"])

    @router.post(
        "/erase",
        responses=gives(ErasedContact, etag=True),
        dependencies=[Depends(requires("contact:erase"))],
        summary="Erase a person for good: name, handles, texts, files and notes. Their cases stay as figures.",
    )
    def erase(contact_id: UUID, asking: Asking) -> Response:
        principal = asking.principal
        _whole_reach(principal, "Erasing a person")

        def answer() -> Answer:
            person = people.lock(tx, contact_id)
            if person is None:
                raise NotFound
            check_revision(asking, person.revision)
            try:
                done = erase_person(tx, person, principal.user, asking.cause, clock(), current_traceparent())
            except CaseRefusal as error:
                raise Conflict(str(error), what=error.what, why=error.why) from error
            if done.was_new:
                metrics.ERASED.inc(done.communications)
                log.info("contact erased", contact=str(contact_id), by=principal.user, communications=done.communications, cases=done.cases)
            return Answer({"id": contact_id, "communications": done.communications, "cases": done.cases}, revision=done.revision)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router


def exporting_people(database: Database, objects: ObjectStore, clock: Clock) -> APIRouter:
    """`GET /contacts/{id}/export`."""
    router = APIRouter(prefix="/contacts/{contact_id}", tags=["contacts"])

    @router.get(
        "/export",
        responses=gives_file("application/zip"),
        summary="All that is kept of a person, as a ZIP archive: data.json and their files.",
        response_class=Response,
    )
    def export(
        contact_id: UUID,
        principal: Annotated[Principal, Depends(requires("contact:export"))],
        with_files: Annotated[bool, Query(description="With the messages as they came and the files that came with them.")] = True,
    ) -> Response:
        _whole_reach(principal, "Exporting a person's data")
        with database.read() as tx:
            if not people.exists(tx, contact_id):
                raise NotFound
            data = dict(people.sections(tx, contact_id))
            kept = people.files(tx, contact_id) if with_files else []
        archive: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
        try:
            _put_together(archive, data, kept, objects)
        except BaseException:
            archive.close()
            raise
        with database.transaction() as tx:
            notes.add_history(tx, [RecordEntry(RecordKind.CONTACT, contact_id, None, "exported", None, None, principal.user, clock())])
        log.info("contact exported", contact=str(contact_id), by=principal.user, files=len(kept))
        size = archive.seek(0, 2)
        archive.seek(0)
        headers = {
            "Content-Type": "application/zip",
            "Content-Length": str(size),
            "Content-Disposition": as_attachment(f"contact-{contact_id}.zip"),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Download(_pieces(archive), headers, archive.close)

    return router


def _put_together(archive: IO[bytes], data: Mapping[str, object], kept: list[people.KeptFile], objects: ObjectStore) -> None:
    """Write the archive. Files are numbered: their own names are in data.json, and never a path."""
    listed: list[dict[str, object]] = []
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for number, file in enumerate(kept, start=1):
            name = f"files/{number:06d}" + (".message" if file.position < 0 else "")
            entry: dict[str, object] = file._asdict() | {"name": name}
            try:
                content = objects.get(file.sha256)
            except (FileNotFoundError, DamagedObject) as error:
                # The rest is still theirs to have; what is missing is said where they look for it.
                log.warning("a file is missing from an export", sha256=file.sha256, error=type(error).__name__)
                entry |= {"name": None, "missing": "the object store has it no more"}
            except StoreUnavailable as error:
                raise Problem(503, "The object store is away just now; try again shortly.", headers={"Retry-After": "5"}) from error
            else:
                zipped.writestr(name, content)
            listed.append(entry)
        zipped.writestr("data.json", orjson.dumps({**data, "files": listed}, option=orjson.OPT_INDENT_2))


def _pieces(archive: IO[bytes]) -> Iterator[bytes]:
    while piece := archive.read(_PIECE):
        yield piece
