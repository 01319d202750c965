"""The record of an item's clocks, and its bytes in the changelog and in memory.

The header has a fixed layout, so that reading a million records back needs no more than their moments; the rest is unpacked when touched.
"""

from __future__ import annotations

import struct
from datetime import timedelta
from enum import IntEnum
from typing import Final

from msgspec import Struct, json

from services.sla.domain.clocks import Alert, Clock, ClockKind, Moment

FORMAT: Final = 1
"""First byte of every record. A reader that meets another number stops: the record was written by a newer release."""
NEVER: Final = -1

_HEADER: Final = struct.Struct(">BBIIqq")
_NEXT_AT: Final = struct.Struct(">q")
_NEXT_AT_OFFSET: Final = 10


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


class UnknownFormat(Exception):
    """The record was written by a release with another format."""


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
_encode: Final = json.Encoder().encode
_decode: Final = json.Decoder(tuple[tuple[Clock, ...], Facts]).decode


def pack(record: Record) -> bytes:
    """The bytes of a record."""
    next_at = record.next_at
    head = _HEADER.pack(
        FORMAT,
        record.kind,
        record.revision,
        record.config_version,
        NEVER if next_at is None else max(0, next_at),
        NEVER if record.forget_at is None else record.forget_at,
    )
    return head + _encode((record.clocks, record.facts))


def unpack(packed: bytes) -> Record:
    """The record in these bytes. Raises `UnknownFormat`."""
    version, kind, revision, config_version, _, forget_at = _HEADER.unpack_from(packed)
    if version != FORMAT:
        raise UnknownFormat(f"record format {version}, this release reads {FORMAT}")
    clocks, facts = _decode(memoryview(packed)[_HEADER.size :])
    return Record(_KINDS[kind], revision, config_version, clocks, facts, None if forget_at == NEVER else forget_at)


def next_at_of(packed: bytes) -> Moment:
    """The record's `next_at` without unpacking it; `NEVER` for none. Raises `UnknownFormat`."""
    if packed[0] != FORMAT:
        raise UnknownFormat(f"record format {packed[0]}, this release reads {FORMAT}")
    found: int = _NEXT_AT.unpack_from(packed, _NEXT_AT_OFFSET)[0]
    return found


def revision_of(packed: bytes) -> int:
    """The item's revision without unpacking the record."""
    return int.from_bytes(packed[2:6], "big")
