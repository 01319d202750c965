"""What the unit tests of sla's rules share: a policy, facts, and a machine that lives through them with a fake clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.sla.domain.cases import CaseFact, apply_case
from services.sla.domain.clocks import Alert, ClockKind, Ladder
from services.sla.domain.firing import fire
from services.sla.domain.leads import LeadFact, apply_lead
from services.sla.domain.packing import pack, unpack
from services.sla.domain.policy import Policy, Target
from services.sla.domain.records import Facts, Outcome, Record
from services.sla.domain.tasks import TaskFact, apply_task
from shared.calendars import Calendar, parse_duration, weekly
from shared.calendars.openings import micros
from shared.ids import derive

OFFICE = Calendar(
    "office",
    "Europe/London",
    weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}),
    country="GB",
    subdivision="ENG",
)
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TASK = derive("task")
CASE = derive("case")
LEAD = derive("lead")
FACTS = Facts(str(CASE), "C-1", "Leak", "role", "plumber", "paul", "repairs", "high", "email", "leak")


def a_target(kind: ClockKind, within: str, **changes: Any) -> Target:
    return Target(kind, parse_duration(within), OFFICE, **changes)


POLICY = Policy(
    calendar=OFFICE,
    calendars={"office": OFFICE},
    default_targets=(a_target(ClockKind.RESPONSE, "4 working hours"), a_target(ClockKind.RESOLUTION, "10 working hours")),
    ladder=Ladder(0.75, parse_duration("1 working hour"), 3),
    expiries={"tweet": parse_duration("2 days")},
)


def at(text: str) -> int:
    """Microseconds of a moment in UTC, like `2026-03-02 09:00`."""
    return micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def hours(count: float) -> int:
    return timedelta(hours=count) // timedelta(microseconds=1)


def a_task_fact(revision: int = 1, task: UUID = TASK, **changes: Any) -> TaskFact:
    given: dict[str, Any] = {
        "task_id": str(task),
        "revision": revision,
        "config_version": 1,
        "at": micros(MONDAY),
        "state": "pending",
        "planned_at": micros(MONDAY),
        "starts_at": None,
        "triggered_at": micros(MONDAY),
        "due_at": micros(MONDAY) + hours(8),
        "completed_at": None,
        "facts": FACTS,
    }
    return TaskFact(**given | changes)


def a_case_fact(revision: int = 1, **changes: Any) -> CaseFact:
    given: dict[str, Any] = {
        "case_id": str(CASE),
        "revision": revision,
        "config_version": 1,
        "at": micros(MONDAY),
        "state": "pending",
        "waiting_for_customer": False,
        "opened_at": micros(MONDAY),
        "responded_at": None,
        "resolved_at": None,
        "completed_at": None,
        "facts": FACTS,
    }
    return CaseFact(**given | changes)


def a_lead_fact(revision: int = 1, **changes: Any) -> LeadFact:
    given: dict[str, Any] = {
        "lead_id": str(LEAD),
        "revision": revision,
        "config_version": 1,
        "at": micros(MONDAY),
        "state": "pending",
        "opened_at": micros(MONDAY),
        "due_at": at("2026-03-03 13:00"),
        "closed_at": None,
        "facts": Facts("", "L-1", "A garage", "user", "sam", "sam", "sales", "6", "", "garage"),
    }
    return LeadFact(**given | changes)


class Life:
    """One record living through events and time; what it told is in `told`. Every step goes through its bytes, as in the stream."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.record: Record | None = None
        self.told: list[Alert] = []
        self.fired_at: list[int] = []

    def event(self, fact: TaskFact | CaseFact | LeadFact, now: int | None = None) -> None:
        now = fact.at if now is None else now
        apply: Any = {TaskFact: apply_task, LeadFact: apply_lead}.get(type(fact), apply_case)
        outcome = apply(self.record, fact, self.policy, now)
        if outcome is not None:
            self._keep(outcome)

    def until(self, moment: int, step: bool = True, late_before: int = 0) -> None:
        """Let time pass; with `step` somebody is there at every moment that something is due, else only at the end."""
        while self.record is not None and self.record.next_at is not None and self.record.next_at <= moment:
            now = self.record.next_at if step else moment
            self._keep(fire(self.record, now, late_before, self.policy))

    def _keep(self, outcome: Outcome) -> None:
        self.told += outcome.alerts
        self.record = None if outcome.record is None else unpack(pack(outcome.record))
        assert self.record == outcome.record

    def rungs(self) -> list[tuple[str, int]]:
        return [(str(alert.type), alert.repetition) for alert in self.told]
