"""Search and figures as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape
from services.case.domain.life_cycle import LifeCycle


class _Found(Shape):
    rank: float | None = Field(description="How well it matches; null where matches are not ranked.")
    id: UUID


class FoundCase(_Found):
    """A case that was found."""

    kind: Literal["case"]
    number: str
    title: str
    subject: str
    state: LifeCycle
    status: str
    priority: str
    unit: str
    owner: str | None
    customer_name: str
    customer_email: str
    opened_at: datetime


class FoundContact(_Found):
    """A contact who was found."""

    kind: Literal["contact"]
    name: str
    email: str
    created_at: datetime


class Piece(Shape):
    """A piece of plain text; `match`: it is a word of the query."""

    text: str
    match: bool


class FoundCommunication(_Found):
    """A communication that was found."""

    kind: Literal["communication"]
    subject_line: str
    sender: str
    sender_name: str
    direction: Literal["inbound", "outbound"]
    method: str
    received_at: datetime
    case_ids: list[UUID]
    snippet: list[Piece]


class SearchPage(Shape):
    """One page of what was found; it may be shorter than asked, even empty, although `next` leads on."""

    items: list[Annotated[FoundCase | FoundContact | FoundCommunication, Field(discriminator="kind")]]
    next: str | None
    corrected: dict[str, list[str]] = Field(
        description="Words that no record has, with those that were searched for instead.", examples=[{"boilr": ["boiler"]}]
    )
    order: Literal["rank", "newest"]


class _Counted(Shape):
    open: int
    overdue: int
    unassigned: int
    awaiting: int = Field(description="Those that wait for the customer.")


class PriorityFigures(_Counted):
    """Open cases of one priority."""

    priority: str


class CategoryFigures(_Counted):
    """Open cases of one category."""

    category: str


class UnitFigures(_Counted):
    """Open cases of one unit."""

    unit: str


class OwnerFigures(_Counted):
    """Open cases of one user, or of nobody."""

    owner: str | None


class StateFigures(_Counted):
    """Open cases in one state."""

    state: LifeCycle


class SubjectFigures(_Counted):
    """Open cases of one subject."""

    subject: str


class FiguresBy(Shape):
    """Open cases of each kind, the most first."""

    priority: list[PriorityFigures]
    category: list[CategoryFigures]
    unit: list[UnitFigures]
    owner: list[OwnerFigures]
    state: list[StateFigures]
    subject: list[SubjectFigures]


class Figures(_Counted):
    """How many open cases the caller reaches."""

    oldest_unassigned_at: datetime | None
    oldest_unassigned: UUID | None = Field(description="The case that has been without an owner for longest.")
    by: FiguresBy


class ReportLine(Shape):
    """Cases of a period with one value of a field, which is named by the member of that name."""

    category: str | None = None
    subject: str | None = None
    unit: str | None = None
    reason: str | None = None
    method: str | None = None
    priority: str | None = None
    opened: int
    completed: int
    cancelled: int
    median_seconds_to_completion: float | None


class CaseReport(Shape):
    """Cases of a period."""

    items: list[ReportLine]
