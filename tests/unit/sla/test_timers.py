from __future__ import annotations

from services.sla.domain.packing import pack
from services.sla.domain.records import ItemKind, Record, key_of
from services.sla.stream.timers import SLACK, Timers
from shared.ids import derive
from tests.unit.sla.rules import Life, a_task_fact, at, hours


def a_record(due_at: int) -> bytes:
    life = Life()
    life.event(a_task_fact(due_at=due_at))
    assert life.record is not None
    return pack(life.record)


def test_only_the_newest_moment_of_a_record_counts() -> None:
    timers, key = Timers(), key_of(ItemKind.TASK, str(derive("a")))
    early, late = a_record(at("2026-03-02 10:00")), a_record(at("2026-03-03 10:00"))
    timers.put(key, early)
    timers.put(key, late)
    assert timers.pop_due(at("2026-03-02 12:00"), 10) == []
    timers.put(key, early)
    assert timers.pop_due(at("2026-03-02 12:00"), 10) == [key]
    timers.restore([key])
    assert timers.next_at() == at("2026-03-02 09:45")
    timers.put(key, None)
    assert timers.next_at() is None


def test_records_without_a_moment_are_kept_and_never_come_up() -> None:
    timers, key = Timers(), key_of(ItemKind.CASE, str(derive("a")))
    timers.load({key: pack(Record(ItemKind.CASE, 1, 1))})
    assert timers.next_at() is None
    assert key in timers.records


def test_a_record_that_moves_often_does_not_fill_the_heap() -> None:
    timers, key = Timers(), key_of(ItemKind.TASK, str(derive("a")))
    records = [a_record(at("2026-03-02 10:00") + hours(n)) for n in range(2)]
    for number in range(3 * SLACK):
        timers.put(key, records[number % 2])
    assert len(timers) <= SLACK + 3
    assert len(timers.pop_due(at("2027-01-01 00:00"), 10)) == 1


def test_reading_records_back_looks_at_their_moments_only() -> None:
    record = a_record(at("2026-03-02 10:00"))
    key, unreadable = key_of(ItemKind.TASK, str(derive("a"))), record[: record.index(b"[")] + b"not looked at"
    timers = Timers()
    timers.load({key: unreadable})
    assert timers.next_at() == at("2026-03-02 09:45")
    assert timers.pop_due(at("2026-03-02 09:45"), 10) == [key]
    assert timers.records[key] is unreadable
