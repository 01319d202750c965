"""What records of every kind have: a history and notes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from services.case.api.shapes.declaring import Shape


class HistoryEntry(Shape):
    """One change of a record, or something that happened to it."""

    id: int
    revision: int | None = Field(description="The record's after it; null: the record itself did not change.")
    field: str = Field(examples=["status"])
    old: str | None
    new: str | None
    by: str = Field(description="The user, or the part of the system.", examples=["rita"])
    at: datetime


class Note(Shape):
    """What somebody noted."""

    id: UUID
    text: str = Field(examples=["Rang back; the key is with the neighbour."])
    author: str = Field(examples=["rita"])
    written_at: datetime


class Read(Shape):
    """That somebody looked at a record whose subject is sensitive."""

    id: int
    reader: str = Field(examples=["rita"])
    read_at: datetime
