"""Records of this release and of the one before, side by side during an upgrade."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from msgspec import Struct, json

from services.sla.domain.clocks import Clock, ClockKind, Reason
from services.sla.domain.journal import known_to
from services.sla.domain.packing import FORMAT, OLDEST_FORMAT, UnknownFormat, known_to_of, next_at_of, pack, unpack
from services.sla.domain.records import Record
from tests.unit.sla.rules import Life, a_case_fact, a_task_fact, at, hours
from tests.unit.sla.test_ledger import OPENED, RULES, Watch, ledger


class ClockBefore(Struct, frozen=True, array_like=True):
    """A clock as the release before reads it: what it does not know it passes over."""

    kind: int
    started_at: int
    due_at: int
    soon_at: int | None
    next_at: int | None
    budget: int
    calendar: str
    is_pausable: bool
    rung: int = 0
    events: int = 0
    closed_at: int | None = None
    suspensions: tuple[tuple[int, int | None], ...] = ()


class FactsBefore(Struct, frozen=True, array_like=True):
    """As `ClockBefore`."""

    case_id: str = ""
    number: str = ""
    title: str = ""


def read_as_before(packed: bytes) -> tuple[tuple[Any, ...], tuple[ClockBefore, ...]]:
    """What the release before makes of a record."""
    head = struct.Struct(">BBIIqq")
    clocks, _ = json.decode(packed[head.size :], type=tuple[tuple[ClockBefore, ...], FactsBefore])
    return head.unpack_from(packed), clocks


def a_paused_case() -> Record:
    watch = Watch(RULES)
    watch.read(a_case_fact(1, at=OPENED), OPENED)
    watch.read(a_case_fact(2, at=OPENED + hours(1), waiting_for_customer=True), OPENED + hours(1))
    watch.read(a_case_fact(3, at=OPENED + hours(2)), OPENED + hours(2))
    watch.wait(OPENED + hours(5))
    assert watch.record is not None
    return watch.record


def test_the_release_before_reads_what_is_written_in_its_format() -> None:
    record = a_paused_case()
    packed = pack(record, OLDEST_FORMAT)
    (version, kind, revision, _, next_at, forget_at), clocks = read_as_before(packed)
    assert (version, kind, revision, next_at, forget_at) == (1, 1, 3, record.next_at, -1)
    known = [clock for clock in record.clocks if clock.kind != ClockKind.UPDATE]
    assert [(c.kind, c.due_at, c.rung, c.events) for c in clocks] == [(int(c.kind), c.due_at, c.rung, c.events) for c in known]
    assert clocks[0].suspensions == ((OPENED + hours(1), OPENED + hours(2)),)


def test_what_the_release_before_wrote_is_gone_on_with() -> None:
    record = a_paused_case()
    taken_over = unpack(pack(record, OLDEST_FORMAT))
    assert known_to(taken_over.turns) == known_to_of(pack(record, OLDEST_FORMAT)) == taken_over.revision == 3
    ours, theirs = Watch(RULES), Watch(RULES)
    ours.record, theirs.record = record, taken_over
    ours.now = theirs.now = OPENED + hours(5)
    for watch in (ours, theirs):
        watch.read(a_case_fact(4, at=OPENED + hours(6), waiting_for_customer=True), OPENED + hours(6))
        watch.read(a_case_fact(5, at=OPENED + hours(9)), OPENED + hours(9))
        watch.wait(OPENED + hours(500))
    assert ledger(theirs.record) == ledger(ours.record)
    told = [(a.type, a.clock.kind, a.repetition, a.fired_at) for a in ours.told]
    assert [(a.type, a.clock.kind, a.repetition, a.fired_at) for a in theirs.told if a.clock.kind != ClockKind.UPDATE] == [
        alert for alert in told if alert[1] != ClockKind.UPDATE
    ]


@pytest.mark.parametrize("state", ["completed", "cancelled"])
def test_a_finished_item_of_the_release_before_stays_finished(state: str) -> None:
    watch = Watch(RULES)
    watch.read(a_case_fact(1, at=OPENED), OPENED)
    watch.read(a_case_fact(2, state=state, at=OPENED + hours(1), completed_at=OPENED + hours(1)), OPENED + hours(1))
    assert watch.record is not None
    watch.record = unpack(pack(watch.record, OLDEST_FORMAT))
    watch.is_whole = False
    told = len(watch.told)
    watch.read(a_case_fact(1, at=OPENED), OPENED + hours(2))
    watch.wait(OPENED + hours(300))
    assert len(watch.told) == told


def test_a_task_in_either_format_fires_the_same() -> None:
    one, other = Life(), Life()
    for life in (one, other):
        life.event(a_task_fact(due_at=at("2026-03-02 17:00")))
    assert other.record is not None
    other.record = unpack(pack(other.record, OLDEST_FORMAT))
    for life in (one, other):
        life.until(at("2026-03-02 16:30"))
        life.event(a_task_fact(2, due_at=at("2026-03-03 17:00"), at=at("2026-03-02 16:30")))
        life.until(at("2026-03-09 17:00"))
    assert [(a.type, a.repetition, a.due_at, a.fired_at) for a in one.told] == [
        (a.type, a.repetition, a.due_at, a.fired_at) for a in other.told
    ]


def test_a_record_of_a_later_release_is_refused_by_its_number() -> None:
    record = a_paused_case()
    later = bytes([FORMAT + 1]) + pack(record)[1:]
    for read in (unpack, next_at_of):
        with pytest.raises(UnknownFormat, match="reads 1 to 2"):
            read(later)


def test_reasons_are_kept() -> None:
    (clock, *_others) = unpack(pack(a_paused_case())).clocks
    assert isinstance(clock, Clock)
    assert clock.suspensions == ((OPENED + hours(1), OPENED + hours(2), Reason.WAITING),)
