"""Reports: the share of clocks that were met (SLA-1), and how long they took; as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from services.sla.api.asking import FILTERS, READER, Around, reach_of
from services.sla.api.shapes import ComplianceReport, ComplianceRow, ComplianceTotal, Spread, TimesReport, TimesRow
from services.sla.domain.clocks import ClockKind
from services.sla.handlers.alerts import CLOCK_NAMES
from services.sla.storage import reports
from services.sla.storage.reports import By, Compliance, Period
from shared.storage import Database
from shared.web import Unprocessable
from shared.web.csv_tables import as_csv
from shared.web.downloads import as_attachment

USUAL = timedelta(days=30)
"""The period that is reported on when none is given ends now and is so long."""
LONGEST = timedelta(days=3_700)
_CSV: dict[str, Any] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
Grouping = Annotated[By, Query(description="What clocks are grouped by; days, weeks and months are the organisation's.")]
From = Annotated[AwareDatetime | None, Query(alias="from", description="The first moment; 30 days before `until` when left out.")]
Until = Annotated[AwareDatetime | None, Query(description="The first moment after it; now when left out.")]
Format = Annotated[Literal["json", "csv"] | None, Query(description="Left out: as `Accept` says, else JSON.")]
Accept = Annotated[str, Header(include_in_schema=False)]


def reports_router(database: Database, around: Around) -> APIRouter:
    """The routes under `/reports`."""
    router = APIRouter(prefix="/reports", tags=["reports"])

    @router.get(
        "/compliance",
        response_model=ComplianceReport,
        responses={200: _CSV},
        summary="Clocks met, missed and cancelled in a period, those still open past their time, and the share that was met.",
    )
    def compliance(
        principal: READER,
        wanted: FILTERS,
        by: Grouping = "kind",
        begin: From = None,
        until: Until = None,
        format: Format = None,
        accept: Accept = "",
    ) -> Response:
        with database.read() as tx:
            found = reports.compliance(tx, by, period(begin, until), wanted.wanted(), reach_of(principal))
        rows = [_compliance_row(row, by) for row in found if row.group is not None]
        total = next((row for row in found if row.group is None), Compliance(None, 0, 0, 0, 0))
        if _is_csv(format, accept):
            return _csv(
                "compliance",
                ("group", "met", "missed", "cancelled", "open_overdue", "share"),
                ((row.group, row.met, row.missed, row.cancelled, row.open_overdue, row.share) for row in rows),
            )
        return _json(ComplianceReport(rows=rows, total=_total(total)))

    @router.get(
        "/times",
        response_model=TimesReport,
        responses={200: _CSV},
        summary="How long clocks took that ended in a period: on their calendars, and from start to end.",
    )
    def times(
        principal: READER,
        wanted: FILTERS,
        by: Grouping = "kind",
        begin: From = None,
        until: Until = None,
        format: Format = None,
        accept: Accept = "",
    ) -> Response:
        with database.read() as tx:
            found = reports.times(tx, by, period(begin, until), wanted.wanted(), reach_of(principal))
        rows = [
            TimesRow(
                group=_name(row.group, by),
                kind=CLOCK_NAMES[ClockKind(row.kind)],
                count=row.clocks,
                used=_spread(row.used),
                elapsed=_spread(row.elapsed),
            )
            for row in found
        ]
        if _is_csv(format, accept):
            spread = tuple(Spread.model_fields)
            header = ("group", "kind", "count", *(f"used_{name}" for name in spread), *(f"elapsed_{name}" for name in spread))
            cells = ((row.group, row.kind, row.count, *_cells(row.used), *_cells(row.elapsed)) for row in rows)
            return _csv("times", header, cells)
        return _json(TimesReport(rows=rows))

    def period(begin: datetime | None, until: datetime | None) -> Period:
        now = around.clock()
        return Period(*period_of(begin, until, now), now, str(around.zone()))

    return router


def period_of(begin: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The period asked for. Raises a problem for one that is none."""
    try:
        until = until or now
        begin = begin or until - USUAL
        length = until - begin
    except OverflowError as error:
        raise Unprocessable("The period lies beyond the calendar.") from error
    if length <= timedelta(0):
        raise Unprocessable("The period ends before it begins: `from` must be earlier than `until`.")
    if length > LONGEST:
        raise Unprocessable("The period is longer than ten years.")
    return begin, until


def _name(group: str, by: By) -> str:
    return CLOCK_NAMES[ClockKind(int(group))] if by == "kind" else group


def _compliance_row(row: Compliance, by: By) -> ComplianceRow:
    return ComplianceRow(group=_name(row.group or "", by), **_total(row).model_dump())


def _total(row: Compliance) -> ComplianceTotal:
    counted = row.met + row.missed + row.open_overdue
    return ComplianceTotal(
        met=row.met,
        missed=row.missed,
        cancelled=row.cancelled,
        open_overdue=row.open_overdue,
        share=row.met / counted if counted else None,
    )


def _spread(values: Sequence[float | None]) -> Spread:
    return Spread(p50_seconds=values[0], p90_seconds=values[1], p95_seconds=values[2], longest_seconds=values[3])


def _cells(row: BaseModel) -> list[Any]:
    return [getattr(row, name) for name in type(row).model_fields]


def _is_csv(format: str | None, accept: str) -> bool:
    return format == "csv" or (format is None and accept.split(",")[0].split(";")[0].strip() == "text/csv")


def _json(report: BaseModel) -> Response:
    return Response(report.model_dump_json(), media_type="application/json")


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    headers = {"Content-Disposition": as_attachment(f"{name}.csv"), "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(as_csv(header, rows), headers=headers, media_type="text/csv; charset=utf-8")
