"""Notes on records, and the history of records other than cases (CASE-10): the same for contacts, accounts and leads as for cases."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Change

NOTE_LENGTH = 20_000
"""The most characters that a note has."""


class RecordKind(StrEnum):
    """Kinds of record that carry notes."""

    CASE = "case"
    CONTACT = "contact"
    ACCOUNT = "account"
    LEAD = "lead"


class Note(NamedTuple):
    """What a member of staff noted on a record. Field names are those of the table `notes`; a note is never changed."""

    id: UUID
    kind: str
    record_id: UUID
    text: str
    author: str
    written_at: datetime


class RecordEntry(NamedTuple):
    """Who changed what on which record, and when. Field names are those of the table `record_history`."""

    kind: str
    record_id: UUID
    revision: int | None
    """The record's revision that it belongs to; None: the record itself did not change."""
    field: str
    old_value: str | None
    new_value: str | None
    changed_by: str
    changed_at: datetime


def record_entries(
    kind: RecordKind, record_id: UUID, revision: int | None, changes: tuple[Change, ...], by: str, at: datetime
) -> list[RecordEntry]:
    """The history of one step of a record."""
    return [RecordEntry(kind.value, record_id, revision, change.field, change.old, change.new, by, at) for change in changes]
