"""Services, time spent, resources and bookings as pages show them (TASK-10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

KIND_WORDS = {"person": "Person", "vehicle": "Vehicle", "room": "Room"}
BOOKING_WORDS = {"requested": "Requested", "booked": "Booked", "cancelled": "Cancelled"}


@dataclass(frozen=True, slots=True)
class TaskService:
    """A service on a task; `minimum`: minutes that a mandatory one has at least; `waived_by` empty: it is not waived."""

    code: str
    name: str
    is_mandatory: bool
    minimum: int
    minutes: int
    waived_by: str
    waived_why: str


@dataclass(frozen=True, slots=True)
class TimeEntry:
    """Time that was recorded; `counts`: none later takes its place."""

    id: UUID
    service: str
    minutes: int
    user: str
    spent_at: datetime
    note: str
    is_automatic: bool
    recorded_by: str
    counts: bool


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """A task's services and time; `may_add`: codes of services that could be added."""

    services: tuple[TaskService, ...]
    may_add: tuple[str, ...]
    entries: tuple[TimeEntry, ...]
    minutes: int


@dataclass(frozen=True, slots=True)
class Resource:
    """Somebody or something that can be booked."""

    code: str
    name: str
    description: str
    kind: str
    unit: str
    capacity: int
    needs_confirmation: bool
    services: tuple[str, ...]

    @property
    def kind_word(self) -> str:
        """For people."""
        return KIND_WORDS.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class Slot:
    """A time in which a resource is free."""

    resource: str
    starts_at: datetime
    ends_at: datetime

    @property
    def value(self) -> str:
        """As a form sends it."""
        return f"{self.resource} {self.starts_at.isoformat()} {self.ends_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking; task and case are None where what it is for is out of the visitor's reach."""

    id: UUID
    revision: int
    resource: str
    resource_name: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    state: str
    task: UUID | None
    case: UUID | None
    note: str
    made_by: str

    @property
    def state_word(self) -> str:
        """For people."""
        return BOOKING_WORDS.get(self.state, self.state)

    @property
    def is_live(self) -> bool:
        """Whether it holds its time."""
        return self.state != "cancelled"

    @property
    def is_ours(self) -> bool:
        """Whether the visitor may know more than that the time is taken."""
        return bool(self.made_by)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed for calendar programs; `path` only of one that was just made; `resource` empty: one's own tasks."""

    id: UUID
    resource: str
    made_at: datetime
    path: str


def slot_of(value: str) -> Slot | None:
    """The time that a form was sent with; None: it is none."""
    parts = value.split(" ")
    if len(parts) != 3:
        return None
    try:
        return Slot(parts[0], datetime.fromisoformat(parts[1]), datetime.fromisoformat(parts[2]))
    except ValueError:
        return None


def stretches(slots: Iterable[Slot]) -> list[tuple[datetime, datetime]]:
    """Free times of one resource, in order, as long as can be: what touches is one."""
    found: list[tuple[datetime, datetime]] = []
    for slot in slots:
        if found and slot.starts_at <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], slot.ends_at))
        else:
            found.append((slot.starts_at, slot.ends_at))
    return found


def minutes_words(minutes: int) -> str:
    """A length of time: `45 min`, `1 h`, `2 h 30 min`."""
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest or not hours else [])])
