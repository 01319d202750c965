"""What sla publishes: what happens to clocks."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.kinds import ItemKind, OpenKind
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import OwnerRef, Part

Told = Literal["owner", "leader", "manager"]
"""Whom a step of an escalation chain tells: who has the item, and the leader and the manager of its unit."""


class ClockKind(OpenKind):
    """What a clock measures."""

    DUE = "due"
    RESPONSE = "response"
    TEMPORARY_RESOLUTION = "temporary_resolution"
    RESOLUTION = "resolution"
    COMPLETION = "completion"
    EXPIRY = "expiry"
    LAG = "lag"
    START = "start"
    UPDATE = "update"


class ClockState(Payload):
    """A clock of sla and what just happened to it: the data of every event on `casestream.sla`."""

    topic: ClassVar[str] = topics.SLA

    clock_id: UUID
    kind: ClockKind
    item_kind: ItemKind
    item_id: UUID
    case_id: UUID | None
    number: str = ""
    """Of its case or lead."""
    title: Line = ""
    owner: OwnerRef | None = None
    assignee: str | None = None
    unit: str = ""
    priority: str = ""
    method: str = ""
    subject: str = ""
    started_at: AwareDatetime
    due_at: AwareDatetime
    fired_at: AwareDatetime
    late: bool = False
    """It fell due while nobody was there to fire it."""
    rung: Code = "none"
    """What fired: `due-soon`, `overdue`, `escalated`, ..."""
    repetition: int = 0
    """Of an overdue told again: how often before. Of an escalation: the number of its step, from 1."""


class ClockDueSoon(ClockState):
    """The item is due soon."""

    event_type: ClassVar[str] = "casestream.clock.due-soon.v1"


class ClockOverdue(ClockState):
    """The item's time is over and it is not done."""

    event_type: ClassVar[str] = "casestream.clock.overdue.v1"


class ClockEscalated(ClockState):
    """A step of the escalation chain has come. Each step is told once (EDGE-9)."""

    event_type: ClassVar[str] = "casestream.clock.escalated.v1"

    tell: Annotated[tuple[Told, ...], Field(min_length=1)]
    """Whom it tells."""


class ClockExpired(ClockState):
    """A communication had no activity for its method's time."""

    event_type: ClassVar[str] = "casestream.clock.expired.v1"


class ClockLagOver(ClockState):
    """A task's lag is over: task starts it."""

    event_type: ClassVar[str] = "casestream.clock.lag-over.v1"


class ClockStartLate(ClockState):
    """Work on a task was to begin by `due_at`, the task's `start_by`, and has not begun (EDGE-5). Told once for each such moment."""

    event_type: ClassVar[str] = "casestream.clock.start-late.v1"


class ClockWithdrawn(ClockState):
    """An alert that an earlier event, read later, proved wrong."""

    event_type: ClassVar[str] = "casestream.clock.withdrawn.v1"

    alert_id: UUID | None = None
    """The event that it takes back."""


class Suspended(Part):
    """A span in which a clock did not run."""

    from_at: AwareDatetime
    until_at: AwareDatetime
    reason: Literal["waiting", "closed"]
    """`waiting` for the customer, or `closed` until it was opened again."""


class ClockClosed(ClockState):
    """The clock stopped for good: the item is done or cancelled. `due_at` against `fired_at` says whether it was met."""

    event_type: ClassVar[str] = "casestream.clock.closed.v1"

    outcome: Literal["met", "missed", "cancelled"] = "met"
    budget_seconds: Annotated[float, Field(ge=0)] | None = None
    """The time that it had, on its calendar."""
    used_seconds: Annotated[float, Field(ge=0)] | None = None
    """The time of it that it took: without what was outside of the calendar's hours, and without what it was suspended."""
    suspended: tuple[Suspended, ...] = ()
