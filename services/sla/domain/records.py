"""The record of an item: its journal, its clocks, and what alerts tell about it."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Final, cast

from msgspec import Struct

from services.sla.domain.clocks import Alert, Clock, ClockKind, Moment
from services.sla.domain.journal import CaseTurn, TaskTurn, Turn


class ItemKind(IntEnum):
    """What a record is about; the number is what records and keys keep."""

    CASE = 1
    TASK = 2
    COMMUNICATION = 3
    CONVERSATION = 4
    """Not an item: when a conversation was last active, on which its communications' expiry depends."""
    LEAD = 5


class Facts(Struct, frozen=True, gc=False, array_like=True):
    """What an alert tells about its item, so that its readers need not ask back."""

    case_id: str = ""
    number: str = ""
    title: str = ""
    owner_kind: str = ""
    owner: str = ""
    assignee: str = ""
    unit: str = ""
    priority: str = ""
    method: str = ""
    subject: str = ""
    definition: str = ""
    conversation: str = ""


NO_FACTS: Final = Facts()


class Record(Struct, frozen=True, gc=False):
    """An item's clocks. A finished item's record stays without its facts as a marker, so that an older event cannot revive it."""

    kind: ItemKind
    revision: int
    config_version: int
    clocks: tuple[Clock, ...] = ()
    facts: Facts = NO_FACTS
    forget_at: Moment | None = None
    """Set on a finished item: from then on nothing that is still readable could revive it."""
    turns: tuple[Turn, ...] = ()
    """Its journal: `CaseTurn`s of a case, `TaskTurn`s of a task or a lead, none of others."""
    told: int = 0
    """How many events clocks have told that it has no more."""
    reckoned_by: int = 0
    """`Policy.mark` of the calendars that a case's clocks were reckoned by."""

    @property
    def case_turns(self) -> tuple[CaseTurn, ...]:
        """The journal of a case."""
        return cast("tuple[CaseTurn, ...]", self.turns)

    @property
    def task_turns(self) -> tuple[TaskTurn, ...]:
        """The journal of a task or a lead."""
        return cast("tuple[TaskTurn, ...]", self.turns)

    @property
    def next_at(self) -> Moment | None:
        """When something is to be done about it: a rung fires, or it is forgotten."""
        if self.forget_at is not None:
            return self.forget_at
        earliest: Moment | None = None
        for clock in self.clocks:
            if clock.next_at is not None and (earliest is None or clock.next_at < earliest):
                earliest = clock.next_at
        return earliest

    def clock(self, kind: ClockKind) -> Clock | None:
        """The clock of this kind, if it has one."""
        for clock in self.clocks:
            if clock.kind == kind:
                return clock
        return None


class Outcome(Struct, frozen=True, gc=False):
    """What an event or a moment makes of a record: its new state (None: forget it) and what to tell, with the facts to tell it by."""

    record: Record | None
    alerts: list[Alert]
    facts: Facts


RETENTION: Final = timedelta(days=14) // timedelta(microseconds=1)
"""How long a finished item's marker stays: as long as the topics that sla reads keep events."""


_PREFIXES: Final = tuple(bytes((kind,)) for kind in range(max(ItemKind) + 1))


def key_of(kind: ItemKind, item: str) -> bytes:
    """The key of an item's record. `item`: a UUID as text."""
    return _PREFIXES[kind] + bytes.fromhex(item.replace("-", ""))


def item_of(key: bytes) -> tuple[ItemKind, str]:
    """The item of a record's key: its kind, and its UUID as text."""
    digits = key[1:].hex()
    return _KINDS[key[0]], f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_KINDS: Final = {int(kind): kind for kind in ItemKind}
