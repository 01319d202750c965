"""What requests about clocks share: who asks, which clocks, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo
from threading import Lock
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.sla.domain.clocks import ClockKind
from services.sla.domain.policy import Policy
from services.sla.domain.records import ItemKind
from services.sla.handlers.policies import Policies
from services.sla.storage.lists import Wanted
from services.sla.storage.reach import Reach
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData
from shared.web import Principal, requires

READER = Annotated[Principal, Depends(requires("clock:read"))]
Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
KindName = Literal["due", "response", "temporary_resolution", "resolution", "completion", "start", "update"]
"""Clocks that somebody has to be in time for."""


class Kept(BaseModel):
    """Which clocks; what is left out filters nothing."""

    model_config = ConfigDict(extra="ignore")

    kind: KindName | None = Field(default=None, description="What it measures.")
    item_kind: Literal["case", "task", "lead"] | None = Field(default=None, description="What it is on.")
    unit: Name | None = Field(default=None, description="Code of the unit that the item lies with.")
    assignee: Name | None = Field(default=None, description="The user whose it is.")
    subject: Name | None = Field(default=None, description="Code of the case's subject.")
    method: Name | None = Field(default=None, description="Code of the method by which a case came.")

    def wanted(self) -> Wanted:
        """The same for storage."""
        return Wanted(
            None if self.kind is None else int(ClockKind[self.kind.upper()]),
            None if self.item_kind is None else int(ItemKind[self.item_kind.upper()]),
            self.unit,
            self.assignee,
            self.subject,
            self.method,
        )


async def _kept(found: Annotated[Kept, Query()]) -> Kept:
    return found


FILTERS = Annotated[Kept, Depends(_kept)]


@dataclass(frozen=True)
class Around:
    """What the API answers by: the organisation's rules and its zone, and the time."""

    reference: ReferenceData
    policies: Policies
    clock: Clock
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, reference: ReferenceData, clock: Clock = utc_now) -> Around:
        """By this reference data."""
        return cls(reference, Policies(reference), clock)

    def policy(self, version: int) -> Policy:
        """The rules of a configuration version; 0 or one that is not known (yet, or any more): of the newest."""
        with self.lock:
            return self.policies.get(version if version <= self.reference.version else 0)

    def zone(self) -> tzinfo:
        """The organisation's time zone."""
        return ZoneInfo(self.reference.configuration().organisation.time_zone)


def reach_of(principal: Principal) -> Reach:
    """Whose rows the caller sees."""
    if principal.scope == "all":
        return Reach()
    return Reach(principal.unit if principal.scope == "unit" else None, principal.user)
