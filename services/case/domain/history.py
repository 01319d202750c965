"""What the history tells of a change: every field that it covers, with old and new value (CASE-10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from services.case.domain.answers import NO_ANSWERS, Answers
from services.case.domain.case import Case, Change
from services.case.domain.life_cycle import Stage

COVERED = (
    "status",
    "state",
    "urgency",
    "impact",
    "priority",
    "category",
    "unit",
    "owner",
    "needs_review",
    "response_category",
    "temporary_category",
    "final_category",
    "awaiting_acceptance",
    "expected_completion_at",
    "estimated_completion_at",
)
"""Fields of a case whose every change the history tells."""

PREFIXES = {Stage.RESPONSE: "response", Stage.TEMPORARY_RESOLUTION: "temporary", Stage.FINAL_RESOLUTION: "final"}
"""By what the history calls the text, the acceptance and the customer's comment of each stage's answer."""


class Step(NamedTuple):
    """What a command makes of a case: the case, what the history tells of it, and its answers. No changes: it was so already."""

    case: Case
    changes: tuple[Change, ...]
    answers: Answers = NO_ANSWERS


def covered(case: Case, answers: Answers) -> dict[str, str | None]:
    """Everything that the history covers, as it is told: by field, in the order of telling; None for what is empty."""
    told = {field: _told(getattr(case, field)) for field in COVERED}
    for stage, prefix in PREFIXES.items():
        answer = answers.get(stage)
        told[f"{prefix}_text"] = _told(answer.text) if answer else None
        told[f"{prefix}_accepted"] = None if answer is None or answer.accepted is None else ("yes" if answer.accepted else "no")
        told[f"{prefix}_comment"] = _told(answer.comment) if answer else None
    return told


def step(before: Case, after: Case, answers_before: Answers = NO_ANSWERS, answers: Answers = NO_ANSWERS, *more: Change) -> Step:
    """The step from one to the other, with `more` told at the end. A reason given with it is told each time it is given."""
    old, new = covered(before, answers_before), covered(after, answers)
    changes = [Change(field, old[field], new[field]) for field in new if old[field] != new[field]]
    if after.reason and after.revision != before.revision:
        changes.append(Change("reason", before.reason or None, after.reason))
    return Step(after, (*changes, *more), answers)


def _told(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if value else None
