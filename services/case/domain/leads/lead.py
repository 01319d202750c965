"""A lead, its competitors and its interests."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Change


class LeadLifeCycle(StrEnum):
    """Where a lead stands. The values are those of the events."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    WON = "won"
    LOST = "lost"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        """Won, lost or cancelled: the lead is locked."""
        return self in _CLOSED


_CLOSED = frozenset({LeadLifeCycle.WON, LeadLifeCycle.LOST, LeadLifeCycle.CANCELLED})


class Lead(NamedTuple):
    """Possible business with a customer. Field names are those of the table `leads`, in its order."""

    id: UUID
    number: str
    revision: int
    config_version: int
    type: str
    title: str
    description: str
    source: str
    communication_id: UUID | None
    contact_id: UUID | None
    account_id: UUID | None
    customer_name: str
    customer_email: str
    customer_phone: str
    state: LeadLifeCycle
    status: str
    status_before: str | None
    priority: int
    importance: int
    category: str
    unit: str
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
    import_id: UUID | None


class Interest(NamedTuple):
    """What the customer is interested in. `kind`: product, type, brand or family."""

    kind: str
    code: str

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


class Competitor(NamedTuple):
    """Who else the customer may go to."""

    name: str
    website: str = ""
    description: str = ""


class Opened(NamedTuple):
    """A lead with what hangs on it."""

    lead: Lead
    competitors: tuple[Competitor, ...] = ()
    interests: tuple[Interest, ...] = ()


def lead_number(year: int, count: int) -> str:
    """The number of the lead that is this one in the count of all, opened in this year (UTC)."""
    return f"L-{year}-{count:06d}"


Decision = tuple[Lead, tuple[Change, ...]]
"""The lead as it is then, and what changed; nothing: it was so already."""
