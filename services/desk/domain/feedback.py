"""What customers thought of cases, as the page shows it (CASE-13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Question:
    """What a group of cases came to on one question. `shares`: each rating with how many gave it and their share (0 to 100)."""

    wording: str
    best: int
    count: int
    average: float
    satisfied: int
    """Per cent."""
    shares: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A subject, unit or method with its feedback."""

    code: str
    count: int
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """One feedback: ratings with their wording, and what was written."""

    case_id: UUID
    number: str
    subject: str
    given_at: datetime
    ratings: tuple[tuple[str, int, int], ...]
    comments: tuple[str, ...]


def groups_of(content: Mapping[str, Any]) -> tuple[Group, ...]:
    """From case's summary."""
    return tuple(
        Group(item[content["by"]], int(item["feedback"]), tuple(_question(one) for one in item["questions"])) for item in content["items"]
    )


def said_of(content: Mapping[str, Any]) -> tuple[Said, ...]:
    """From case's list of feedback."""
    return tuple(
        Said(
            UUID(item["case_id"]),
            item["number"],
            item["subject"],
            datetime.fromisoformat(item["given_at"]),
            tuple((one["wording"], one["rating"], one["best"]) for one in item["answers"] if one["rating"] is not None),
            tuple(one["comment"] for one in item["answers"] if one["comment"]),
        )
        for item in content["items"]
    )


def _question(item: Mapping[str, Any]) -> Question:
    count = int(item["count"])
    ratings = sorted((int(rating), int(times)) for rating, times in item["distribution"].items())
    return Question(
        item["wording"],
        int(item["best"]),
        count,
        float(item["average"]),
        round(100 * float(item["satisfied"])),
        tuple((rating, times, round(100 * times / count)) for rating, times in reversed(ratings)),
    )
