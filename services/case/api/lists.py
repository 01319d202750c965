"""Lists of cases: filters and orders, a page at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.case.api.reach import described_case, rows_of
from services.case.api.shapes.cases import ListedCase
from services.case.api.shapes.declaring import Listed, gives
from services.case.domain.life_cycle import LifeCycle
from services.case.handlers.rules import Rules
from services.case.storage.lists import Place, Sort, Wanted, list_cases, place_of
from shared.clock import Clock
from shared.messaging import VersionCache
from shared.storage import Database
from shared.web import Answer, PageRequest, Principal, Problem, page_request, requires

Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


class CaseFilter(BaseModel):
    """Which cases; what is left out filters nothing."""

    model_config = ConfigDict(extra="ignore")

    state: Annotated[tuple[LifeCycle, ...], Field(max_length=len(LifeCycle), description="Any of these.")] = ()
    unit: Name | None = Field(default=None, description="Code of the unit that they lie with.")
    owner: Name | None = Field(default=None, description="The user whose they are.")
    unassigned: bool = Field(default=False, description="Only those without an owner.")
    subject: Name | None = Field(default=None, description="Code of the subject.")
    number: Name | None = Field(default=None, description="As customers are told it.")
    category: Name | None = Field(default=None, description="Code of the category.")
    priority: Name | None = Field(default=None, description="Code of the priority.")
    urgency: Name | None = Field(default=None, description="Code of the urgency.")
    method: Name | None = Field(default=None, description="Code of the method by which they came.")
    contact_id: UUID | None = Field(default=None, description="Only those of this contact.")
    account_id: UUID | None = Field(default=None, description="Only those of this account.")
    communication_id: UUID | None = Field(default=None, description="Only those that this communication feeds.")
    open: bool = Field(default=False, description="Only those that are neither completed nor cancelled.")
    overdue: bool = Field(default=False, description="Only open ones whose expected completion has passed.")
    due_before: AwareDatetime | None = Field(default=None, description="Expected to be complete before then.")
    opened_after: AwareDatetime | None = Field(default=None, description="Opened later than then.")
    opened_before: AwareDatetime | None = Field(default=None, description="Opened earlier than then.")
    needs_review: bool = Field(default=False, description="Only those that expiry or a chase left for staff to judge.")
    awaiting: bool = Field(default=False, description="Only those that wait for the customer.")

    def wanted(self) -> Wanted:
        """The same for storage."""
        return Wanted(states=self.state, **self.model_dump(exclude={"state", "ids"}))


async def case_filter(found: Annotated[CaseFilter, Query()]) -> CaseFilter:
    """A dependency: the filters among the query's parameters."""
    return found


def lists_router(database: Database, rules: VersionCache[Rules], clock: Clock) -> APIRouter:
    """`GET /cases`."""
    router = APIRouter(tags=["cases"])

    @router.get("/cases", responses=gives(Listed[ListedCase]), summary="Cases that fit every filter, the newest first or in another order.")
    def list_of_cases(
        principal: Annotated[Principal, Depends(requires("case:read"))],
        page: Annotated[PageRequest, Depends(page_request)],
        filters: Annotated[CaseFilter, Depends(case_filter)],
        sort: Annotated[
            Sort, Query(description="`due` is the expected completion, cases without one last; `-`: descending, as highest priority first.")
        ] = Sort.OPENED_DESCENDING,
    ) -> Response:
        ranks, after = rules.get().priorities.priorities, _place(page, sort)
        with database.read() as tx:
            try:
                found = list_cases(tx, filters.wanted(), rows_of(principal), sort, ranks, after, page.limit + 1, clock())
            except ValueError as error:
                raise _bad_cursor() from error
        shown = found[: page.limit]
        following = page.following(len(found), shown, lambda row: (sort.value, *_texts(place_of(sort, row))))
        return Answer({"items": [described_case(row) for row in shown], "next": following}).response()

    return router


def _texts(place: Place) -> tuple[str, str | None, str]:
    return place.group, place.value.isoformat() if place.value else None, str(place.id)


def _place(page: PageRequest, sort: Sort) -> Place | None:
    keys = page.keys(4)
    if keys is None:
        return None
    try:
        if keys[0] != sort:
            raise _bad_cursor()
        value = None if keys[2] is None else datetime.fromisoformat(str(keys[2]))
        return Place(str(keys[1]), value, UUID(str(keys[3])))
    except ValueError as error:
        raise _bad_cursor() from error


def _bad_cursor() -> Problem:
    return Problem(400, "The cursor is not one that this list gave in this order; start without it.")
