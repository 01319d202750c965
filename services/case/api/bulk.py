"""Bulk changes over HTTP: preview, ask, follow, cancel (EDGE-12)."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.commanding import AnswerBody, AssignBody, Body, CategoryBody, EstimateBody, PriorityBody, StatusBody
from services.case.api.lists import CaseFilter
from services.case.api.reach import Asking, rows_of
from services.case.api.shapes.bulk import BulkChange, BulkItem, BulkPreview
from services.case.api.shapes.declaring import Listed, gives
from services.case.handlers.bulk import preview
from services.case.handlers.commands import Commands
from services.case.storage import bulk
from services.case.storage.bulk import Job
from services.case.storage.lists import Wanted
from shared.clock import Clock
from shared.messaging import EventPublisher
from shared.observability.tracing import current_traceparent
from shared.web import Answer, Forbidden, NotFound, PageRequest, Principal, Problem, Unprocessable, answer_once, page_request, requires

BulkUser = Annotated[Principal, Depends(requires("case:bulk"))]


class StatusChange(StatusBody):
    """As `POST /cases/{id}/status`."""

    kind: Literal["status"]


class AssignChange(AssignBody):
    """As `POST /cases/{id}/assign`."""

    kind: Literal["assign"]


class PriorityChange(PriorityBody):
    """As `POST /cases/{id}/priority`."""

    kind: Literal["priority"]


class AnswerChange(AnswerBody):
    """As `POST /cases/{id}/answers`."""

    kind: Literal["answer"]


class CategoryChange(CategoryBody):
    """As `POST /cases/{id}/category`."""

    kind: Literal["category"]


class EstimateChange(EstimateBody):
    """As `POST /cases/{id}/estimate`."""

    kind: Literal["estimate"]


class Reply(Body):
    """Tell the customers this text, by the configuration's message on case.broadcast."""

    kind: Literal["reply"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]


class BulkFilter(CaseFilter):
    """As the query of `GET /cases`; unknown members are errors, lest a change reach more than was meant."""

    model_config = ConfigDict(extra="forbid")


class BulkBody(BaseModel):
    """Change every case that fits the filter, or has one of the ids, as far as the caller reaches them."""

    model_config = ConfigDict(extra="forbid")

    filter: Annotated[BulkFilter | None, Field(examples=[{"unit": "repairs", "overdue": True}])] = None
    ids: Annotated[tuple[UUID, ...] | None, Field(min_length=1, max_length=100_000)] = None
    change: Annotated[
        StatusChange | AssignChange | PriorityChange | AnswerChange | CategoryChange | EstimateChange | Reply,
        Field(discriminator="kind", examples=[{"kind": "assign", "unit": "repairs", "owner": "rita"}]),
    ]
    preview: bool = Field(default=False, description="Only say how many cases it is for, and what would happen to the first.")

    def wanted(self) -> Wanted:
        """Which cases. Raises a problem when that is not said, or said twice."""
        named = self.filter is not None and bool(self.filter.model_dump(exclude_defaults=True))
        if named == (self.ids is not None):
            raise Unprocessable("Say which cases: with at least one member of `filter`, or with `ids`, not both.")
        if self.ids is not None:
            return Wanted(ids=self.ids)
        assert self.filter is not None  # noqa: S101 - `named` says so
        return self.filter.wanted()


_NEEDED = {"assign": "case:assign"}
"""What changes need other than `case:progress`."""


def bulk_router(publisher: EventPublisher, commands: Commands, clock: Clock) -> APIRouter:
    """`/bulk-changes`. The changes are made by the role `sweep`."""
    router = APIRouter(prefix="/bulk-changes", tags=["bulk changes"])
    database = publisher.database

    @router.post(
        "",
        responses=gives(BulkChange, 202) | gives(BulkPreview, description="With `preview`: what would happen."),
        status_code=202,
        summary="Change many cases at once, or see what that would do.",
    )
    def ask(body: BulkBody, principal: BulkUser, asking: Asking) -> Response:
        """Without `preview` the change is kept with all cases that it is for now, and made in the background: follow it at its `id`."""
        needed = _NEEDED.get(body.change.kind, "case:progress")
        if not principal.may(needed):
            raise Forbidden(f"This change needs the permission {needed} too.")
        wanted, rows, now = body.wanted(), rows_of(principal), clock()
        change = body.change.model_dump(mode="json")
        if change.get("override"):
            change["override"] = principal.may("case:assign")
        user, unit, scope = principal.user, principal.unit, principal.scope
        if body.preview:
            asked = Job(uuid4(), user, unit, scope, change, "running", 0, 0, 0, 0, now, now, None)
            found = preview(database, commands, wanted, rows, asked, now, current_traceparent())
            shown = [one._asdict() | {"changes": [_change(*change) for change in one.changes]} for one in found.outcomes]
            return Answer({"total": found.total, "items": shown}).response()

        def answer() -> Answer:
            return Answer(_described(bulk.add(tx, asking.cause, user, unit, scope, change, wanted, rows, now)), 202)

        with database.transaction() as tx:
            return answer_once(tx, asking, answer)

    @router.get("/{id}", responses=gives(BulkChange), summary="A bulk change, and how far it has come.")
    def show(id: UUID, principal: BulkUser) -> Response:
        with database.read() as tx:
            return Answer(_described(_seen(bulk.get(tx, id), principal))).response()

    @router.get("/{id}/items", responses=gives(Listed[BulkItem]), summary="What became of each case of a bulk change.")
    def show_items(
        id: UUID,
        principal: BulkUser,
        page: Annotated[PageRequest, Depends(page_request)],
        outcome: Annotated[Literal["done", "unchanged", "refused"] | None, Query(description="Only these.")] = None,
    ) -> Response:
        keys = page.keys(1)
        after = keys[0] if keys else 0
        if not isinstance(after, int):
            raise Problem(400, "The cursor is not one that this list gave; start without it.")
        with database.read() as tx:
            _seen(bulk.get(tx, id), principal)
            found = bulk.items(tx, id, outcome, after, page.limit + 1)
        shown = found[: page.limit]
        return Answer({"items": shown, "next": page.following(len(found), shown, lambda row: (row["position"],))}).response()

    @router.post("/{id}/cancel", responses=gives(BulkChange), summary="End a bulk change; what is done stays done.")
    def cancel(id: UUID, principal: BulkUser, asking: Asking) -> Response:
        def answer() -> Answer:
            _seen(bulk.get(tx, id), principal)
            bulk.cancel(tx, id, clock())
            return Answer(_described(_seen(bulk.get(tx, id), principal)))

        with database.transaction() as tx:
            return answer_once(tx, asking, answer)

    return router


def _seen(job: Job | None, principal: Principal) -> Job:
    if job is None or (job.asked_by != principal.user and principal.scope != "all"):
        raise NotFound
    return job


def _described(job: Job) -> dict[str, Any]:
    names = ("id", "asked_by", "change", "state", "total", "done", "unchanged", "refused", "created_at", "ended_at")
    return {name: getattr(job, name) for name in names}


def _change(field: str, old: str | None, new: str | None) -> dict[str, str | None]:
    return {"field": field, "old": old, "new": new}
