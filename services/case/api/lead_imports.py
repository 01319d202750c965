"""Importing leads from CSV and Excel (LEAD-3): a template, handing a file in, how far it is, and what was wrong with which row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.case.api.reach import Asking, rows_of
from services.case.api.shapes.declaring import Declared, Listed, gives, gives_file
from services.case.api.shapes.leads import ImportProblem, LeadImport
from services.case.domain.refusals import LeadRefused
from services.case.gateways.lead_templates import csv_template, xlsx_template
from services.case.handlers.leads.rows import COLUMNS, NAMES
from services.case.handlers.leads.rules import lead_rules_of
from services.case.storage import lead_imports
from services.case.storage.views import Rows
from shared.clock import Clock
from shared.ids import derive
from shared.messaging import EventPublisher, ReferenceData, VersionCache
from shared.observability.tracing import current_traceparent
from shared.schemas.events import LeadSource
from shared.storage import Database
from shared.storage.objects import ObjectStore, StoreUnavailable
from shared.web import Answer, NotFound, PageRequest, Principal, Problem, Unprocessable, answer_once, page_request, requires
from shared.web.csv_tables import as_csv
from shared.web.downloads import as_attachment

MOST_BYTES = 64 * 1024 * 1024
"""Of a file that is handed in."""
PATH = "/lead-imports"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ZIP = b"PK\x03\x04"

_CSV: dict[str, Any] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
_PROBLEMS: Declared = {200: gives(Listed[ImportProblem])[200] | _CSV}
Importing = Annotated[Principal, Depends(requires("lead:import"))]
Paging = Annotated[PageRequest, Depends(page_request)]
Kind = Annotated[Literal["csv", "xlsx"], Query(description="CSV (UTF-8), or an Excel workbook.")]
Short = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


async def _body(request: Request) -> bytes:
    return await request.body()


def lead_imports_router(publisher: EventPublisher, reference: ReferenceData, objects: ObjectStore, clock: Clock) -> APIRouter:
    """The routes under `/lead-imports`."""
    router = APIRouter(prefix=PATH, tags=["lead imports"])
    database = publisher.database
    rules = VersionCache(reference, lead_rules_of)

    @router.get(
        "/template", responses=gives_file("text/csv", XLSX), summary="A file to fill in: one row for each lead.", response_class=Response
    )
    def template(_principal: Importing, format: Kind = "csv") -> Response:
        content, media_type = (csv_template(NAMES), "text/csv; charset=utf-8") if format == "csv" else (_workbook(), XLSX)
        return Response(content, headers={"Content-Disposition": as_attachment(f"leads.{format}")}, media_type=media_type)

    def _workbook() -> bytes:
        found = rules.get()
        types = ", ".join(sorted(kind.name for kind in found.types.values()))
        sources = ", ".join(found.source_labels[source.value] for source in LeadSource)
        further = {"type": f" There are: {types}." if types else "", "source": f" There are: {sources}."}
        return xlsx_template(NAMES, [(name, meaning + further.get(name, "")) for name, meaning in COLUMNS])

    @router.post(
        "",
        responses=gives(LeadImport, 202),
        status_code=202,
        dependencies=[Depends(requires("lead:import"))],
        summary="Hand a CSV file or an Excel workbook in, as the body; it is imported in the background.",
    )
    def hand_in(
        asking: Asking,
        content: Annotated[bytes, Depends(_body)],
        type: Annotated[Short, Query(description="Lead type of rows that name none.")] = "",
        dry_run: Annotated[bool, Query(description="Only see what is wrong with which row; no lead is created.")] = False,
        filename: Annotated[Short, Query(description="The file's name, to be shown.")] = "",
    ) -> Response:
        if not content:
            raise Unprocessable("The body is empty; it is the file to import.")
        default_type = ""
        if type:
            try:
                default_type = rules.get().type(type).code
            except LeadRefused as error:
                raise Unprocessable(str(error), what=error.what, why=error.why) from error
        principal, id = asking.principal, derive("lead import", asking.cause)
        try:
            digest = objects.put(content)
        except StoreUnavailable as error:
            raise Problem(503, "The object store is away just now; try again shortly.", headers={"Retry-After": "5"}) from error
        request = lead_imports.Request(
            id=id,
            sha256=digest,
            size=len(content),
            filename=filename,
            format="xlsx" if content.startswith(_ZIP) else "csv",
            default_type=default_type,
            dry_run=dry_run,
            state="waiting",
            requested_by=principal.user,
            unit=principal.unit,
            requested_at=clock(),
            traceparent=current_traceparent(),
        )

        def answer() -> Answer:
            lead_imports.add(tx, request)
            return Answer(lead_imports.show(tx, id, Rows()), 202)

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("", responses=gives(Listed[LeadImport]), summary="Imports, the newest first.")
    def list_imports(principal: Importing, page: Paging) -> Response:
        with database.read() as tx:
            found = lead_imports.list_imports(tx, rows_of(principal), page.place(), page.limit + 1)
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (row["requested_at"].isoformat(), str(row["id"])))
        return Answer({"items": shown, "next": following}).response()

    @router.get("/{import_id}", responses=gives(LeadImport), summary="An import: how far it is, and how many rows became leads.")
    def show(import_id: UUID, principal: Importing) -> Response:
        return Answer(_visible(database, import_id, principal)).response()

    @router.get(
        "/{import_id}/problems",
        responses=_PROBLEMS,
        summary="What was wrong, by row and column: page by page, or all of it as CSV to save.",
    )
    def problems(
        import_id: UUID,
        principal: Importing,
        page: Paging,
        format: Annotated[Literal["json", "csv"], Query(description="A page of them, or all.")] = "json",
    ) -> Response:
        found = _visible(database, import_id, principal)
        if format == "csv":
            name = f"problems-{found['filename'].rpartition('.')[0] or import_id}.csv"
            rows = ((row["row"], row["column"], row["value"], row["problem"]) for row in _all_problems(database, import_id))
            return StreamingResponse(
                as_csv(("row", "column", "value", "problem"), rows),
                headers={"Content-Disposition": as_attachment(name), "X-Content-Type-Options": "nosniff"},
                media_type="text/csv; charset=utf-8",
            )
        keys = page.keys(2)
        if keys is not None and not all(isinstance(key, int) and 0 <= key < 2**31 for key in keys):
            raise _bad_cursor()
        with database.read() as tx:
            items = lead_imports.problems(tx, import_id, (0, -1) if keys is None else (keys[0], keys[1]), page.limit + 1)
        shown = items[: page.limit]
        following = page.following(len(items), shown, lambda row: (row["row"], row["position"]))
        return Answer({"items": shown, "next": following}).response()

    @router.post(
        "/{import_id}/cancel",
        responses=gives(LeadImport),
        dependencies=[Depends(requires("lead:import"))],
        summary="Stop it; the leads that it has created stay.",
    )
    def cancel(import_id: UUID, asking: Asking) -> Response:
        def answer() -> Answer:
            found = lead_imports.show(tx, import_id, rows_of(asking.principal), lock=True)
            if found is None:
                raise NotFound
            lead_imports.cancel(tx, import_id)
            return Answer(lead_imports.show(tx, import_id, Rows()))

        with publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router


def _visible(database: Database, import_id: UUID, principal: Principal) -> dict[str, Any]:
    with database.read() as tx:
        found = lead_imports.show(tx, import_id, rows_of(principal))
    if found is None:
        raise NotFound
    return found


def _all_problems(database: Database, import_id: UUID) -> Iterator[dict[str, Any]]:
    after = (0, -1)
    while True:
        with database.read() as tx:
            found = lead_imports.problems(tx, import_id, after, 500)
        yield from found
        if len(found) < 500:
            return
        after = (found[-1]["row"], found[-1]["position"])


def _bad_cursor() -> Problem:
    return Problem(400, "The cursor is not one that this list gave; start without it.")
