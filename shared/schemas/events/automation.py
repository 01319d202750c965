"""What task publishes of automation rules: that one fired, and what is done; that one was cut (AUTO-1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.schemas import topics
from shared.schemas.envelope import Payload
from shared.schemas.events.texts import Code, Line
from shared.schemas.parts import CustomerRef, OwnerRef, Part


class RuleItem(Part):
    """What a rule fired for, with what messages about it say."""

    kind: Literal["case", "task", "communication", "lead"]
    id: UUID
    number: str = ""
    title: Line = ""
    subject: str = ""
    """Of a case; of a lead its type."""
    task: Line = ""
    """A task's subject line."""
    status: str = ""
    priority: str = ""
    unit: str = ""
    method: str = ""
    owner: OwnerRef | None = None
    assignee: str | None = None
    customer: CustomerRef | None = None
    conversation_id: UUID | None = None
    """The conversation with the customer, where the event that fired the rule told of it."""
    due_at: AwareDatetime | None = None


class RuleAction(Part):
    """One action of a firing. `done`: by task, with the firing; `asked`: of the service that does it (case, notify); `refused`: see `why`.

    Beside `do` and these it has what the action is told in the configuration.
    """

    do: Literal["schedule_task", "assign", "set_urgency", "set_impact", "require_approval", "alert", "send"]
    outcome: Literal["done", "asked", "refused"]
    why: str = ""
    definition: Code | None = None
    task_id: UUID | None = None
    """The task that was scheduled."""
    starts_at: AwareDatetime | None = None
    """When it starts, where that is later."""
    item: Literal["case", "task"] | None = None
    """What is assigned."""
    owner: OwnerRef | None = None
    """To whom it is assigned."""
    unit: str | None = None
    """Whose work it is then."""
    urgency: Code | None = None
    impact: Code | None = None
    user: str | None = None
    """Who has to approve, or who is alerted."""
    what: str | None = None
    """What is to be approved."""
    approval_id: UUID | None = None
    to: tuple[Literal["owner", "assignee", "unit", "leader", "manager"], ...] = ()
    template: Code | None = None
    channel: Literal["email", "sms"] | None = None


class RuleState(Payload):
    """A rule, and what it fired for, or would have: the data of every event on rules."""

    topic: ClassVar[str] = topics.TASKS

    rule: Code
    name: str
    on: str
    """The event as the configuration names it: `case.opened`."""
    cause_id: UUID
    """Id of that event."""
    case_id: UUID
    """The case; a lead's or communication's own id, or that of a task without a case."""
    task_id: UUID | None = None
    depth: Annotated[int, Field(ge=1)]
    """How many firings led here, each making the change that the next one is for; 1: no rule made the change."""


class RuleFired(RuleState):
    """An automation rule fired. Its aggregate is the firing; case and notify do the actions that task does not."""

    event_type: ClassVar[str] = "casestream.automation.rule-fired.v1"

    firing_id: UUID
    item: RuleItem
    actions: tuple[RuleAction, ...]


class RuleCut(RuleState):
    """A rule was kept from firing, because it was part of a loop or fired too often; told once per rule, item and time `within`."""

    event_type: ClassVar[str] = "casestream.automation.rule-cut.v1"

    cut_id: UUID
    reason: Literal["too-deep", "too-often"]
