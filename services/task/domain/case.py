"""What tasks need to know of the case that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Customer(NamedTuple):
    """The contact (and account) that an item is about."""

    contact_id: UUID | None = None
    account_id: UUID | None = None
    name: str = ""
    email: str = ""


@dataclass(slots=True)
class Case:
    """A case as its newest event described it, and whether its tasks are planned."""

    id: UUID
    revision: int
    """Of the case itself: older events of it are passed over."""
    number: str
    title: str
    subject: str
    unit: str
    owner: str | None
    state: str
    customer: Customer
    config_version: int
    """The configuration that its plan was made under; a live case keeps it."""
    plan_revision: int = 0
    """Of its plan, an aggregate of its own; 0: not planned."""
    planned_at: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing is begun for it any more."""
        return self.state in ("completed", "cancelled")
