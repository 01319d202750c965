"""How deadlines were kept, by method, subject, unit or period; also as a file (SLA-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from services.desk.api.browser import Browser, Visitor
from services.desk.api.deadline_pages import KINDS, Code, Kind
from services.desk.api.file_pages import passed_on
from services.desk.api.record_pages import unread
from services.desk.domain.deadline_report import Period, Report, period_of, period_words
from services.desk.domain.deadlines import CLOCK_WORDS, amount_words, short_span
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away, Refused
from services.desk.gateways.deadlines import Deadlines, Which
from shared.clock import Clock
from shared.web import Forbidden

By = Literal["subject", "method", "unit", "kind", "month", "week", "day"]
BYS: dict[By, str] = {
    "subject": "Subject",
    "method": "Method",
    "unit": "Unit",
    "kind": "Deadline",
    "month": "Month",
    "week": "Week",
    "day": "Day",
}
Day = Annotated[str, Query(max_length=10)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the report is asked for, as the page's address has it."""

    by: By
    first: str
    last: str
    kind: str
    unit: str
    subject: str
    method: str

    def filters(self) -> dict[str, str]:
        """What it is narrowed to."""
        given = {"kind": self.kind, "unit": self.unit, "subject": self.subject, "method": self.method}
        return {name: value for name, value in given.items() if value}


def wanted_of(
    by: By = "subject",
    first: Annotated[Day, Query(alias="from")] = "",
    last: Annotated[Day, Query(alias="to")] = "",
    kind: Kind = "",
    unit: Code = "",
    subject: Code = "",
    method: Code = "",
) -> Wanted:
    """A dependency: the report that the address asks for."""
    return Wanted(by, first, last, kind, unit, subject, method)


def deadline_report_pages(browser: Browser, deadlines: Deadlines, organisation: Callable[[], Organisation], clock: Clock) -> APIRouter:
    """`/deadlines/report` and its files."""
    signed_in: Visitor = Depends(browser.visitor)

    def readers(visitor: Visitor = signed_in) -> Visitor:
        if not visitor.sees_reports:
            raise Forbidden("Your roles do not open this page; it needs the permission clock:read for a unit or all.")
        return visitor

    router = APIRouter(prefix="/deadlines/report", include_in_schema=False)
    reading: Visitor = Depends(readers)

    def asked(wanted: Wanted, period: Period, around: Organisation) -> dict[str, str]:
        """As the API takes it."""
        begins, ends = period.moments(around.zone)
        return {"by": wanted.by, "from": begins.isoformat(), "until": ends.isoformat()} | wanted.filters()

    @router.get("")
    def report(wanted: Annotated[Wanted, Depends(wanted_of)], visitor: Visitor = reading) -> Response:
        around, today = organisation(), clock().astimezone(organisation().zone).date()
        period = period_of(wanted.first, wanted.last, today)
        found: Report | None = None
        error, status = period.error, 422 if period.error else 200
        if not error:
            try:
                found = deadlines.report(visitor.token.token, asked(wanted, period, around))
            except Away:
                status = 503
            except Refused as refused:
                error, status = str(refused), 422
        kept = {"from": period.first, "to": period.last} | wanted.filters()
        return browser.page(
            "deadline_report.html",
            visitor,
            status,
            report=found,
            period=period,
            wanted=wanted,
            bys=BYS,
            kinds=KINDS,
            error=error,
            address=lambda by: f"/deadlines/report?{urlencode({'by': by} | kept)}",
            file_address=lambda which: f"/deadlines/report/{which}.csv?{urlencode({'by': wanted.by} | kept)}",
            group=lambda code: _group_words(wanted.by, code, around),
            kind_words=CLOCK_WORDS,
            amount=amount_words,
            plain=lambda seconds: short_span(timedelta(seconds=seconds)),
            names=around,
        )

    @router.get("/{which}.csv")
    def report_file(which: Which, wanted: Annotated[Wanted, Depends(wanted_of)], visitor: Visitor = reading) -> Response:
        around, today = organisation(), clock().astimezone(organisation().zone).date()
        period = period_of(wanted.first, wanted.last, today)
        if period.error:
            return unread(browser, visitor, "/deadlines/report", period.error)
        try:
            return passed_on(deadlines.report_file(visitor.token.token, which, asked(wanted, period, around)), f"{which}.csv")
        except Away:
            return unread(browser, visitor, "/deadlines/report")
        except Refused as refused:
            return unread(browser, visitor, "/deadlines/report", str(refused))

    return router


def _group_words(by: By, code: str, around: Organisation) -> str:
    """What a group is called."""
    if by in ("month", "week", "day"):
        return period_words(code)
    if by == "kind":
        return CLOCK_WORDS.get(code, code)
    return around.name(by, code) if code else "None"
