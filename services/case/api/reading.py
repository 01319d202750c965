"""Reading cases and communications."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from services.case.api.communications import described
from services.case.api.reach import READS, may_see, rows_of
from services.case.api.shapes.cases import CaseChoices, ShownCase
from services.case.api.shapes.communications import ListedCommunication, ShownCommunication
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.records import HistoryEntry, Read
from services.case.api.showing import choices_of, shown_case
from services.case.handlers.rules import Rules
from services.case.storage import reads, undeliverable, views
from shared.clock import Clock
from shared.messaging import EventPublisher, VersionCache
from shared.schemas.configuration.targets import Targets
from shared.storage import Transaction
from shared.web import (
    Answer,
    NotFound,
    PageRequest,
    Principal,
    Problem,
    page_request,
    requires,
)

Name = Annotated[str | None, Query(description="Only those that have this.", max_length=998, pattern=r"^[^\x00]*$")]
CaseReader = Annotated[Principal, Depends(requires("case:read"))]
CommunicationReader = Annotated[Principal, Depends(requires(READS))]
Paging = Annotated[PageRequest, Depends(page_request)]


def reading_router(publisher: EventPublisher, rules: VersionCache[Rules], targets: VersionCache[Targets], clock: Clock) -> APIRouter:
    router = APIRouter()
    database = publisher.database

    def _record_read(kind: str, record_id: UUID, principal: Principal) -> None:
        """Before it is shown: what cannot be recorded is not shown."""
        with database.transaction() as tx:
            reads.add(tx, kind, record_id, principal.user, clock())

    @router.get(
        "/cases/{case_id}",
        responses=gives(ShownCase, etag=True),
        tags=["cases"],
        summary="A case with its customer, answers, key dates, targets and history; with its communications for those who may read them.",
    )
    def show_case(case_id: UUID, principal: CaseReader) -> Response:
        with database.read() as tx:
            found = _visible_case(tx, case_id, principal)
            shown = shown_case(tx, found, rules, clock())
            past = views.history(tx, case_id, 0, 500)
            contact_id = found["contact_id"]
            marked = undeliverable.of_contact(tx, contact_id) if contact_id is not None else []
        if found["subject"] in rules.get().sensitive:
            _record_read("case", case_id, principal)
        holding = targets.get(found["config_version"]).of(found["subject"], found["method"], found["priority"], found["unit"])
        shown |= {"history": past, "targets": [target._asdict() for target in holding], "undeliverable": marked}
        return Answer(shown, revision=found["revision"]).response()

    @router.get(
        "/cases/{case_id}/choices",
        responses=gives(CaseChoices, etag=True),
        tags=["cases"],
        summary="What a case's next step may choose from.",
    )
    def show_choices(case_id: UUID, principal: CaseReader) -> Response:
        with database.read() as tx:
            found = _visible_case(tx, case_id, principal)
        return Answer(choices_of(found, rules.get(found["config_version"])), revision=found["revision"]).response()

    @router.get(
        "/cases/{case_id}/history",
        responses=gives(Listed[HistoryEntry]),
        tags=["cases"],
        summary="Every change of a case, the oldest first.",
    )
    def show_history(case_id: UUID, principal: CaseReader, page: Paging) -> Response:
        after = page.keys(1)
        with database.read() as tx:
            _visible_case(tx, case_id, principal)
            found = views.history(tx, case_id, _number(after[0]) if after else 0, page.limit + 1)
        shown = found[: page.limit]
        return Answer({"items": shown, "next": page.following(len(found), shown, lambda row: (row["id"],))}).response()

    @router.get(
        "/cases/{case_id}/reads",
        responses=gives(Listed[Read]),
        tags=["cases"],
        summary="Who looked at a case whose subject is sensitive, the latest first.",
    )
    def show_reads(case_id: UUID, principal: Annotated[Principal, Depends(requires("audit:read"))], page: Paging) -> Response:
        after = page.keys(1)
        with database.read() as tx:
            _visible_case(tx, case_id, principal)
            found = reads.of_record(tx, "case", case_id, page.limit + 1, _number(after[0]) if after else None)
        shown = found[: page.limit]
        return Answer({"items": shown, "next": page.following(len(found), shown, lambda row: (row["id"],))}).response()

    @router.get(
        "/communications",
        responses=gives(Listed[ListedCommunication]),
        tags=["communications"],
        summary="Communications without their text, the newest first.",
    )
    def list_communications(
        principal: CommunicationReader,
        page: Paging,
        conversation_id: Annotated[UUID | None, Query(description="Only those of this conversation.")] = None,
        contact_id: Annotated[UUID | None, Query(description="Only those of this contact.")] = None,
        method: Name = None,
        message_id: Name = None,
        reason: Annotated[Literal["loop"] | None, Query(description="Only those that were left without effect for this reason.")] = None,
    ) -> Response:
        filters = {
            "conversation_id": conversation_id,
            "contact_id": contact_id,
            "method": method,
            "message_id": message_id,
            "reason": reason,
        }
        with database.read() as tx:
            found = views.list_communications(tx, filters, rows_of(principal), page.place(), page.limit + 1)
        return _page(found, page, "received_at")

    @router.get(
        "/communications/{communication_id}",
        responses=gives(ShownCommunication, etag=True),
        tags=["communications"],
        summary="A communication with text and files.",
    )
    def show_communication(communication_id: UUID, principal: CommunicationReader) -> Response:
        with database.read() as tx:
            found = views.show_communication(tx, communication_id, rows_of(principal))
            sensitive = rules.get().sensitive
            is_sensitive = found is not None and bool(sensitive) and reads.is_of_subjects(tx, found["case_ids"], sensitive)
        if found is None:
            raise NotFound
        if is_sensitive:
            _record_read("communication", communication_id, principal)
        return Answer(described(found, rules), revision=found["revision"]).response()

    return router


def _visible_case(tx: Transaction, case_id: UUID, principal: Principal) -> dict[str, Any]:
    found = views.show_case(tx, case_id, principal.may(READS))
    if found is None or not may_see(principal, found["unit"], found["owner"]):
        raise NotFound
    return found


def _page(found: list[dict[str, Any]], page: PageRequest, time: str) -> Response:
    shown = found[: page.limit]
    following = page.following(len(found), shown, lambda row: (row[time].isoformat(), str(row["id"])))
    return Answer({"items": shown, "next": following}).response()


def _number(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise Problem(400, "The cursor is not one that this list gave; start without it.")
    return value
