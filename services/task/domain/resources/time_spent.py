"""Time spent on a task, by service: entries that are never overwritten, and the least that mandatory services take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ServiceOfTask:
    """A service as a definition lists it. `minimum`: minutes that a mandatory one takes at least."""

    service: str
    mandatory: bool = False
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class Waiver:
    """A task goes without a mandatory service: why, and by whose word."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """Time that somebody spent. One that `corrects` another takes its place; 0 minutes: there was none."""

    id: UUID
    task_id: UUID
    service: str
    minutes: int
    user: str
    spent_at: datetime
    note: str
    corrects: UUID | None
    automatic: bool
    """Recorded by itself when the task was completed."""
    recorded_by: str
    recorded_at: datetime


def standing(entries: Iterable[Entry]) -> list[Entry]:
    """The entries that count: those that no other corrects."""
    listed = list(entries)
    corrected = {entry.corrects for entry in listed}
    return [entry for entry in listed if entry.id not in corrected]


def spent_by_service(entries: Iterable[Entry]) -> dict[str, int]:
    """Minutes by service."""
    found: dict[str, int] = {}
    for entry in standing(entries):
        found[entry.service] = found.get(entry.service, 0) + entry.minutes
    return found


def missing_minimums(services: Sequence[ServiceOfTask], spent: Mapping[str, int]) -> list[tuple[str, int]]:
    """What mandatory services lack of their minimum: (service, minutes), in the order of the definition."""
    lacking = [(each.service, each.minimum - spent.get(each.service, 0)) for each in services if each.mandatory]
    return [(service, minutes) for service, minutes in lacking if minutes > 0]
