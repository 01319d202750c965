"""The bytes of records, in the changelog and in memory.

The header has a fixed layout, so that reading a million records back needs no more than their moments; the rest is unpacked when touched.

Two formats are read. During an upgrade replicas of both releases take partitions over from each other; so this one can be told to write
what the one before reads (`CASESTREAM_CHANGELOG_FORMAT`), at the price of what that format has no room for: journals, clocks of leads and
of the next word to the customer.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct, json
from msgspec.structs import replace

from services.sla.domain.clocks import Clock, ClockKind, Moment, Reason
from services.sla.domain.journal import CaseTurn, TaskTurn, Turn, known_to
from services.sla.domain.records import Facts, ItemKind, Record

FORMAT: Final = 2
"""First byte of the records that this release writes unless told otherwise. A reader that meets a newer one stops."""
OLDEST_FORMAT: Final = 1
"""What the release before wrote, and this one reads and can write: without a journal, so that events that come late are passed over."""
NEVER: Final = -1

_HEADER: Final = struct.Struct(">BBIIqqII")
"""Format, kind, revision, configuration version, next moment, when to forget it, up to which revision none is missing, and by which
calendars it was reckoned."""
_OLD_HEADER: Final = struct.Struct(">BBIIqq")
_NEXT_AT: Final = struct.Struct(">q")
_NEXT_AT_OFFSET: Final = 10
_MARKS: Final = struct.Struct(">II")
_MARKS_OFFSET: Final = _OLD_HEADER.size
_KINDS: Final = {int(kind): kind for kind in ItemKind}


class UnknownFormat(Exception):
    """The record was written by a later release."""


_encode: Final = json.Encoder().encode
_decode_case: Final = json.Decoder(tuple[tuple[Clock, ...], Facts, tuple[CaseTurn, ...], int]).decode
_decode_other: Final = json.Decoder(tuple[tuple[Clock, ...], Facts, tuple[TaskTurn, ...], int]).decode


def pack(record: Record, written: int = FORMAT) -> bytes:
    """The bytes of a record. `written`: in which format."""
    if written != FORMAT:
        return _pack_old(record)
    next_at = record.next_at
    head = _HEADER.pack(
        FORMAT,
        record.kind,
        record.revision,
        record.config_version,
        NEVER if next_at is None else max(0, next_at),
        NEVER if record.forget_at is None else record.forget_at,
        known_to(record.turns) if record.turns else record.revision,
        record.reckoned_by,
    )
    return head + _encode((record.clocks, record.facts, record.turns, record.told))


def unpack(packed: bytes) -> Record:
    """The record in these bytes. Raises `UnknownFormat`."""
    if packed[0] != FORMAT:
        _require_known(packed)
        return _unpack_old(packed)
    _, kind, revision, config_version, _, forget_at, _, reckoned_by = _HEADER.unpack_from(packed)
    decode = _decode_case if kind == ItemKind.CASE else _decode_other
    clocks, facts, turns, told = decode(memoryview(packed)[_HEADER.size :])
    forget = None if forget_at == NEVER else forget_at
    return Record(_KINDS[kind], revision, config_version, clocks, facts, forget, turns, told, reckoned_by)


def next_at_of(packed: bytes) -> Moment:
    """The record's `next_at` without unpacking it; `NEVER` for none. Raises `UnknownFormat`."""
    if packed[0] != FORMAT:
        _require_known(packed)
    found: int = _NEXT_AT.unpack_from(packed, _NEXT_AT_OFFSET)[0]
    return found


def known_to_of(packed: bytes) -> int:
    """The revision up to which all of the item is known, without unpacking the record."""
    if packed[0] != FORMAT:
        return int.from_bytes(packed[2:6], "big")
    found: int = _MARKS.unpack_from(packed, _MARKS_OFFSET)[0]
    return found


def reckoned_by_of(packed: bytes) -> int:
    """`Record.reckoned_by` without unpacking the record."""
    if packed[0] != FORMAT:
        return 0
    found: int = _MARKS.unpack_from(packed, _MARKS_OFFSET)[1]
    return found


def _require_known(packed: bytes) -> None:
    if not OLDEST_FORMAT <= packed[0] <= FORMAT:
        raise UnknownFormat(f"record format {packed[0]}, this release reads {OLDEST_FORMAT} to {FORMAT}")


class OldClock(Struct, frozen=True, gc=False, array_like=True):
    """A clock in the oldest format. What follows its suspensions is passed over by the release before."""

    kind: ClockKind
    started_at: Moment
    due_at: Moment
    soon_at: Moment | None
    next_at: Moment | None
    budget: int
    calendar: str
    is_pausable: bool
    rung: int = 0
    events: int = 0
    closed_at: Moment | None = None
    suspensions: tuple[tuple[Moment, Moment | None], ...] = ()
    outcome: str = ""
    escalated: int = 0
    ladder: str = ""
    target: str = ""


_decode_old: Final = json.Decoder(tuple[tuple[OldClock, ...], Facts]).decode


def _pack_old(record: Record) -> bytes:
    clocks = [_old_clock(clock) for clock in record.clocks if clock.kind != ClockKind.UPDATE]
    next_at = record.next_at
    head = _OLD_HEADER.pack(
        OLDEST_FORMAT,
        record.kind,
        record.revision,
        record.config_version,
        NEVER if next_at is None else max(0, next_at),
        NEVER if record.forget_at is None else record.forget_at,
    )
    return head + _encode((clocks, record.facts))


def _unpack_old(packed: bytes) -> Record:
    _, kind, revision, config_version, _, forget_at = _OLD_HEADER.unpack_from(packed)
    old_clocks, facts = _decode_old(memoryview(packed)[_OLD_HEADER.size :])
    clocks = tuple([_new_clock(clock) for clock in old_clocks])
    turns: tuple[Turn, ...] = ()
    if kind == ItemKind.CASE:
        turns = _case_turns(clocks, facts, revision, config_version, forget_at != NEVER)
    elif kind == ItemKind.TASK and clocks and clocks[0].kind == ClockKind.DUE:
        turns = _task_turns(clocks[0], revision)
    return Record(_KINDS[kind], revision, config_version, clocks, facts, None if forget_at == NEVER else forget_at, turns)


def _old_clock(clock: Clock) -> OldClock:
    return OldClock(
        clock.kind,
        clock.started_at,
        clock.due_at,
        clock.soon_at,
        clock.next_at,
        clock.budget,
        clock.calendar,
        clock.is_pausable,
        clock.rung,
        clock.events,
        clock.closed_at,
        tuple([(since, until) for since, until, _ in clock.suspensions]),
        clock.outcome,
        clock.escalated,
        clock.ladder,
        clock.target,
    )


def _new_clock(old: OldClock) -> Clock:
    outcome = old.outcome
    if old.closed_at is not None and not outcome:
        outcome = "met" if old.closed_at <= old.due_at else "missed"
    return Clock(
        old.kind,
        old.started_at,
        old.due_at,
        old.soon_at,
        old.next_at,
        old.budget,
        old.calendar,
        old.is_pausable,
        old.rung,
        old.events,
        old.closed_at,
        tuple([(since, until, Reason.WAITING) for since, until in old.suspensions]),
        outcome,
        old.escalated,
        old.ladder,
        old.target,
        tuple([told for told in ((0, old.due_at, old.soon_at or 0, 0), (1, old.due_at, old.due_at, 0)) if told[0] < old.rung and told[2]]),
    )


def _task_turns(due: Clock, revision: int) -> tuple[TaskTurn, ...]:
    state = "open" if due.closed_at is None else "cancelled" if due.outcome == "cancelled" else "completed"
    return (TaskTurn(1, revision, due.started_at if due.closed_at is None else due.closed_at, state, due.due_at),)


def _case_turns(clocks: tuple[Clock, ...], facts: Facts, revision: int, config_version: int, is_finished: bool) -> tuple[CaseTurn, ...]:
    """A journal that gives the ledger of these clocks: there were at least as many revisions as turns, only which is not known."""
    if not clocks:
        return ()
    waited = max((clock.suspensions for clock in clocks), key=len)
    opened_at = min(clock.started_at for clock in clocks)
    closed = {clock.kind: clock.closed_at for clock in clocks}
    known = CaseTurn(1, 1, opened_at, config_version, "pending", False, facts.priority, facts.subject, facts.method, facts.unit, opened_at)
    turns = [known]
    for since, until, _ in waited:
        turns.append(replace(known, at=since, waiting=True))
        if until is not None:
            turns.append(replace(known, at=until))
    was_cancelled = any(clock.outcome == "cancelled" for clock in clocks)
    finished = "cancelled" if was_cancelled else "completed"
    state = finished if is_finished else "finally_resolved" if closed.get(ClockKind.RESOLUTION) else "pending"
    if state == "pending" and closed.get(ClockKind.RESPONSE):
        state = "responded"
    moments = [at for at in closed.values() if at is not None]
    last = replace(
        turns[-1],
        at=max([turns[-1].at, *moments]),
        state=state,
        responded_at=closed.get(ClockKind.RESPONSE),
        resolved_at=closed.get(ClockKind.RESOLUTION),
        completed_at=closed.get(ClockKind.COMPLETION),
    )
    turns = [*turns, last] if moments else turns
    turns = turns[-revision:]
    numbered = [replace(turn, first=number, last=number) for number, turn in enumerate(turns, 1)]
    return (*numbered[:-1], replace(numbered[-1], last=revision))
