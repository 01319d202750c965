"""Approvals that task definitions require (TASK-4), and how approvers are reminded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.schemas.configuration.chases import DurationText
from shared.schemas.configuration.document import Document
from shared.schemas.configuration.products import PeriodText
from shared.schemas.configuration.references import find
from shared.schemas.configuration.section import Section
from shared.schemas.events.texts import Code

LONGEST_WHAT = 500
_HEADS = ("leader", "manager", "unit")


class Reminders(Section):
    """The approver is reminded after each `remind_every` by the organisation's calendar, `remind_times` times.

    `links_valid_for`: how long a link to an approval can be used, from when its message was due.
    """

    remind_every: DurationText = "1 working day"
    remind_times: int = Field(default=3, ge=0, le=20)
    links_valid_for: PeriodText = "7 days"


class ApproverSection(Section):
    """Who approves: exactly one of a user, a role (one who has it, in the task's unit if there is any) and the task's unit's head."""

    user: str | None = None
    role: Code | None = None
    head: Literal["leader", "manager"] | None = None


class RequiredApproval(Section):
    """What a task definition wants approved, before its tasks start or before they are completed."""

    by: ApproverSection
    before: Literal["start", "completion"] = "completion"
    what: str = Field(default="", max_length=LONGEST_WHAT)
    """Empty: the task's subject line."""
    remind_every: DurationText | None = None
    """None: as `approvals` says."""
    remind_times: int | None = Field(default=None, ge=0, le=20)


def check_approvals(document: Document) -> None:
    """Every required approval has one approver, whatever the task's unit."""
    holders = {role for item in find(document.data, "users[]") if _is_active(item.value) for role in _list(item.value.get("roles"))}
    for item in find(document.data, "communications[]"):
        section = item.value if isinstance(item.value, dict) else {}
        on, to = str(section.get("on")), _list(section.get("to"))
        for place, recipient in enumerate(to):
            known = ("approver", "asker")
            if (recipient in known) is not on.startswith("approval.") and not (recipient in _HEADS and on.startswith("approval.")):
                instead = "approver, asker, leader, manager or unit" if on.startswith("approval.") else "somebody whom this event knows"
                document.problem((*item.path, "to", place), f"{on} has no {recipient}; write to {instead}")
    for item in find(document.data, "task_definitions[].approval.by"):
        by = item.value
        if not isinstance(by, dict):
            continue
        named = [kind for kind in ("user", "role", "head") if by.get(kind) is not None]
        if len(named) != 1:
            document.problem(item.path, "name exactly one of `user`, `role` and `head`")
        role = by.get("role")
        if isinstance(role, str) and role not in holders:
            document.problem((*item.path, "role"), f"no active user has the role {role!r}; give it to one, or name somebody else")
        if by.get("head") in ("leader", "manager"):
            for unit in find(document.data, "units[]"):
                if isinstance(unit.value, dict) and unit.value.get("leader") is None and unit.value.get("manager") is None:
                    message = f"the unit {unit.value.get('code')!r} has neither leader nor manager, who would have to approve its tasks"
                    document.problem((*item.path, "head"), message)


def _is_active(user: Any) -> bool:
    return isinstance(user, dict) and user.get("active") is not False


def _list(value: Any) -> list[Any]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
