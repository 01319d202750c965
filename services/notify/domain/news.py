"""What an occasion is called on the desk and in a digest, and where the desk shows its item."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

_HEADLINES = {
    "task.triggered": "New task",
    "task.assigned": "Task given",
    "case.assigned": "Case given",
    "task.due-changed": "Due date changed",
    "case.due-changed": "Due date changed",
    "task.completed": "Task completed",
    "clock.due-soon": "Due soon",
    "clock.overdue": "Overdue",
    "clock.overdue-again": "Still overdue",
    "clock.start-late": "Not begun in time",
    "clock.escalated": "Escalated",
    "clock.withdrawn": "An alert no longer holds",
    "approval.asked": "Approval asked",
    "approval.reminded": "Approval still asked",
    "approval.decided": "Approval decided",
    "case.opened": "Case opened",
    "case.status-changed": "Status changed",
    "case.chased": "Customer reminded",
    "case.customer-wrote": "The customer wrote",
    "lead.customer-wrote": "The customer wrote",
    "rule.fired": "Alert by a rule",
}
_PATHS = {"task": "/tasks/", "case": "/cases/", "lead": "/leads/", "communication": "/communications/"}
UNNAMED = "Untitled"


def headline(on: str) -> str:
    """The occasion in a few words."""
    return _HEADLINES.get(on, "News")


def about(facts: Mapping[str, str]) -> str:
    """What it is about: the approval, the task, or the case or whatever else it is."""
    return facts.get("approval") or facts.get("task") or facts.get("title") or UNNAMED


def desk_path(item_kind: str, item_id: UUID) -> str:
    """Where the desk shows the item; its start page for what it has no page of."""
    path = _PATHS.get(item_kind)
    return f"{path}{item_id}" if path else "/"
