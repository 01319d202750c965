"""A case, who acts on it, and what its history records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.life_cycle import LifeCycle

SYSTEM = "system"
"""Who acts when no member of staff does."""


class Case(NamedTuple):
    """A customer's matter under one subject. Field names are those of the table `cases`, in its order."""

    id: UUID
    number: str
    revision: int
    config_version: int
    subject: str
    title: str
    communication_id: UUID
    conversation_id: UUID
    method: str
    contact_id: UUID | None
    account_id: UUID | None
    customer_name: str
    customer_email: str
    state: LifeCycle
    status: str
    status_before: str | None
    urgency: str
    impact: str
    priority: str
    category: str
    unit: str
    owner: str | None
    waiting_for_customer: bool
    needs_review: bool
    reason: str
    opened_at: datetime
    responded_at: datetime | None
    resolved_at: datetime | None
    completed_at: datetime | None
    expected_completion_at: datetime | None
    changed_at: datetime
    changed_by: str
    response_category: str = ""
    temporary_category: str = ""
    final_category: str = ""
    awaiting_acceptance: str = ""
    """The stage whose answer waits for the customer's word (CASE-12); empty: none does."""
    estimated_completion_at: datetime | None = None
    merged_into: UUID | None = None
    """The case that goes on in its stead: it is locked, and what would come to it goes there (EDGE-11)."""
    parent_id: UUID | None = None
    """The major case that it belongs to (EDGE-15)."""
    customer_updated_at: datetime | None = None
    """When the customer last heard of it from us (`domain.hearing`); None: not yet."""
    customer_told_at: datetime | None = None
    """The same, as far as it was by what staff did with the case itself, which no merge and no split moves."""


class Change(NamedTuple):
    """One field's change, as the history shows it."""

    field: str
    old: str | None
    new: str | None


class HistoryEntry(NamedTuple):
    """Who changed what on which case, and when (CASE-10). Field names are those of the table `history`."""

    case_id: UUID
    revision: int | None
    """The case's revision that it belongs to; None: the case itself did not change, as when a communication joins it."""
    field: str
    old_value: str | None
    new_value: str | None
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Actor:
    """The member of staff (or machine) who asks; `may_override` gates of completion with a reason (EDGE-6)."""

    user: str
    unit: str
    may_override: bool = False


def entries(case: Case, changes: tuple[Change, ...]) -> list[HistoryEntry]:
    """The history of the step that made `case` what it is now."""
    return [
        HistoryEntry(case.id, case.revision, change.field, change.old, change.new, case.changed_by, case.changed_at) for change in changes
    ]
