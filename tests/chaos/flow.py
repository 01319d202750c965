"""A flow of mails with known effects, and what is looked at afterwards: counts, caught mail, topics, outboxes."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

from services.cli.stack.errors import StackError
from services.cli.stack.platform import Stack
from services.cli.stack.postgres import with_database
from shared.messaging.kafka import consumer_settings, headers_of
from shared.schemas import topics
from tests.support import eventually

BATCH = 25
GIVE_UP_SECONDS = 180.0
ACCOUNTS = ("contact@housing.example", "repairs@housing.example")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mail, and what one of it makes under config/housing.yaml."""

    name: str
    subject_line: str
    text: str
    cases: int
    tasks: int


KINDS = (
    Kind("enquiry", "When is the library open", "Please tell me about the opening hours.", 1, 3),
    Kind("leak", "A leak", "There is a leak under our sink.", 1, 4),
    Kind("both", "A leak and noisy neighbours", "A leak under our sink, and loud music all night.", 2, 8),
)


def a_mail(kind: Kind, tag: str, number: int) -> bytes:
    """A mail of this kind, a conversation and a sender of its own."""
    return (
        f"From: Tenant {number} <tenant.{tag}.{number}@mail.example>\r\n"
        f"To: contact@housing.example\r\n"
        f"Subject: {kind.subject_line}, {tag} {number}\r\n"
        f"Message-ID: <{tag}.{number}@mail.example>\r\n"
        f"Date: Mon, 12 Jan 2026 08:00:00 +0000\r\n\r\n"
        f"{kind.text}\r\n"
    ).encode()


def mails(count: int, tag: str) -> tuple[list[bytes], Counter[str]]:
    """`count` different mails, and how many there are of each kind."""
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    return [a_mail(kind, tag, number) for number, kind in enumerate(kinds)], Counter(kind.name for kind in kinds)


def expected(before: Counter[str], of_one: dict[str, Counter[str]], kinds: Counter[str]) -> Counter[str]:
    """The counts once mails of these kinds had all their effects."""
    total = Counter(before)
    for name, count in kinds.items():
        for what, each in of_one[name].items():
            total[what] += each * count
    return total


def counts_of(stack: Stack) -> Counter[str] | None:
    """What the services have recorded; nothing while one of them does not answer."""
    try:
        found = stack.counts()
    except StackError:
        return None
    return Counter({name: count for name, count in found.items() if name != "timers"})


def settled_counts(stack: Stack, wanted: Callable[[Counter[str]], bool], timeout: float, caught: bool = True) -> Counter[str]:
    """The counts once they are as wanted, and (`caught`) every delivery is in the mail folder."""

    def settled() -> Counter[str] | None:
        found = counts_of(stack)
        assert found is not None, "a service does not answer"
        assert wanted(found), f"counts: {dict(found)}"
        if caught:
            different = len(message_ids(stack))
            assert different >= found["deliveries"], f"{different} different messages caught of {found['deliveries']}"
        return found

    return eventually(settled, timeout, 0.5)


def calibrate(stack: Stack) -> dict[str, Counter[str]]:
    """What one mail of each kind makes, found by sending one in a calm platform and checked against what the configuration says."""
    of_one: dict[str, Counter[str]] = {}
    for kind in KINDS:
        before = settled_counts(stack, lambda _: True, 60)
        wanted = before + Counter(communications=1, cases=kind.cases, tasks=kind.tasks)
        stack.deliver([a_mail(kind, f"calm-{secrets.token_hex(3)}", 0)], ACCOUNTS[0])

        def arrived(found: Counter[str], wanted: Counter[str] = wanted) -> bool:
            return all(found[name] == wanted[name] for name in ("communications", "cases", "tasks"))

        settled_counts(stack, arrived, 120)
        after = Counter(quiet_counts(stack))
        after.subtract(before)
        of_one[kind.name] = +after
        assert of_one[kind.name]["deliveries"] > kind.cases, "somebody is told of a task, and the customer of the case"
    return of_one


def quiet_counts(stack: Stack, caught: bool = True) -> Counter[str]:
    """The counts when the consumers have nothing left to read and nothing waits to be published."""

    def is_quiet() -> bool:
        left, waiting = unread(stack), outbox_sizes(stack)
        assert not left, f"not yet read: {left}"
        assert not any(waiting.values()), f"not yet published: {waiting}"
        return True

    eventually(is_quiet, 90, 0.3)
    return settled_counts(stack, lambda _: True, 60, caught)


def unread(stack: Stack) -> dict[str, int]:
    """How many messages the services that act on events have still to take in, by service."""
    left: Counter[str] = Counter()
    read = {
        "case": (topics.COMMUNICATIONS, topics.TASKS, topics.SLA),
        "task": (topics.CASES, topics.SLA),
        "notify": (topics.CASES, topics.TASKS, topics.SLA),
    }
    with reader(stack) as consumer:
        ends = {
            (name, number): consumer.get_watermark_offsets(TopicPartition(stack.prefix + name, number), timeout=10)[1]
            for name in {name for names in read.values() for name in names}
            for number in range(topics.TOPICS[name].partitions)
        }
    for service, names in read.items():
        positions = {
            (str(topic), int(str(number))): int(str(offset))
            for topic, number, offset in rows(stack, f"select topic, partition, next_offset from {service}_service.offsets")
        }
        for place, end in ends.items():
            # The last offset of a transaction's topic is its marker, which nobody consumes.
            marker = 1 if place[0] == topics.SLA else 0
            left[service] += max(0, end - positions.get(place, 0) - marker) if place[0] in names else 0
    return {service: count for service, count in left.items() if count}


def outbox_sizes(stack: Stack) -> dict[str, int]:
    """How many events each service has still to publish."""
    services = ("ingest", "case", "task", "notify", "desk")
    return {service: int(str(rows(stack, f"select count(*) from {service}_service.outbox")[0][0])) for service in services}


def rows(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    """A look into the services' database."""
    with psycopg.connect(with_database(stack.postgres.url, stack.postgres.database)) as connection:
        return connection.execute(statement.encode()).fetchall()


@contextlib.contextmanager
def reader(stack: Stack) -> Iterator[Consumer]:
    """A consumer outside the services' groups."""
    consumer = Consumer(consumer_settings(stack.kafka.bootstrap, f"look-{uuid.uuid4()}", None))
    try:
        yield consumer
    finally:
        consumer.close()


def message_ids(stack: Stack) -> Counter[str]:
    """How often each Message-ID was caught."""
    parser = BytesHeaderParser()
    found: Counter[str] = Counter()
    for file in stack.mail_folder.glob("*.eml"):
        with file.open("rb") as content:
            found[str(parser.parse(content)["Message-ID"])] += 1
    return found


@dataclass(frozen=True, slots=True)
class OnTopic:
    """An event as it lies on a topic."""

    id: str
    type: str
    subject: str
    revision: int
    at: datetime
    """When it was given to Kafka."""


def events_on(stack: Stack, topic: str) -> list[OnTopic]:
    """Every committed event of a topic, partition by partition in order."""
    found: list[OnTopic] = []
    with reader(stack) as consumer:
        for number in range(topics.TOPICS[topic].partitions):
            place = TopicPartition(stack.prefix + topic, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            position = 0
            while position < end:
                # The markers of transactions have offsets too, so the position says when all was read.
                for message in consumer.consume(1000, 0.5):
                    assert message.error() is None, message.error()
                    headers = dict(headers_of(message))
                    found.append(
                        OnTopic(
                            headers["ce_id"].decode(),
                            headers["ce_type"].decode(),
                            headers["ce_subject"].decode(),
                            int(headers["ce_revision"]),
                            datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
                        )
                    )
                position = max(position, consumer.position([place])[0].offset)
    return found


def check_revisions(events: Sequence[OnTopic]) -> int:
    """Each aggregate's revisions came out one after the other from 1, without gap; a repeat is the same event again.

    Returns how many repeats there were.
    """
    last: dict[str, int] = {}
    ids: dict[tuple[str, int], str] = {}
    repeats = 0
    for event in events:
        known = ids.setdefault((event.subject, event.revision), event.id)
        assert known == event.id, f"two events share a revision: {event}, {known}"
        before = last.get(event.subject, 0)
        if event.revision <= before:
            repeats += 1
            continue
        assert event.revision == before + 1, f"revision {before} is followed by {event}"
        last[event.subject] = event.revision
    return repeats


class Delivery:
    """Delivers mails twice, to two accounts from two ends at once, in the background while the block runs.

    `progress` counts batches that were begun.
    """

    def __init__(self, stack: Stack, raws: Sequence[bytes]) -> None:
        self._stack = stack
        self._batches = [list(raws[start : start + BATCH]) for start in range(0, len(raws), BATCH)]
        self.total = 2 * len(self._batches)
        self.progress = 0
        self.allowed = 0
        self.ids: set[str] = set()
        self._ended = False
        self._turn = threading.Condition()
        self._pool = ThreadPoolExecutor(2)
        orders = (self._batches, list(reversed(self._batches)))
        self._runs = [self._pool.submit(self._run, order, account) for order, account in zip(orders, ACCOUNTS, strict=True)]

    def _run(self, order: Sequence[list[bytes]], account: str) -> None:
        for batch in order:
            with self._turn:
                self._turn.wait_for(lambda: self._ended or self.progress < self.allowed)
                if self._ended:
                    return
                self.progress += 1
            taken = self._deliver(batch, account)
            with self._turn:
                self.ids |= {str(one["id"]) for one in taken}

    def _deliver(self, batch: list[bytes], account: str) -> list[dict[str, Any]]:
        """As a mail server: again and again while ingest is away, or has not got Kafka's word."""
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return self._stack.deliver(batch, account)
            except StackError:
                if self._ended or time.monotonic() > give_up_at:
                    raise

    def go_on(self, batches: int) -> None:
        """Allow so many batches more."""
        with self._turn:
            self.allowed += batches
            self._turn.notify_all()

    def finish(self) -> set[str]:
        """Deliver the rest; the ids of the communications."""
        self.go_on(self.total)
        for run in self._runs:
            run.result(GIVE_UP_SECONDS + 60)
        return self.ids

    def __enter__(self) -> Delivery:
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._ended = True
            self._turn.notify_all()
        self._pool.shutdown()
