"""The consumer loop on real Kafka and PostgreSQL: each promise of `shared.messaging`, and what breaks without it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from shared.messaging import NotYet
from shared.messaging.batch import BadRelease, BatchProcessor, Incoming
from shared.messaging.kafka import Consumer, TopicPartition, consumer_settings
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.storage import Database, dead_letters
from shared.storage.offsets import Fenced
from tests.support.tally import TallyService, a_plan, handler
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("EDGE-3")


def test_every_event_has_its_effect_once_and_in_order(tally: TallyService) -> None:
    tally.produce(*(a_plan(case=case, number=n) for n in range(1, 21) for case in range(1, 51)))
    with tally.running():
        eventually(lambda: tally.taken() == 1000)
    assert tally.rows("select distinct total, revision from tallies") == [(20, 20)]
    by_case: dict[str, list[int]] = {}
    for case, revision in tally.published(1000):
        by_case.setdefault(case, []).append(revision)
    assert len(by_case) == 50
    assert all(revisions == list(range(1, 21)) for revisions in by_case.values())
    assert tally.rows("select * from outbox") == []


def test_what_waits_is_taken_in_one_transaction_and_no_more_than_a_batch(tally: TallyService) -> None:
    sizes: list[int] = []
    tally.produce(*(a_plan(case=1, number=n) for n in range(1, 401)))
    with tally.running(handler(on_save=lambda events: sizes.append(len(events))), batch_size=150):
        eventually(lambda: tally.taken() == 400)
    assert max(sizes) <= 150
    assert len(sizes) < 10


def test_a_repeat_of_an_event_changes_nothing(tally: TallyService) -> None:
    event = a_plan()
    tally.produce(event, event)
    with tally.running():
        eventually(lambda: tally.taken() == 1)
        tally.produce(event, a_plan(case=2))
        eventually(lambda: tally.taken() == 2)
    assert tally.rows("select count(*) from inbox") == [(2,)]


def test_kafka_is_told_how_far_we_are_for_those_who_watch_lag(tally: TallyService) -> None:
    tally.produce(*(a_plan(case=case) for case in range(1, 41)))
    places = [TopicPartition(tally.prefix + topics.TASKS, number) for number in range(topics.PARTITIONS)]
    watcher = Consumer(consumer_settings(tally.kafka, f"{tally.prefix}casestream-tally", None))
    with tally.running():
        eventually(lambda: tally.taken() == 40)
        eventually(lambda: sum(max(0, place.offset) for place in watcher.committed(places, timeout=10)) == 40)
    watcher.close()


def test_the_position_is_the_databases_not_kafkas(tally: TallyService) -> None:
    tally.produce(*(a_plan(case=1, number=n) for n in range(1, 6)))
    with tally.running():
        eventually(lambda: tally.taken() == 5)
    # A database restored to an earlier moment: its tables and its positions go back together.
    tally.rows(
        "with a as (delete from seen), b as (delete from tallies), c as (delete from inbox) update offsets set next_offset = 0 returning 1"
    )
    with tally.running():
        eventually(lambda: tally.taken() == 5)


def test_a_zombie_is_fenced_and_leaves_no_effect(tally: TallyService) -> None:
    tally.produce(a_plan(case=1, number=1))
    with tally.running():
        eventually(lambda: tally.taken() == 1)
    (partition,) = tally.rows("select partition, next_offset from offsets where next_offset > 0")
    event = a_plan(case=1, number=2)
    message = Incoming((topics.TASKS, int(str(partition[0]))), 0, event.key.encode(), event.headers(), event.value())
    publisher = tally.publisher()
    processor = BatchProcessor("tally", {topics.TASKS: handler()}, publisher, tally.reference)
    with pytest.raises(Fenced):
        processor.take([message], {message.where: 0})
    assert tally.taken() == 1
    assert tally.rows("select * from outbox") == []
    publisher.database.close()


@pytest.mark.requirement("EDGE-18")
def test_what_only_one_message_causes_becomes_a_dead_letter_and_the_rest_goes_on(tally: TallyService) -> None:
    good = a_plan(case=1, number=1)
    tally.produce_raw(b"\xff\x00garbage", partition=0)
    tally.produce_raw(None, key=b"k", partition=1)
    tally.produce_raw(b"{", headers=good.headers(), partition=2)
    tally.produce_raw(b'{"case_id": "no uuid"}', headers=good.headers(), partition=3)
    tally.produce_raw(b"{}", headers=[("ce_type", b"casestream.task.flew.v9")], partition=4)
    tally.produce(a_plan(case=2, subject="refused"), good)
    with tally.running():
        eventually(lambda: tally.taken() == 1)
        eventually(lambda: len(tally.rows("select 1 from dead_letters")) == 6)
    kinds = sorted(str(row[0]) for row in tally.rows("select kind from dead_letters"))
    assert kinds == ["garbage", "garbage", "garbage", "garbage", "invalid", "refused"]
    assert tally.rows("select value from dead_letters where value = %s", (b"\xff\x00garbage",))


def test_a_newer_configuration_makes_its_partition_wait_and_no_other(tally: TallyService) -> None:
    first, newer, after = a_plan(case=1, number=1), a_plan(case=1, number=2, config_version=2), a_plan(case=1, number=3)
    tally.produce(first, newer, after)
    others = [a_plan(case=case) for case in range(2, 40)]
    with tally.running():
        eventually(lambda: tally.taken() == 1)
        tally.produce(*others)
        eventually(lambda: tally.taken() >= 20)
        assert tally.rows("select total from tallies where case_id = %s", (first.data.case_id,)) == [(1,)]
        tally.reference.version = 2  # type: ignore[misc]
        eventually(lambda: tally.taken() == 3 + len(others))
    assert tally.rows("select * from dead_letters") == []


def test_not_yet_waits_without_a_dead_letter_and_keeps_the_order(tally: TallyService) -> None:
    known = threading.Event()
    order: list[int] = []

    def wait_for_parent(event: Event) -> None:
        if event.revision == 2 and not known.is_set():
            raise NotYet("parent not here")
        order.append(event.revision)

    tally.produce(*(a_plan(case=1, number=n) for n in (1, 2, 3)))
    with tally.running(handler(wait_for_parent)):
        eventually(lambda: tally.taken() == 1)
        known.set()
        eventually(lambda: tally.taken() == 3)
    assert order == [1, 2, 3]
    assert tally.rows("select * from dead_letters") == []


def test_a_batch_that_fails_as_a_whole_is_halved_until_the_culprit_is_alone(tally: TallyService) -> None:
    culprit = a_plan(case=7, number=77)

    def fail(events: list[Event]) -> None:
        if any(event.id == culprit.id for event in events):
            raise ValueError("cannot save this one")

    tally.produce(*(a_plan(case=7, number=n) for n in range(1, 150)))
    with tally.running(handler(on_save=fail)):
        eventually(lambda: tally.taken() == 148)
        eventually(lambda: len(tally.rows("select 1 from dead_letters")) == 1)
    ((kind, error, attempts),) = tally.rows("select kind, error, attempts from dead_letters")
    assert (kind, error, attempts) == ("failed", "ValueError: cannot save this one", 3)


CRASHING = """
import os, sys, threading
from tests.support.tally import TallyService, handler, a_plan
from tests.service.messaging.conftest import GrowingReference
service = TallyService(sys.argv[1], sys.argv[2], sys.argv[3], GrowingReference())
service.url = sys.argv[3]
def die(event):
    if event.data.subject == "deadly":
        os._exit(9)
publisher, stop = service.publisher(), threading.Event()
service.loop(publisher, stop, handler(die)).run()
"""


def test_a_message_that_kills_its_process_three_times_becomes_a_dead_letter(tally: TallyService) -> None:
    tally.produce(a_plan(case=1, number=1), a_plan(case=1, number=2, subject="deadly"), a_plan(case=1, number=3))
    command = [sys.executable, "-c", CRASHING, tally.kafka, tally.prefix, tally.url]
    clone = Path(__file__).parents[3]
    deaths = 0
    while not tally.rows("select 1 from dead_letters"):
        process = subprocess.Popen(command, cwd=clone)
        try:
            eventually(lambda: process.poll() is not None or bool(tally.rows("select 1 from dead_letters")), timeout=40)  # noqa: B023
            deaths += process.poll() == 9
            if tally.rows("select 1 from dead_letters"):
                eventually(lambda: tally.taken() == 2)
        finally:
            process.kill()
            process.wait()
    assert deaths == 3
    ((kind, attempts),) = tally.rows("select kind, attempts from dead_letters")
    assert (kind, attempts) == ("failed", 3)


def test_the_database_going_away_costs_no_message(tally: TallyService) -> None:
    cut = threading.Event()

    def cut_connections(events: list[Event]) -> None:
        if not cut.is_set():
            cut.set()
            with psycopg.connect(tally.url, autocommit=True) as admin:
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and application_name = 'casestream-tally'"
                )

    tally.produce(*(a_plan(case=case) for case in range(200)))
    with tally.running(handler(on_save=cut_connections)):
        eventually(lambda: tally.taken() == 200)
    assert cut.is_set()
    assert tally.rows("select * from dead_letters") == []


def test_a_deadlock_is_tried_again_and_never_a_dead_letter(tally: TallyService) -> None:
    failures = iter([psycopg.errors.DeadlockDetected("once"), psycopg.errors.SerializationFailure("twice")])

    def conflict(events: list[Event]) -> None:
        error = next(failures, None)
        if error is not None:
            raise error

    tally.produce(a_plan())
    with tally.running(handler(on_save=conflict)):
        eventually(lambda: tally.taken() == 1)
    assert tally.rows("select * from dead_letters") == []


def test_a_bad_release_stops_instead_of_draining_the_topic(tally: TallyService) -> None:
    def broken(event: Event) -> None:
        raise KeyError("a bug of this release")

    tally.produce(*(a_plan(case=1, number=n) for n in range(1, 31)))

    def run_until_stopped() -> None:
        with tally.running(handler(broken), batch_size=7) as running:
            running.thread.join(60)

    for _ in range(2):
        with pytest.raises(BadRelease):
            run_until_stopped()
        assert tally.rows("select count(*) from dead_letters") == [(10,)]
    with tally.running():
        eventually(lambda: tally.taken() == 20)


def test_a_stop_finishes_the_batch_and_counts_as_no_restart(tally: TallyService) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(events: list[Event]) -> None:
        entered.set()
        assert leave.wait(20)

    tally.produce(a_plan())
    with tally.running(handler(on_save=slow)) as running:
        assert entered.wait(20)
        running.stop.set()
        leave.set()
    assert tally.taken() == 1
    assert tally.rows("select max(restarts) from offsets") == [(0,)]


def test_a_restarted_replica_resumes_without_disturbing_the_others(tally: TallyService) -> None:
    with tally.running(instance="1") as steady:
        eventually(lambda: not steady.loop.problems())
        with tally.running(instance="0") as replica:
            eventually(lambda: not replica.loop.problems())
            eventually(lambda: len(steady.loop._positions) == len(replica.loop._positions) == 4, timeout=30)
        held = dict(steady.loop._positions)
        with tally.running(instance="0") as replica:
            eventually(lambda: len(replica.loop._positions) == 4, timeout=5)
            assert dict(steady.loop._positions) == held


@pytest.mark.requirement("EDGE-18")
def test_a_dead_letter_is_edited_and_replayed_to_this_service_alone(tally: TallyService) -> None:
    event = a_plan(case=3)
    tally.produce_raw(b'{"case_id": 5}', key=event.key.encode(), headers=event.headers())
    tally.produce(a_plan(case=4, subject="refused"))
    with tally.running():
        eventually(lambda: len(tally.rows("select 1 from dead_letters")) == 2)
        database = Database(tally.url, service="tally")
        with database.transaction() as tx:
            invalid, refused = sorted(dead_letters.listed(tx), key=lambda letter: str(letter["kind"]))
            assert dead_letters.ask_replay(tx, invalid["id"], "ann", event.value())
            assert dead_letters.ask_replay(tx, refused["id"], "ann")
        eventually(lambda: tally.taken() == 1)
        eventually(lambda: tally.rows("select state from dead_letters order by kind") == [("replayed",), ("open",)])
        database.close()
    assert tally.rows("select attempts, changed_by from dead_letters where state = 'open'") == [(2, "ann")]
