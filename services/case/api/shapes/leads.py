"""Leads and their imports as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape
from services.case.api.shapes.records import HistoryEntry
from services.case.domain.leads.lead import LeadLifeCycle
from shared.schemas.configuration.leads import LeadCategory, LeadStatus, LeadType, LevelLabel
from shared.schemas.events import LeadSource


class LeadCustomer(Shape):
    """Whose lead it is."""

    contact_id: UUID | None
    account_id: UUID | None
    account_number: str | None
    name: str = Field(examples=["Joan Example"])
    email: str = Field(examples=["joan@tenant.example"])
    phone: str = Field(examples=["+44 1632 960123"])


class LeadCompetitor(Shape):
    """Who else the customer may go to."""

    name: str
    website: str
    description: str


class LeadInterest(Shape):
    """One product, or all of a type, brand or family."""

    kind: Literal["product", "type", "brand", "family"]
    code: str = Field(examples=["garage"])


class ListedLead(Shape):
    """A lead with its customer, competitors and products."""

    id: UUID
    number: str = Field(examples=["L-2026-000001"])
    revision: int
    config_version: int = Field(description="The configuration that it began with, and keeps.")
    type: str = Field(examples=["garage-letting"])
    title: str = Field(examples=["A garage near Elm Road"])
    description: str
    source: str = Field(examples=["other"])
    communication_id: UUID | None = Field(description="The communication that it was opened from.")
    customer: LeadCustomer
    state: LeadLifeCycle
    status: str = Field(examples=["in-progress"])
    status_before: str | None
    priority: int
    importance: int
    category: str
    unit: str = Field(examples=["lettings"])
    owner: str | None
    lost_reason: str
    reason: str
    opened_at: datetime
    started_at: datetime | None
    closed_at: datetime | None
    expected_completion_at: datetime | None
    estimated_completion_at: datetime | None
    changed_at: datetime
    changed_by: str
    import_id: UUID | None = Field(description="The import that it came with.")
    competitors: list[LeadCompetitor]
    interests: list[LeadInterest]


class ShownLead(ListedLead):
    """A lead with all that belongs to it; of its history the first 500 entries."""

    history: list[HistoryEntry]


class ShownLeadType(LeadType):
    """A type of lead, and whether the caller may create leads of it."""

    may_create: bool


class ShownSource(Shape):
    """Where leads come from."""

    code: LeadSource
    label: str


class ShownLostReason(Shape):
    """Why leads are lost."""

    code: str = Field(examples=["went-elsewhere"])
    name: str
    description: str


class LeadTypes(Shape):
    """The types of lead, and what may be chosen on their leads."""

    types: list[ShownLeadType]
    statuses: list[LeadStatus]
    default_statuses: dict[LeadLifeCycle, str]
    categories: list[LeadCategory]
    lost_reasons: list[ShownLostReason]
    priority_labels: list[LevelLabel]
    importance_labels: list[LevelLabel]
    sources: list[ShownSource]
    config_version: int


class LeadImport(Shape):
    """An import of leads: how far it is, and what became of its rows."""

    id: UUID
    filename: str
    format: Literal["csv", "xlsx"]
    size: int = Field(description="Of the file, in bytes.")
    sha256: str
    default_type: str = Field(description="Lead type of rows that name none.")
    dry_run: bool
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    problem: str = Field(description="Why it failed as a whole.")
    total: int | None = Field(description="Rows with anything in them; null: not counted yet.")
    done: int
    created: int
    repeated: int = Field(description="Rows that were leads already.")
    refused: int = Field(description="Rows with problems.")
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None


class ImportProblem(Shape):
    """What is wrong with a cell."""

    row: int = Field(description="As the spreadsheet counts, from 1.")
    position: int
    column: str
    value: str
    problem: str
