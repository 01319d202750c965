"""What sla's API answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

ItemName = Literal["case", "task", "communication", "lead"]
Outcome = Literal["met", "missed", "cancelled"]


class Shape(BaseModel):
    """What is answered; it has no members that are not declared."""

    model_config = ConfigDict(extra="forbid")


class Suspension(Shape):
    """A span when a clock did not run; no end: it does not run now."""

    from_at: datetime
    until_at: datetime | None
    reason: Literal["waiting", "closed"] = Field(description="It waited for the customer, or had stopped until its item was opened again.")


class ClockView(Shape):
    """A clock: its budget of working time, its ledger, and what comes next."""

    id: UUID
    kind: str
    item_kind: ItemName
    item_id: UUID
    case_id: UUID | None
    number: str
    title: str
    unit: str
    assignee: str | None
    priority: str
    method: str
    subject: str
    state: Literal["running", "suspended", "overdue", "closed"]
    started_at: datetime
    due_at: datetime
    due_soon_at: datetime | None
    next_alert_at: datetime | None
    closed_at: datetime | None
    outcome: Outcome | None
    budget_seconds: float
    calendar: str | None
    pauses: bool
    suspensions: list[Suspension]
    alerts: int


class Clocks(Shape):
    """The clocks on an item, or a page of a list."""

    items: list[ClockView]
    next: str | None = Field(default=None, description="Goes into `after` of the next request; null: this is the last page.")


class TimelineEntry(Shape):
    """Something in a clock's life."""

    at: datetime
    until: datetime | None = Field(description="Null: a moment, or it goes on.")
    kind: Literal["started", "ran", "paused", "retargeted", "due-soon", "overdue", "escalated", "closed", "reopened", "due"]
    seconds: float | None = Field(description="Of `ran`: time on the clock's calendar; of a pause: plain time.")
    words: str


class ExplainedClock(ClockView):
    """A clock and its story."""

    summary: str
    used_seconds: float | None = Field(description="Time on its calendar that is used; null: too long to count.")
    left_seconds: float | None
    target: str = Field(description="Whose target it runs by: `subject`, `method`, `organisation`, `lead`; empty: its item's own due time.")
    timeline: list[TimelineEntry]


class Explanation(Shape):
    """An item and the stories of its clocks."""

    item_kind: ItemName
    item_id: UUID
    number: str
    title: str
    zone: str = Field(description="The organisation's time zone, in which the words give moments.")
    clocks: list[ExplainedClock]


class Counts(Shape):
    """How much there is."""

    timers: int
    dead_letters: int


class Figures(Shape):
    """How many clocks need somebody."""

    upcoming_today: int = Field(description="Due later on this day of the organisation.")
    at_risk: int
    breached: int


class ComplianceTotal(Shape):
    """How clocks ended."""

    met: int
    missed: int
    cancelled: int
    open_overdue: int = Field(description="Fell due in the period, and are still open.")
    share: float | None = Field(description="Met, of met, missed and open past their time; null: there are none of these.")


class ComplianceRow(ComplianceTotal):
    """How clocks of a group ended."""

    group: str


class ComplianceReport(Shape):
    """The share met, by group and in all."""

    rows: list[ComplianceRow]
    total: ComplianceTotal


class Spread(Shape):
    """Percentiles of a time; null: it is known of none."""

    p50_seconds: float | None
    p90_seconds: float | None
    p95_seconds: float | None
    longest_seconds: float | None


class TimesRow(Shape):
    """How long clocks of a group and kind took."""

    group: str
    kind: str
    count: int
    used: Spread = Field(description="Time on their calendars, pauses left out.")
    elapsed: Spread = Field(description="Time from start to end.")


class TimesReport(Shape):
    """How long clocks took."""

    rows: list[TimesRow]


Standing = Literal["met", "missed", "cancelled", "running", "overdue"]


class SimulatedKind(Shape):
    """Clocks of a kind, as they are and as they would be. One that is open past its time has missed it."""

    kind: str
    clocks: int
    missed_before: int
    missed_after: int
    newly_missed: int
    newly_met: int = Field(description="Missed, and not so any more: met, still in time, or no clock at all.")


class ChangedClock(Shape):
    """A clock that would have stood otherwise."""

    item_kind: ItemName
    item_id: UUID
    number: str
    title: str
    kind: str
    before: Standing | None = Field(description="Null: there is no such clock.")
    after: Standing | None
    due_before: datetime | None
    due_after: datetime | None


class Simulation(Shape):
    """What came of trying another configuration."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    begin: datetime = Field(alias="from")
    until: datetime
    cases: int = Field(description="Cases looked at.")
    is_complete: bool = Field(description="False: it took too long, and these are only the first cases. Choose a shorter period.")
    uncounted: int = Field(description="Cases whose time cannot be counted by these calendars.")
    kinds: list[SimulatedKind]
    items: list[ChangedClock] = Field(description="Clocks that would have stood otherwise, at most 100.")
