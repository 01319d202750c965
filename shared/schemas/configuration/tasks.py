"""Task definitions, and the workflows that subjects make of them (TASK-1, TASK-2, TASK-4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from shared.schemas.configuration.approvals import RequiredApproval
from shared.schemas.configuration.assignment import Assign
from shared.schemas.configuration.conditions import Condition
from shared.schemas.configuration.resources import TaskService
from shared.schemas.configuration.section import DurationText, Named, Section
from shared.schemas.events.texts import Code


class OwnerSection(Section):
    """Whom a task is for: exactly one of user, role, unit."""

    user: str | None = None
    role: Code | None = None
    unit: Code | None = None


class TaskDefinition(Named):
    """A task definition (TASK-1, TASK-4)."""

    clone_of: Code | None = Field(default=None, exclude=True)
    """The definition from which it has whatever it does not say itself; filled in before the configuration is checked, then forgotten."""
    subject_line: str = ""
    """Empty: the name."""
    messages: dict[Literal["contact", "pending", "complete"], str] = Field(default_factory=dict)
    instructions: str = ""
    complete_within: DurationText
    calendar: Code | None = None
    ladder: Code | None = None
    """By which its clock alerts, of `sla.ladders`; none: `sla.ladder`."""
    priority: Literal["low", "normal", "high"] = "normal"
    owner: OwnerSection | None = None
    """None: the case's unit."""
    approval: RequiredApproval | None = None
    services: tuple[TaskService, ...] = ()
    """What it may include; mandatory ones are on every task of it (TASK-10)."""
    skills: tuple[Code, ...] = ()
    """Who is given it by `assign` has all of these."""
    assign: Assign = "accept"
    """How a member of its role or unit gets it (TASK-7)."""


class Dependency(Section):
    """`task` starts after `after` completes, a lag later; or as `kind` says (TASK-2, EDGE-5)."""

    task: Code
    after: Code
    kind: Literal["finish_to_start", "start_to_start", "finish_to_finish"] = "finish_to_start"
    """`start_to_start`: it starts after work on `after` began. `finish_to_finish`: it is completed after `after` is."""
    lag: DurationText | None = None
    """At least so much later, on the calendar of `task`."""
    max_lag: DurationText | None = None
    """At most so much later: a deadline."""


class ConditionalTask(Section):
    """A task of the workflow that not every case gets."""

    task: Code
    condition: Condition = Field(alias="if")
    """What must hold of the case as it opens."""


def _entry_kind(entry: object) -> str:
    return "[code]" if isinstance(entry, str) else "[conditional]"


WorkflowTask = Annotated[
    Annotated[ConditionalTask, Tag("[conditional]")] | Annotated[Code, Tag("[code]")],
    Discriminator(_entry_kind),
]


class Workflow(Section):
    """The tasks of a subject and what depends on what."""

    tasks: tuple[WorkflowTask, ...] = ()
    """A definition's code, alone or with a condition; a task whose condition does not hold is left out, and what would wait for it waits
    for what it would have waited for."""
    dependencies: tuple[Dependency, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The definitions of all its tasks."""
        return tuple(entry if isinstance(entry, str) else entry.task for entry in self.tasks)
