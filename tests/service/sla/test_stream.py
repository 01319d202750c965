"""The stream on a real Kafka: what fires, when, and what is never lost, doubled or told wrongly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sla.domain.packing import unpack
from services.sla.domain.records import ItemKind, key_of
from shared.ids import derive
from shared.messaging import StaticReference
from shared.messaging.transactional import Fenced, KafkaError, KafkaException, Producer, init_producer, transactional_producer
from shared.schemas import topics
from shared.schemas.events import LeadLifeCycle, LeadStatusChanged, TaskLifeCycle, TaskState, TaskStatusChanged
from tests.service.sla.harness import SlaStreams
from tests.support import eventually
from tests.support.configuration import a_configuration
from tests.support.sla import a_case, a_communication, a_lead, a_task, as_event


def due_in(seconds: float, name: object = 1, **changes: Any) -> TaskState:
    """A task that began a minute ago."""
    now = datetime.now(UTC)
    return a_task(name, triggered_at=now - timedelta(minutes=1), due_at=now + timedelta(seconds=seconds), **changes)


def completed(task: TaskState) -> TaskStatusChanged:
    done = {"state": TaskLifeCycle.COMPLETED, "completed_at": datetime.now(UTC)}
    return TaskStatusChanged(**task.model_dump() | done)


@pytest.mark.requirement("SLA-2")
def test_a_task_due_shortly_raises_due_soon_then_overdue_on_time_and_once(sla: SlaStreams) -> None:
    sla.started()
    now = datetime.now(UTC)
    task = a_task(triggered_at=now, due_at=now + timedelta(seconds=4))
    sla.send(task)
    eventually(lambda: len(sla.alerts()) == 2)
    soon, overdue = sla.alerts()
    assert [soon.data.rung, overdue.data.rung] == ["due-soon", "overdue"]
    assert timedelta(0) <= soon.data.fired_at - (now + timedelta(seconds=3.2)) < timedelta(seconds=1)
    assert timedelta(0) <= overdue.data.fired_at - now - timedelta(seconds=4) < timedelta(seconds=1)
    assert (soon.revision, overdue.revision) == (1, 2)
    assert not overdue.data.late
    sla.send(completed(task), 2)
    eventually(lambda: sla.alerts("closed"))
    assert sla.alerts("closed")[0].data.outcome == "missed"
    assert len(sla.alerts()) == 3


@pytest.mark.requirement("SLA-3")
def test_after_a_kill_clocks_come_back_and_fire_once_late_and_only_for_what_is_not_done(sla: SlaStreams) -> None:
    sla.publish_configuration()
    process = sla.spawn()
    early, late, done = due_in(0, "early"), due_in(20, "late"), due_in(20, "done")
    for task in (early, late, done):
        sla.send(task)
    eventually(lambda: len(sla.alerts("overdue")) == 1 and len(sla.alerts("due-soon")) == 3, 40)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    sla.send(completed(done), 2)
    eventually(lambda: datetime.now(UTC) > late.due_at)  # type: ignore[operator]
    sla.spawn()
    eventually(lambda: len(sla.alerts("overdue")) == 2 and sla.alerts("closed"), 40)
    overdue = {event.data.item_id: event.data for event in sla.alerts("overdue")}
    assert set(overdue) == {early.task_id, late.task_id}
    assert overdue[late.task_id].late
    assert len(sla.alerts("due-soon")) == 3
    assert sla.alerts("withdrawn") == []


def test_everything_of_a_partition_keeps_its_number_whatever_the_key(sla: SlaStreams) -> None:
    sla.started()
    task = due_in(0)
    event = as_event(task)
    for number in (3, 5):
        sla.send_raw(topics.TASKS, event.value(), event.headers(), event.key.encode(), number)
    eventually(lambda: len(sla.messages(topics.SLA)) == 4)
    assert {m[0] for m in sla.messages(topics.SLA)} == {3, 5}
    assert {m[0] for m in sla.messages(topics.SLA_TIMERS)} == {3, 5}


def test_partitions_of_both_inputs_go_to_the_same_replica(sla: SlaStreams) -> None:
    first = sla.started("0")
    second = sla.started("1")
    eventually(lambda: len(first.stream.held) == len(second.stream.held) == topics.PARTITIONS // 2, 30)
    assert set(first.stream.held) | set(second.stream.held) == set(range(topics.PARTITIONS))
    for number in range(8):
        sla.send(due_in(0, number))
    eventually(lambda: len({event.data.item_id for event in sla.alerts("overdue")}) == 8, 30)
    assert len(sla.alerts("overdue")) == 8
    assert first.error is None
    assert second.error is None


def test_a_zombie_is_fenced_and_nothing_it_wrote_is_seen(sla: SlaStreams) -> None:
    running = sla.started()
    usurpers = [transactional_producer(sla.kafka, f"{sla.prefix}sla-{number}") for number in range(topics.PARTITIONS)]
    for usurper in usurpers:
        init_producer(usurper)
    sla.send(due_in(0))
    eventually(running.is_over, 30)
    assert isinstance(running.error, Fenced | KafkaException)
    assert sla.messages(topics.SLA) == []
    assert sla.messages(topics.SLA_TIMERS) == []
    sla.started()
    eventually(lambda: len(sla.alerts()) == 2)


@pytest.mark.requirement("SLA-3")
def test_timers_wait_for_what_was_written_before_they_fell_due(sla: SlaStreams) -> None:
    """The completion lies behind an event whose configuration version is not known yet: so nothing may fire."""
    reference = StaticReference(a_configuration())
    sla.reference = reference
    running = sla.started()
    task = due_in(8)  # time enough to write what follows, on a machine that is busy
    sla.send(task)
    eventually(lambda: sla.alerts("due-soon"))
    blocking = a_task("other", case_id=task.case_id, due_at=None)
    sla.send(blocking, config_version=2)
    sla.send(completed(task), 2)
    eventually(lambda: datetime.now(UTC) > task.due_at + timedelta(seconds=1))  # type: ignore[operator]
    assert sla.alerts("overdue") == []
    assert running.error is None
    reference.version = 2
    eventually(lambda: sla.alerts("closed"))
    assert sla.alerts("overdue") == []
    assert sla.letters() == []


def test_what_cannot_be_read_becomes_a_dead_letter_once_and_the_rest_goes_on(sla: SlaStreams) -> None:
    sla.started()
    good = as_event(due_in(0))
    sla.send_raw(topics.TASKS, b"\xff\x00 garbage", [], b"x")
    sla.send_raw(topics.CASES, b"{}", [("ce_type", b"casestream.case.opened.v9")])
    sla.send_raw(topics.TASKS, b"{}", good.headers())
    sla.send_raw(topics.TASKS, good.value().replace(b'"pending"', b'"sleeping"'), good.headers())
    sla.send_raw(topics.TASKS, None, good.headers())
    sla.send_raw(topics.TASKS, good.value(), good.headers())
    eventually(lambda: len(sla.alerts()) == 2)
    letters = sla.letters()
    assert [(letter["topic"], letter["offset"], letter["kind"]) for letter in letters] == [
        (topics.CASES, 0, "garbage"),
        (topics.TASKS, 0, "garbage"),
        (topics.TASKS, 1, "invalid"),
        (topics.TASKS, 2, "invalid"),
        (topics.TASKS, 3, "invalid"),
    ]
    assert "state" in letters[3]["error"]
    repaired = good.value()
    with sla.database.transaction() as tx:
        tx.execute(
            "update dead_letters set state = 'replaying', value = %s where \"offset\" = 2", (repaired.replace(b"Inspect", b"Look at"),)
        )
    eventually(lambda: [letter["state"] for letter in sla.letters()].count("replayed") == 1, 30)


@pytest.mark.requirement("SLA-1")
def test_a_case_gets_its_targets_clocks_in_the_changelog(sla: SlaStreams) -> None:
    sla.started()
    case = a_case()
    sla.send(case)
    messages = eventually(lambda: sla.messages(topics.SLA_TIMERS))
    assert messages[0][1] == key_of(ItemKind.CASE, str(case.case_id))
    record = unpack(messages[0][3] or b"")
    assert "COMPLETION" in [clock.kind.name for clock in record.clocks]
    assert sla.messages(topics.SLA) == []


@pytest.mark.requirement("SLA-1", "LEAD-1")
def test_a_lead_is_overdue_under_its_own_key_until_it_is_won(sla: SlaStreams) -> None:
    sla.started()
    now = datetime.now(UTC)
    lead = a_lead(opened_at=now - timedelta(minutes=1), expected_completion_at=now + timedelta(seconds=2))
    sla.send(lead)
    eventually(lambda: sla.alerts("overdue"))
    won = {"state": LeadLifeCycle.WON, "status": "won", "closed_at": datetime.now(UTC)}
    sla.send(LeadStatusChanged(**lead.model_dump() | won), 2)
    (closed,) = eventually(lambda: sla.alerts("closed"))
    assert (closed.key, closed.data.item_kind, closed.data.kind, closed.data.outcome) == (str(lead.lead_id), "lead", "completion", "missed")
    assert {event.data.clock_id for event in sla.alerts()} == {closed.data.clock_id}


@pytest.mark.requirement("COM-8")
def test_a_communication_expires_unless_its_conversation_was_active(sla: SlaStreams) -> None:
    methods = [{"code": "tweet", "name": "Tweet", "directions": ["inbound", "outbound"], "expire_after": "1 day"}]
    sla.reference = StaticReference(a_configuration(methods=[*a_configuration().model_dump(mode="json")["methods"], *methods]))
    sla.started()
    old = datetime.now(UTC) - timedelta(days=1)
    shared = derive("conversation")
    quiet = a_communication("quiet", method="tweet", occurred_at=old)
    alive = a_communication(
        "alive", method="tweet", conversation_id=shared, case_ids=(derive("case"),), occurred_at=old + timedelta(seconds=4)
    )
    reply = a_communication("reply", method="email", direction="outbound", conversation_id=shared, case_ids=(derive("case"),))
    for communication in (alive, reply, quiet):
        sla.send(communication)
    eventually(lambda: sla.alerts("expired"))
    eventually(lambda: datetime.now(UTC) > old + timedelta(days=1, seconds=6))
    assert [event.data.item_id for event in sla.alerts("expired")] == [quiet.communication_id]


class GivesUp:
    """A real producer, whose first transactions its client has to abort, as it must when a broker it writes to goes away meanwhile."""

    def __init__(self, producer: Producer, times: int) -> None:
        self._producer = producer
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def commit_transaction(self, *arguments: Any) -> None:
        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(KafkaError._STATE, "a broker went away", txn_requires_abort=True))
        self._producer.commit_transaction(*arguments)


@pytest.mark.requirement("SLA-3")
def test_a_transaction_that_is_given_up_is_done_again_with_all_that_was_taken_in_since(sla: SlaStreams) -> None:
    running = sla.started()
    producers = []
    for held in running.stream.held.values():
        producers.append(GivesUp(held.producer, 2))
        held.producer = producers[-1]  # type: ignore[assignment]
    case = derive("a case, so that all are in one partition")
    tasks = [due_in(4, number, case_id=case) for number in range(40)]
    for task in tasks:
        sla.send(task)
    for task in tasks[:20]:
        sla.send(completed(task), 2)
    eventually(lambda: len(sla.alerts("overdue")) >= 20 and len(sla.alerts("closed")) >= 20, 40)
    assert running.error is None
    assert sorted(producer.left for producer in producers) == [0] + [2] * (topics.PARTITIONS - 1)
    assert {event.data.item_id for event in sla.alerts("closed")} == {task.task_id for task in tasks[:20]}
    assert {event.data.item_id for event in sla.alerts("overdue")} == {task.task_id for task in tasks[20:]}
    assert (len(sla.alerts("closed")), len(sla.alerts("overdue"))) == (20, 20)


@pytest.mark.requirement("SLA-3")
def test_a_rebalance_amid_a_commit_waits_for_it_and_goes_on(sla: SlaStreams) -> None:
    """Whoever joins would wait for minutes if the commit needed the consumer, which is busy telling of the rebalance."""
    first = sla.start("0", stream_linger_seconds=2.0)
    eventually(lambda: not first.stream.problems(), 60)
    stream, is_landing = first.stream, threading.Event()
    submit, land = stream._pool.submit, stream._land

    def submitted(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        if work.__name__ != "end":
            return submit(work, *arguments)
        is_landing.clear()
        return submit(lambda: is_landing.wait(30) and work(*arguments))

    def landed(**options: Any) -> bool:
        is_landing.set()
        return land(**options)

    # So that there is always a commit under way while the consumer is polled.
    stream._pool.submit = submitted  # type: ignore[method-assign]
    stream._land = landed  # type: ignore[method-assign]
    second = sla.start("1")
    numbers = iter(range(100_000))

    def is_shared() -> bool:
        sla.send(due_in(3600, next(numbers)))
        return len(first.stream.held) == len(second.stream.held) == topics.PARTITIONS // 2

    eventually(is_shared, 30, 0.01)
