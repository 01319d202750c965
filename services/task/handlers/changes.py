"""What changes in tasks, as Kafka tells of it, kept for a while for those who follow it live (TASK-9).

Every process follows the whole topic. What was told lately is one list that all streams read, each from its own place, so that a slow
reader costs nothing: whoever falls behind the beginning of the list has to read everything anew. A place is the next offset of each
partition, which means the same to every process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.task import metrics
from services.task.domain.caller import Caller
from services.task.domain.ownership import Owner, OwnerKind
from services.task.storage import queries
from shared.clock import Clock, utc_now
from shared.messaging.follow import Followed
from shared.observability import get_logger
from shared.schemas.events import TaskAssigned, TaskDueChanged, TaskState, TaskStatusChanged, TaskTriggered
from shared.storage import Database
from shared.storage.database import CONNECTION_LOST
from shared.web.streams import Listeners

KEPT = 10_000
"""Changes at least, once there were so many."""
SINCE = timedelta(minutes=10)
"""How far back a process begins to read, so that whoever was connected to the one before it misses nothing."""
TOLD: tuple[type[TaskState], ...] = (TaskTriggered, TaskStatusChanged, TaskAssigned, TaskDueChanged)
"""What is a change to somebody: a task that only was planned is on nobody's list, and one told of again has not changed."""
log = get_logger(__name__)


class Whose(NamedTuple):
    """By what a task is within somebody's reach."""

    owner: Owner
    assignee: str | None
    unit: str


@dataclass(frozen=True, slots=True)
class Change:
    """A task as it is now, as JSON, and whose it is and was."""

    task_id: UUID
    revision: int
    data: str
    now: Whose
    before: Whose

    def for_whom(self, caller: Caller, unit: str | None) -> bool | None:
        """True: the caller is shown the task, of this unit if one is named; False: they were until now; None: neither."""
        if caller.reaches(*self.now) and unit in (None, self.now.unit):
            return True
        return False if caller.reaches(*self.before) and unit in (None, self.before.unit) else None


class _Entry(NamedTuple):
    partition: int
    offset: int
    change: Change


class TaskChanges:
    """The latest changes. One per process; safe for use by many threads."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._first = 0
        """The number of the first entry; entries are counted from when the process began."""
        self._from: dict[int, int] = {}
        """Partition -> the offset from which on everything told is still here."""
        self._next: dict[int, int] = {}
        self.listeners = Listeners(metrics.LISTENERS, metrics.LISTENERS_REFUSED)
        self.stopped = False

    @property
    def began(self) -> bool:
        """Whether it is known where the topic is."""
        return bool(self._next)

    def begin(self, positions: Mapping[int, int]) -> None:
        """The first offset of each partition."""
        with self._lock:
            self._from, self._next = dict(positions), dict(positions)

    def take(self, followed: Sequence[Followed]) -> None:
        """Take in what the topic tells."""
        try:
            before = self._before(followed)
        except CONNECTION_LOST as error:
            # From whom a task was taken is not known, so everybody looks anew.
            log.warning("whose tasks were cannot be read; all streams begin anew", error=type(error).__name__)
            before = None
        entries = [] if before is None else [_Entry(one.partition, one.offset, _change(one, before)) for one in followed]
        with self._lock:
            for one in followed:
                self._next[one.partition] = one.offset + 1
            self._entries += entries
            if before is None:
                self._drop(len(self._entries))
                self._first += 1  # so that nobody's place is the beginning of the list
                self._from = dict(self._next)
            elif len(self._entries) >= 2 * KEPT:
                self._drop(len(self._entries) - KEPT)
        now = self._clock()
        for one in followed:
            metrics.CHANGE_SECONDS.observe(max(0.0, (now - one.event.time).total_seconds()))
        self.listeners.wake()

    def _drop(self, count: int) -> None:
        for entry in self._entries[:count]:
            self._from[entry.partition] = entry.offset + 1
        del self._entries[:count]
        self._first += count

    def _before(self, followed: Iterable[Followed]) -> Mapping[tuple[UUID, int], Mapping[str, Sequence[Any]]]:
        """(task, revision) -> what the change was, of those that may have taken a task from somebody."""
        moved = [(one.event.data.task_id, one.event.revision) for one in followed if isinstance(one.event.data, TaskAssigned)]
        if not moved:
            return {}
        with self._database.read() as tx:
            return queries.changes_at(tx, moved)

    def stop(self) -> None:
        """End the streams: the process is about to. Safe within a signal's handler."""
        self.stopped = True
        self.listeners.wake()


class Reader:
    """Reads the changes on from a place. Of one stream; not shared by threads."""

    def __init__(self, changes: TaskChanges, place: str | None) -> None:
        """`place`: the last one that the client was told of; None: from now on."""
        self._changes = changes
        self.is_reset = False
        """Whether there may have been changes that are no longer known, so that the client has to read everything anew."""
        with changes._lock:
            self._at = changes._first + len(changes._entries)
            self._next = dict(changes._next)
            wanted = None if place is None else _place_of(place, self._next)
            if wanted is not None and all(wanted[partition] >= offset for partition, offset in changes._from.items()):
                # One that another process gave may be ahead of what this one has read: better told twice than never.
                self._next = {partition: min(offset, self._next[partition]) for partition, offset in wanted.items()}
                self._at = changes._first
            elif place is not None:
                self.is_reset = True

    @property
    def place(self) -> str:
        """Up to where it has read."""
        return ".".join(str(offset) for _, offset in sorted(self._next.items()))

    def read(self, most: int = 500) -> list[Change] | None:
        """The next changes, up to so many; None: some were dropped before they were read, and it goes on from now."""
        changes = self._changes
        with changes._lock:
            if self._at < changes._first:
                self._at = changes._first + len(changes._entries)
                self._next = dict(changes._next)
                return None
            start = self._at - changes._first
            entries = changes._entries[start : start + most]
        self._at += len(entries)
        found = []
        for partition, offset, change in entries:
            if offset >= self._next.get(partition, 0):
                self._next[partition] = offset + 1
                found.append(change)
        return found

    @property
    def has_more(self) -> bool:
        """Whether there is something to read at once."""
        return self._at < self._changes._first + len(self._changes._entries)


def _place_of(text: str, known: Mapping[int, int]) -> dict[int, int] | None:
    """The place that a client names; None: it is none of ours."""
    parts = text.split(".")
    if len(parts) != len(known) or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        return None
    return dict(zip(sorted(known), map(int, parts), strict=True))


def _change(one: Followed, before: Mapping[tuple[UUID, int], Mapping[str, Sequence[Any]]]) -> Change:
    task: TaskState = one.event.data
    now = Whose(Owner(OwnerKind(task.owner.kind), task.owner.code), task.assignee, task.unit)
    was = now
    if changed := before.get((task.task_id, one.event.revision)):
        owner = str(changed["owner"][0]).partition(" ") if "owner" in changed else None
        was = Whose(
            now.owner if owner is None else Owner(OwnerKind(owner[0]), owner[2]),
            changed["assignee"][0] if "assignee" in changed else now.assignee,
            changed["unit"][0] if "unit" in changed else now.unit,
        )
    data = {
        "id": task.task_id,
        "revision": one.event.revision,
        "change": one.event.type.removeprefix("casestream.task.").removesuffix(".v1"),
        "subject_line": task.subject_line,
        "state": task.state.value,
        "owner": {"kind": task.owner.kind, "code": task.owner.code},
        "assignee": task.assignee,
        "unit": task.unit,
        "priority": task.priority,
        "due_at": task.due_at,
        "case_id": None if task.lead_id or task.case_id == task.task_id else task.case_id,
        "case_number": task.case_number,
        "changed_by": task.changed_by,
    }
    return Change(task.task_id, one.event.revision, orjson.dumps(data).decode(), now, was)
