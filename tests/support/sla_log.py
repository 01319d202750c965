"""Reads sla's inputs and outputs back from Kafka for its oracle: every event with its own time and the time that Kafka had it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from msgspec import Struct, json

from shared.messaging.kafka import Consumer, KafkaError, Message, TopicPartition, consumer_settings, headers_of
from shared.schemas import topics
from tests.support.sla_oracle import Logged, Moment, Rules, Weather
from tests.support.sla_verdict import Alert, Verdict

LATE_AFTER = 30_000_000
"""As the service has it, in microseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Input(Struct, gc=False):
    state: str
    subject: str
    priority: str
    opened_at: datetime | None = None
    responded_at: datetime | None = None
    resolved_at: datetime | None = None
    completed_at: datetime | None = None
    planned_at: datetime | None = None
    triggered_at: datetime | None = None
    due_at: datetime | None = None
    waiting_for_customer: bool = False


class _Output(Struct, gc=False):
    item_id: str
    kind: str
    rung: str
    repetition: int
    due_at: datetime
    fired_at: datetime
    late: bool
    outcome: str = ""


_read_input = json.Decoder(_Input).decode
_read_output = json.Decoder(_Output).decode


def micros_of(at: datetime) -> Moment:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


@lru_cache(10_000)
def _header_moment(text: bytes) -> Moment:
    return micros_of(datetime.fromisoformat(text.decode()))


def stamp_by_kafka(kafka: str, prefix: str) -> None:
    """Let Kafka stamp the inputs with the time that it gets each event."""
    entry = ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
    resources = [
        ConfigResource(ResourceType.TOPIC, prefix + name, incremental_configs=[entry])  # type: ignore[no-untyped-call]
        for name in (topics.CASES, topics.TASKS)
    ]
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.incremental_alter_configs(resources).values():
        done.result(30)


def read_partition(kafka: str, topic: str, number: int) -> Iterator[Message]:
    """What is committed in a partition now."""
    fast = {"enable.partition.eof": True, "queued.min.messages": 100_000, "fetch.wait.max.ms": 10}
    with closing(Consumer(consumer_settings(kafka, f"oracle-{uuid.uuid4()}", None) | fast)) as consumer:
        consumer.assign([TopicPartition(topic, number, 0)])
        while True:
            first = consumer.poll(20)
            assert first is not None, f"{topic} {number}: neither messages nor the end"
            for message in [first, *consumer.consume(10_000, 0)]:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    return
                else:
                    assert error.retriable(), error


def logged(message: Message) -> Logged | None:
    """An event on an input; None: one that is about neither a task nor a case."""
    headers = dict(headers_of(message))
    kind = headers["ce_type"].split(b".")[1]
    if kind not in (b"task", b"case"):
        return None
    data = _read_input(message.value() or b"")
    done = {"response": data.responded_at, "resolution": data.resolved_at, "completion": data.completed_at, "due": data.completed_at}
    own = ("due",) if kind == b"task" else ("response", "resolution", "completion")
    started_at = (data.triggered_at or data.planned_at) if kind == b"task" else data.opened_at
    assert started_at is not None
    return Logged(
        headers["ce_subject"].decode(),
        int(headers["ce_revision"]),
        _header_moment(headers["ce_time"]),
        message.timestamp()[1] * 1000,
        data.state,
        micros_of(started_at),
        micros_of(data.due_at) if data.due_at is not None and kind == b"task" else None,
        {name: micros_of(at) for name in own if (at := done[name]) is not None},
        data.waiting_for_customer,
        data.subject,
        data.priority,
    )


def alert(message: Message) -> Alert:
    """An event on `casestream.sla`."""
    headers = dict(headers_of(message))
    data = _read_output(message.value() or b"")
    return Alert(
        headers["ce_id"].decode(),
        headers["ce_type"].decode().split(".")[2],
        data.item_id,
        data.kind,
        int(headers["ce_revision"]),
        data.rung,
        data.repetition,
        micros_of(data.due_at),
        micros_of(data.fired_at),
        data.late,
        data.outcome,
    )


def _firings(alerts: list[Alert]) -> Iterator[tuple[Moment, Moment]]:
    """Moments of a partition, each with when it was fired, that its timers came to in order: of what fell due together on an item, its
    timer came up for the earliest, whose moment an alert does not tell."""
    rungs = [told for told in alerts if told.type in ("due-soon", "overdue")]
    together = Counter((told.item, told.fired_at) for told in rungs)
    for told in rungs:
        if told.type == "overdue" and told.repetition == 0 and together[told.item, told.fired_at] == 1:
            yield told.due_at, told.fired_at


def judge(kafka: str, prefix: str, document: dict[str, object], weather: Weather, until: Moment) -> Verdict:
    """Read everything back, and hold what was told against what had to be."""
    rules, verdict = Rules.of(document), Verdict()
    for number in range(topics.PARTITIONS):
        alerts = [told for message in read_partition(kafka, prefix + topics.SLA, number) if (told := alert(message)).fired_at <= until]
        verdict.check_stream(alerts)
        here = weather.over(_firings(alerts))
        by_item: dict[str, list[Alert]] = {}
        for told in alerts:
            by_item.setdefault(told.item, []).append(told)
        for name in (topics.CASES, topics.TASKS):
            events = [event for message in read_partition(kafka, prefix + name, number) if (event := logged(message)) is not None]
            events.sort(key=attrgetter("item"))
            for item, own in groupby(events, attrgetter("item")):
                verdict.check_item(list(own), by_item.pop(item, []), rules, here, until, LATE_AFTER)
        verdict.problems += [f"told of what no event tells: {told}" for told in by_item.values()]
    return verdict
