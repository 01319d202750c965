"""What sla publishes: what happens to clocks."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import OwnerRef


class ItemKind(StrEnum):
    """What a clock is on."""

    CASE = "case"
    TASK = "task"
    COMMUNICATION = "communication"


class ClockKind(StrEnum):
    """What a clock measures."""

    DUE = "due"
    RESPONSE = "response"
    TEMPORARY_RESOLUTION = "temporary_resolution"
    RESOLUTION = "resolution"
    COMPLETION = "completion"
    EXPIRY = "expiry"
    LAG = "lag"


class StartClockKind(StrEnum):
    """What only `ClockStartLate` tells of: the kinds that the other types can have are published, and stay as they are."""

    START = "start"


class ClockState(Payload):
    """A clock of sla and what just happened to it: the data of every event on `casestream.sla`."""

    topic: ClassVar[str] = topics.SLA

    clock_id: UUID
    kind: ClockKind | StartClockKind
    item_kind: ItemKind
    item_id: UUID
    case_id: UUID | None
    number: str = ""
    """The case's number."""
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
    """Which step of the ladder fired: `due-soon`, `overdue`, ..."""
    repetition: int = 0


class _LadderState(ClockState):
    kind: ClockKind


class _StartState(ClockState):
    kind: StartClockKind


class ClockDueSoon(_LadderState):
    """The item is due soon."""

    event_type: ClassVar[str] = "casestream.clock.due-soon.v1"


class ClockOverdue(_LadderState):
    """The item's time is over and it is not done."""

    event_type: ClassVar[str] = "casestream.clock.overdue.v1"


class ClockExpired(_LadderState):
    """A communication had no activity for its method's time."""

    event_type: ClassVar[str] = "casestream.clock.expired.v1"


class ClockLagOver(_LadderState):
    """A task's lag is over: task starts it."""

    event_type: ClassVar[str] = "casestream.clock.lag-over.v1"


class ClockStartLate(_StartState):
    """Work on a task was to begin by `due_at`, the task's `start_by`, and has not begun (EDGE-5). Told once for each such moment."""

    event_type: ClassVar[str] = "casestream.clock.start-late.v1"


class ClockWithdrawn(_LadderState):
    """An alert that an earlier event, read later, proved wrong."""

    event_type: ClassVar[str] = "casestream.clock.withdrawn.v1"


class ClockClosed(_LadderState):
    """The clock stopped for good: the item is done or cancelled. `due_at` against `fired_at` says whether it was met."""

    event_type: ClassVar[str] = "casestream.clock.closed.v1"

    outcome: Literal["met", "missed", "cancelled"] = "met"
