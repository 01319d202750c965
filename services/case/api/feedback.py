"""Customers' feedback: handed in by other systems, summed up, and listed with what was written (CASE-13)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.case.api.reach import Asking, Plain, may_see, refusals, rows_of
from services.case.api.shapes.declaring import Listed, gives
from services.case.api.shapes.feedback import Feedback, FeedbackSummary, ListedFeedback
from services.case.domain.case import Case
from services.case.domain.feedback import summed_up
from services.case.handlers.feedback import FeedbackIntake, From
from services.case.handlers.links import Step
from services.case.storage import feedback
from services.case.storage.feedback import Grouping
from shared.clock import Clock
from shared.links.pages import NotFilled
from shared.messaging import EventPublisher, ReferenceData
from shared.observability.tracing import current_traceparent
from shared.schemas.events import Code
from shared.web import Answer, NotFound, PageRequest, Principal, Problem, Unprocessable, answer_once, page_request, requires

Reader = Annotated[Principal, Depends(requires("feedback:read"))]
Name = Annotated[str | None, Query(description="Only feedback on cases that have this.", max_length=64, pattern=r"^[^\x00]*$")]
_EARLIEST, _LATEST = date(1900, 1, 1), date(9000, 12, 31)
First = Annotated[date | None, Query(alias="from", ge=_EARLIEST, le=_LATEST, description="The first day, in the organisation's time zone.")]
To = Annotated[date | None, Query(ge=_EARLIEST, le=_LATEST, description="The last day, itself included.")]


class FeedbackBody(BaseModel):
    """Answers by their question's code: a rating from 1 on, or text."""

    model_config = ConfigDict(extra="forbid")

    answers: dict[Code, int | Plain] = Field(min_length=1, max_length=50, examples=[{"work": 4, "words": "Quick and tidy."}])


def feedback_router(publisher: EventPublisher, reference: ReferenceData, intake: FeedbackIntake, clock: Clock) -> APIRouter:
    """`POST /cases/{id}/feedback`, `GET /feedback` and `GET /feedback/summary`."""
    router = APIRouter(tags=["feedback"])
    database = publisher.database

    @router.post(
        "/cases/{case_id}/feedback",
        responses=gives(Feedback, 201),
        status_code=201,
        dependencies=[Depends(requires("feedback:write"))],
        summary="Hand in what the customer thought of a case, as its feedback form asks.",
    )
    def hand_in(case_id: UUID, body: FeedbackBody, asking: Asking) -> Response:
        principal = asking.principal

        def permit(case: Case) -> None:
            if not may_see(principal, case.unit, case.owner):
                raise NotFound

        def answer() -> Answer:
            step = Step(asking.cause, clock(), current_traceparent())
            given = {code: str(value) for code, value in body.answers.items()}
            try:
                kept = intake.take(tx, case_id, given, From(principal.user, permit), step)
            except NotFilled as error:
                errors = [
                    {"where": f"body.answers.{name}" if name else "body.answers", "message": why} for name, why in error.errors.items()
                ]
                raise Unprocessable(str(error), errors=errors) from error
            return Answer(kept._asdict(), 201)

        with refusals(), publisher.transaction() as tx:
            return answer_once(tx, asking, answer)

    def within(first: date | None, last: date | None) -> tuple[datetime | None, datetime | None]:
        zone = ZoneInfo(reference.configuration(reference.version).organisation.time_zone)
        if first is not None and last is not None and last < first:
            raise Problem(422, f"`to` ({last}) is before `from` ({first}).")
        since = None if first is None else datetime.combine(first, time(), zone)
        return since, None if last is None else datetime.combine(last + timedelta(days=1), time(), zone)

    @router.get(
        "/feedback/summary",
        responses=gives(FeedbackSummary),
        summary="What customers thought, counted: average, distribution and share of satisfied ones.",
    )
    def summary(
        principal: Reader,
        by: Annotated[Grouping, Query(description="What it is counted for each of.")] = "subject",
        first: First = None,
        to: To = None,
        subject: Name = None,
        unit: Name = None,
        method: Name = None,
    ) -> Response:
        since, until = within(first, to)
        filters = {"subject": subject, "unit": unit, "method": method}
        with database.read() as tx:
            totals, counted = feedback.counts(tx, by, filters, since, until, rows_of(principal))
        questions = summed_up(counted)
        items = [{by: group, "feedback": totals[group], "questions": questions.get(group, [])} for group in sorted(totals)]
        return Answer({"by": by, "feedback": sum(totals.values()), "items": items}).response()

    @router.get("/feedback", responses=gives(Listed[ListedFeedback]), summary="Feedback with what was written, the newest first.")
    def list_feedback(
        principal: Reader,
        page: Annotated[PageRequest, Depends(page_request)],
        first: First = None,
        to: To = None,
        case_id: Annotated[UUID | None, Query(description="Only feedback on this case.")] = None,
        subject: Name = None,
        unit: Name = None,
        method: Name = None,
    ) -> Response:
        since, until = within(first, to)
        filters = {"case_id": case_id, "subject": subject, "unit": unit, "method": method}
        with database.read() as tx:
            found = feedback.listed(tx, filters, since, until, rows_of(principal), page.place(), page.limit + 1)
        items = found[: page.limit]
        following = page.following(len(found), items, lambda row: (row["given_at"].isoformat(), str(row["id"])))
        return Answer({"items": items, "next": following}).response()

    return router
