"""What tasks need to know of the case that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID


class Customer(NamedTuple):
    """The contact (and account) that an item is about."""

    contact_id: UUID | None = None
    account_id: UUID | None = None
    name: str = ""
    email: str = ""


CASE, LEAD = "case", "lead"
CLOSED: Final = frozenset({"completed", "cancelled", "won", "lost"})
"""The states in which nothing is begun for a case or lead any more."""


@dataclass(slots=True)
class Case:
    """A case as its newest event described it, and whether its tasks are planned. Or a lead, of which no tasks are planned (LEAD-2)."""

    id: UUID
    revision: int
    """Of the case itself: older events of it are passed over."""
    number: str
    title: str
    subject: str
    """Its code; of a lead, that of its type."""
    unit: str
    owner: str | None
    state: str
    customer: Customer
    config_version: int
    """The configuration that its plan was made under; a live case keeps it."""
    plan_revision: int = 0
    """Of its plan, an aggregate of its own; 0: not planned."""
    planned_at: datetime | None = None
    kind: str = CASE

    @property
    def is_lead(self) -> bool:
        """Whether it is a lead."""
        return self.kind == LEAD

    @property
    def is_closed(self) -> bool:
        """Whether nothing is begun for it any more."""
        return self.state in CLOSED

    @property
    def may_be_followed_up(self) -> bool:
        """Whether rules may add tasks: it is open, or a lead that is won, whose customer is to be served now."""
        return not self.is_closed or self.state == "won"
