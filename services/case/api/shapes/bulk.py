"""Bulk changes as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape

Outcome = Literal["done", "unchanged", "refused"]


class BulkChange(Shape):
    """A bulk change, and how far it has come."""

    id: UUID
    asked_by: str
    change: dict[str, Any] = Field(description="As it was asked for.", examples=[{"kind": "assign", "unit": "repairs", "owner": "rita"}])
    state: Literal["running", "done", "cancelled"]
    total: int = Field(description="How many cases it is for.")
    done: int
    unchanged: int
    refused: int
    created_at: datetime
    ended_at: datetime | None


class BulkItem(Shape):
    """What became of one case of a bulk change."""

    position: int
    case_id: UUID
    number: str | None = Field(description="Null: the case was deleted.")
    outcome: Outcome | None = Field(description="Null: still to do.")
    why: str


class FieldChange(Shape):
    """A field before and after."""

    field: str = Field(examples=["owner"])
    old: str | None
    new: str | None


class PreviewedCase(Shape):
    """What a bulk change would do to one case."""

    case_id: UUID
    number: str
    outcome: Outcome
    why: str
    changes: list[FieldChange]


class BulkPreview(Shape):
    """How many cases a bulk change would be for, and what would happen to the newest of them."""

    total: int
    items: list[PreviewedCase]
