"""Automation rules: when something happens, if conditions hold, then this is done (AUTO-1)."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, StringConstraints

from shared.schemas.configuration.conditions import Condition
from shared.schemas.configuration.section import DurationText, Named, Section
from shared.schemas.events.texts import Code

Happening = Literal[
    "case.opened",
    "case.status-changed",
    "case.acceptance-asked",
    "case.assigned",
    "case.priority-changed",
    "case.amended",
    "task.triggered",
    "task.status-changed",
    "task.completed",
    "task.assigned",
    "task.due-changed",
    "clock.due-soon",
    "clock.overdue",
    "clock.escalated",
    "clock.start-late",
    "lead.opened",
    "lead.won",
    "lead.lost",
]
"""What a rule can be for. `clock.overdue` is the first word of it; `clock.escalated` every later one, and each step of the escalation chain
(`clock.rung` tells them apart); `clock.start-late` is that work on a task was to begin; `task.completed` is a change of status as well."""
Deed = Literal["schedule_task", "assign", "set_urgency", "set_impact", "require_approval", "alert", "send"]
Told = Literal["owner", "assignee", "unit", "leader", "manager"]
SpanText = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,4} (minute|hour|day|week)s?$")]


class Fact(NamedTuple):
    """A field that conditions can ask for."""

    path: str
    """Where the event's data has it: `customer.email`."""
    kind: str = ""
    """Of what kind of thing it holds a code, as in `references.KINDS`; empty: it is no code of the configuration."""


_CASE: Final = {
    "case.number": Fact("number"),
    "case.subject": Fact("subject", "subject"),
    "case.title": Fact("title"),
    "case.method": Fact("method", "method"),
    "case.state": Fact("state"),
    "case.status": Fact("status", "status"),
    "case.status_before": Fact("status_before", "status"),
    "case.waiting_for_customer": Fact("waiting_for_customer"),
    "case.urgency": Fact("urgency", "urgency"),
    "case.impact": Fact("impact", "impact"),
    "case.priority": Fact("priority", "priority"),
    "case.category": Fact("category", "category"),
    "case.response_category": Fact("response_category", "response category"),
    "case.temporary_category": Fact("temporary_category", "temporary-resolution category"),
    "case.final_category": Fact("final_category", "final-resolution category"),
    "case.awaiting_acceptance": Fact("awaiting_acceptance"),
    "case.unit": Fact("unit", "unit"),
    "case.owner": Fact("owner", "user"),
    "case.reason": Fact("reason"),
    "customer.name": Fact("customer.name"),
    "customer.email": Fact("customer.email"),
    "changed_by": Fact("changed_by"),
}
_TASK: Final = {
    "task.definition": Fact("definition", "task definition"),
    "task.subject_line": Fact("subject_line"),
    "task.state": Fact("state"),
    "task.state_before": Fact("state_before"),
    "task.owner_kind": Fact("owner.kind"),
    "task.owner": Fact("owner.code"),
    "task.assignee": Fact("assignee", "user"),
    "task.unit": Fact("unit", "unit"),
    "task.priority": Fact("priority"),
    "task.reason": Fact("reason"),
    "case.number": Fact("case_number"),
    "case.title": Fact("case_title"),
    "case.subject": Fact("subject"),
    "customer.name": Fact("customer.name"),
    "customer.email": Fact("customer.email"),
    "changed_by": Fact("changed_by"),
}
_CLOCK: Final = {
    "clock.kind": Fact("kind"),
    "clock.item": Fact("item_kind"),
    "clock.rung": Fact("rung"),
    "clock.repetition": Fact("repetition"),
    "clock.late": Fact("late"),
    "clock.title": Fact("title"),
    "clock.owner_kind": Fact("owner.kind"),
    "clock.owner": Fact("owner.code"),
    "clock.assignee": Fact("assignee", "user"),
    "clock.unit": Fact("unit", "unit"),
    "clock.priority": Fact("priority"),
    "case.number": Fact("number"),
    "case.subject": Fact("subject"),
    "case.method": Fact("method", "method"),
}
_LEAD: Final = {
    "lead.number": Fact("number"),
    "lead.type": Fact("lead_type"),
    "lead.title": Fact("title"),
    "lead.source": Fact("source"),
    "lead.state": Fact("state"),
    "lead.status": Fact("status", "lead status"),
    "lead.priority": Fact("priority"),
    "lead.importance": Fact("importance"),
    "lead.category": Fact("category", "lead category"),
    "lead.unit": Fact("unit", "unit"),
    "lead.owner": Fact("owner", "user"),
    "lead.lost_reason": Fact("lost_reason", "lost reason"),
    "customer.name": Fact("customer.name"),
    "customer.email": Fact("customer.email"),
    "changed_by": Fact("changed_by"),
}
FACTS: Final = {"case": _CASE, "task": _TASK, "clock": _CLOCK, "lead": _LEAD}
"""What conditions can ask for, by what the event is about."""


def facts_on(happening: str) -> dict[str, Fact]:
    """What conditions can ask for on an event such as `case.opened`; nothing for what is none."""
    return FACTS.get(happening.partition(".")[0], {})


class Takes(NamedTuple):
    """What an action is told: the keys that it needs, and further ones that it may have."""

    needs: frozenset[str]
    may: frozenset[str] = frozenset()


TAKES: Final[dict[str, Takes]] = {
    "schedule_task": Takes(frozenset({"definition"}), frozenset({"after"})),
    "assign": Takes(frozenset(), frozenset({"item", "user", "role", "unit"})),
    "set_urgency": Takes(frozenset({"urgency"})),
    "set_impact": Takes(frozenset({"impact"})),
    "require_approval": Takes(frozenset({"user", "what"})),
    "alert": Takes(frozenset({"template"}), frozenset({"to", "user", "channel"})),
    "send": Takes(frozenset({"template"}), frozenset({"channel"})),
}


class Action(Section):
    """One thing that a rule does; which keys it has depends on `do`, see `TAKES`."""

    do: Deed
    definition: Code | None = None
    """Of the task that is scheduled."""
    after: DurationText | None = None
    """How long after the event it starts, on the organisation's calendar; none: at once."""
    item: Literal["case", "task"] | None = None
    """What is assigned; none: what the event is about, a clock's case."""
    user: str | None = None
    """To whom it is assigned, who has to approve, or who is alerted."""
    role: Code | None = None
    unit: Code | None = None
    urgency: Code | None = None
    impact: Code | None = None
    what: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    """What is to be approved."""
    to: tuple[Told, ...] = ()
    """Who is alerted: of the task, where the event is about one, else of the case or lead."""
    template: Code | None = None
    channel: Literal["email", "sms"] | None = None
    """None: email."""


class AtMost(Section):
    """How often a rule fires for one case or lead (or task without either) within a time; what goes beyond is cut, and reported."""

    times: Annotated[int, Field(ge=1, le=1000)] = 10
    within: SpanText = "1 day"


class AutomationRule(Named):
    """When `on` happens, if the condition holds, `then` is done, in this order."""

    on: Happening
    condition: Condition | None = Field(default=None, alias="if")
    """None: always."""
    then: Annotated[tuple[Action, ...], Field(min_length=1, max_length=20)]
    active: bool = True
    at_most: AtMost = AtMost()


Automation = Annotated[tuple[AutomationRule, ...], Field(max_length=500)]
