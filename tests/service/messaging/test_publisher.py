"""Publishing through the outbox: after the commit, in the order of each aggregate, and surely."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from psycopg.errors import UniqueViolation

from shared.clock import utc_now
from shared.ids import derive
from shared.messaging import EventPublisher
from shared.storage import Database, outbox
from tests.support.tally import TallyService, a_plan, emit_total
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("EDGE-3")


def add_one(publisher: EventPublisher, case_id: UUID, cause: UUID) -> None:
    """What an HTTP command does: lock, decide, emit."""
    with publisher.transaction() as tx:
        tx.execute("insert into tallies values (%s, 0, 0) on conflict do nothing", (case_id,))
        row = tx.row("select revision from tallies where case_id = %s for update", (case_id,))
        assert row is not None
        tx.execute("update tallies set revision = %s where case_id = %s", (row[0] + 1, case_id))
        emit_total(tx, case_id, row[0] + 1, cause)


def waiting(tally: TallyService) -> list[object]:
    """The revisions in the outbox, in its order."""
    return [row[0] for row in tally.rows("select (e->>'revision')::int from outbox, json_array_elements(events::json) e order by sequence")]


def test_commands_and_the_consumer_publish_one_aggregate_in_its_order(tally: TallyService) -> None:
    cases = [derive("case", number) for number in range(1, 4)]
    publishers = [tally.publisher() for _ in range(3)]

    def commands(index: int) -> None:
        for number in range(60):
            add_one(publishers[index], cases[number % 3], derive("command", index, number))

    for publisher in publishers:
        publisher.start_sweeper()
    with tally.running():
        threads = [threading.Thread(target=commands, args=(index,)) for index in range(3)]
        for thread in threads:
            thread.start()
        for number in range(1, 61):
            tally.produce(*(a_plan(case=case, number=number) for case in (1, 2, 3)))
        for thread in threads:
            thread.join()
        eventually(lambda: tally.taken() == 180)
        eventually(lambda: tally.rows("select 1 from outbox") == [])
    for publisher in publishers:
        publisher.close()
        publisher.database.close()
    newest: dict[str, int] = {}
    for case, revision in tally.published(360):
        # A repeat of an event may come (receivers know its id); one that skips ahead of an older one may not.
        assert revision <= newest.get(case, 0) + 1
        newest[case] = max(newest.get(case, 0), revision)
    assert newest == {str(case): 120 for case in cases}


def test_an_event_waits_for_an_older_one_of_its_aggregate(tally: TallyService) -> None:
    case_id = derive("case", 1)
    database = Database(tally.url, service="tally")
    with database.transaction() as tx:  # committed, then the process died before it could publish
        tx.execute("insert into tallies values (%s, 1, 0)", (case_id,))
        emit_total(tx, case_id, 1, derive("lost"))
        outbox.store(tx)
    publisher = tally.publisher()
    add_one(publisher, case_id, derive("next"))
    add_one(publisher, derive("case", 2), derive("other"))
    assert waiting(tally) == [1, 2]
    publisher.start_sweeper()
    eventually(lambda: tally.rows("select 1 from outbox") == [])
    publisher.close()
    found = tally.published(3)
    assert [revision for case, revision in found if case == str(case_id)] == [1, 2]
    publisher.database.close()
    database.close()


def test_a_command_commits_while_kafka_is_away_and_its_event_follows(tally: TallyService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.messaging.publisher.FLUSH_SECONDS", 0.5)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = tally.publisher(kafka=f"127.0.0.1:{nobody.getsockname()[1]}")
        add_one(away, derive("case", 1), derive("first"))
        add_one(away, derive("case", 1), derive("second"))
        assert waiting(tally) == [1, 2]
        with away.database.read() as tx:
            assert outbox.age_seconds(tx) > 0
        away.close()
        away.database.close()
    back = tally.publisher()
    back.start_sweeper()
    assert tally.published(2) == [(str(derive("case", 1)), 1), (str(derive("case", 1)), 2)]
    eventually(lambda: tally.rows("select 1 from outbox") == [])
    back.close()
    back.database.close()


def test_one_sweeper_of_a_service_at_a_time(tally: TallyService) -> None:
    first, second = tally.publisher(), tally.publisher()
    database = Database(tally.url, service="tally")
    with database.transaction() as tx:
        emit_total(tx, derive("case", 1), 1, derive("cause"))
        outbox.store(tx)
    tally.rows("update outbox set created_at = created_at - interval '1 minute' returning 1")
    with first.database.transaction() as tx:
        tx.execute("select pg_advisory_xact_lock(hashtext(current_schema() || ' outbox'))")
        assert not second.sweep()
    assert second.sweep()
    assert tally.published(1) == [(str(derive("case", 1)), 1)]
    for closing in (first.database, second.database, database):
        closing.close()


def test_the_sweeper_leaves_young_events_to_the_process_that_committed_them(tally: TallyService) -> None:
    database = Database(tally.url, service="tally")
    with database.transaction() as tx:
        emit_total(tx, derive("case", 1), 1, derive("cause"))
        outbox.store(tx)
    with database.read() as tx:
        assert outbox.unsent(tx, utc_now() - timedelta(seconds=60)) == []
        (one,) = outbox.unsent(tx, utc_now() + timedelta(seconds=60))
    assert one.key == str(derive("case", 1))
    database.close()


def test_of_a_transaction_only_the_events_with_older_ones_wait(tally: TallyService) -> None:
    first, second = derive("case", 1), derive("case", 2)
    publisher = tally.publisher()
    with publisher.database.transaction() as tx:  # committed, then the process died before it could publish
        emit_total(tx, first, 1, derive("lost"))
        outbox.store(tx)
    with publisher.transaction() as tx:
        emit_total(tx, first, 2, derive("both"))
        emit_total(tx, second, 1, derive("both"))
    assert tally.published(1) == [(str(second), 1)]
    assert waiting(tally) == [1, 2]
    publisher.database.close()


def test_behind_a_long_queue_everything_waits(tally: TallyService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.storage.outbox.LOOK_INTO", 2)
    publisher = tally.publisher()
    for number in range(3):
        with publisher.database.transaction() as tx:
            emit_total(tx, derive("case", number), 1, derive("lost"))
            outbox.store(tx)
    add_one(publisher, derive("case", 7), derive("next"))
    assert len(waiting(tally)) == 4
    publisher.start_sweeper()
    eventually(lambda: waiting(tally) == [])
    publisher.close()
    assert len(tally.published(4)) == 4
    publisher.database.close()


def test_the_sweeper_sends_what_the_process_would_have_sent(tally: TallyService) -> None:
    publisher = tally.publisher()
    with publisher.database.transaction() as tx:
        emit_total(tx, derive("case", 1), 1, derive("cause"))
        outbox.store(tx)
    ((event, value),) = tx.emitted
    with publisher.database.read() as tx:
        (one,) = outbox.unsent(tx, utc_now() + timedelta(seconds=60))
    assert (one.topic, one.key, one.headers, one.value) == (event.data.topic, event.key, event.headers(), value)
    publisher.database.close()


def test_what_was_handed_over_is_published_when_somebody_says_so(tally: TallyService) -> None:
    publisher = tally.publisher()
    parcels: list[outbox.Parcel] = []
    for number in (1, 2):
        case = derive("case", number)
        with publisher.quick_transaction(parcels.append) as tx:
            tx.execute("insert into tallies values (%s, 1, 0)", (case,))
            emit_total(tx, case, 1, derive("command", number))
    assert waiting(tally) == [1, 1]
    assert publisher.sweep() is False, "young events are left to who committed them"
    publisher.publish(parcels)
    assert waiting(tally) == []
    assert tally.published(2) == [(str(derive("case", 1)), 1), (str(derive("case", 2)), 1)]
    publisher.close()
    publisher.database.close()


def test_what_was_handed_over_waits_for_an_older_event_and_nothing_is_kept_of_what_fails(tally: TallyService) -> None:
    publisher, case = tally.publisher(), derive("case", 1)
    parcels: list[outbox.Parcel] = []
    with publisher.quick_transaction(parcels.append) as tx:
        tx.execute("insert into tallies values (%s, 1, 0)", (case,))
        emit_total(tx, case, 1, derive("command", 1))
    with publisher.quick_transaction(parcels.append) as tx:
        tx.execute("update tallies set revision = 2 where case_id = %s", (case,))
        emit_total(tx, case, 2, derive("command", 2))
    with pytest.raises(UniqueViolation), publisher.quick_transaction(parcels.append) as tx:
        # Nobody looks at what became of it until the commit.
        tx.execute("insert into tallies values (%s, 1, 0)", (case,))
    assert [parcel.sequence is None for parcel in parcels] == [False, True]
    with publisher.quick_transaction(parcels.append) as tx:
        assert tx.row("select revision from tallies where case_id = %s", (case,)) == (2,)
    assert waiting(tally) == [1, 2]
    publisher.close()
    publisher.database.close()
