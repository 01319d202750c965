"""The bare bound: the rows and messages of one email, pushed through Kafka and PostgreSQL by loops that decide nothing.

Per email: 1 communication, 1 contact, 1 case, 3 tasks, 3 timers, 3 deliveries, inbox rows, and outbox rows in and out; four loops in four
processes, in batches, as fast as the drivers go. No service of this product can be faster than this on the same machine.
"""

from __future__ import annotations

import heapq
import multiprocessing
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from typing import Any

import orjson
import psycopg
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.messaging.kafka import consumer_settings, producer_settings

TABLES = """
create table inbox_case (id uuid primary key);
create table inbox_task (id uuid primary key);
create table contacts (handle text primary key);
create table communications (id uuid primary key, subject_line text, body text);
create table cases (id uuid primary key, communication uuid, subject text, state text);
create index on cases (state);
create table tasks (id uuid primary key, case_id uuid, title text, state text, due_at timestamptz, owner text);
create index on tasks (owner, due_at);
create index on tasks (case_id);
create table outbox_case (id uuid primary key, aggregateid uuid, payload jsonb);
create table outbox_task (id uuid primary key, aggregateid uuid, payload jsonb);
create table deliveries (id uuid primary key, state text);
"""
TASKS = 3
BODY = "The tap leaks. " * 60


class Loop:
    """What every loop of the bound has: a consumer, a producer, a connection."""

    def __init__(self, kafka: str, database: str, topic: str) -> None:
        self.consumer = Consumer(consumer_settings(kafka, f"{topic}-{secrets.token_hex(4)}", None))
        self.consumer.subscribe([topic])
        self.producer = Producer(producer_settings(kafka))
        self.connection = psycopg.connect(database)

    def batch(self, size: int) -> list[bytes]:
        """The values of the next messages."""
        first: Message | None = None
        while first is None:
            first = self.consumer.poll(0.5)
        return [message.value() or b"" for message in [first, *self.consumer.consume(size - 1, 0)]]

    def publish(self, topic: str, keys: Sequence[str], values: Sequence[bytes], outbox: str) -> None:
        """After the commit: send, wait, and take the rows out of the outbox."""
        for key, value in zip(keys, values, strict=True):
            self.producer.produce(topic, value, key=key.encode())
        self.producer.flush()
        self.connection.execute(f"delete from {outbox} where aggregateid = any(%s::uuid[])".encode(), (list(set(keys)),))
        self.connection.commit()


def case_loop(kafka: str, database: str, prefix: str, count: int, _done: Queue[float]) -> None:
    """Communications become a contact and a case each."""
    loop, seen = Loop(kafka, database, prefix + "a"), 0
    cursor = loop.connection.cursor()
    while seen < count:
        mails = [orjson.loads(value) for value in loop.batch(500)]
        ids = [mail["id"] for mail in mails]
        cursor.execute("insert into inbox_case select unnest(%s::uuid[]) on conflict do nothing", (ids,))
        cursor.execute("insert into contacts select unnest(%s::text[]) on conflict do nothing", (sorted(mail["from"] for mail in mails),))
        texts = ([mail["subject"] for mail in mails], [mail["text"] for mail in mails])
        cursor.execute("insert into communications select * from unnest(%s::uuid[], %s::text[], %s::text[])", (ids, *texts))
        cases = [str(uuid.uuid4()) for _ in mails]
        cursor.execute("insert into cases select a, b, 's', 'pending' from unnest(%s::uuid[], %s::uuid[]) t(a, b)", (cases, ids))
        values = [orjson.dumps({"id": case, "mail": mail["id"], "more": "y" * 300}) for case, mail in zip(cases, mails, strict=True)]
        outbox = ([str(uuid.uuid4()) for _ in cases], cases, [value.decode() for value in values])
        cursor.execute("insert into outbox_case select a, b, c::jsonb from unnest(%s::uuid[], %s::uuid[], %s::text[]) t(a, b, c)", outbox)
        loop.connection.commit()
        loop.publish(prefix + "b", cases, values, "outbox_case")
        seen += len(mails)


def task_loop(kafka: str, database: str, prefix: str, count: int, _done: Queue[float]) -> None:
    """Cases become three tasks each."""
    loop, seen = Loop(kafka, database, prefix + "b"), 0
    cursor = loop.connection.cursor()
    while seen < count:
        found = [orjson.loads(value)["id"] for value in loop.batch(500)]
        cursor.execute("insert into inbox_task select unnest(%s::uuid[]) on conflict do nothing", (found,))
        cases = [case for case in found for _ in range(TASKS)]
        tasks = [str(uuid.uuid4()) for _ in cases]
        cursor.execute(
            "insert into tasks select a, b, 'title', 'pending', now(), 'ann' from unnest(%s::uuid[], %s::uuid[]) t(a, b)", (tasks, cases)
        )
        values = [orjson.dumps({"id": task, "case": case, "more": "y" * 250}) for task, case in zip(tasks, cases, strict=True)]
        outbox = ([str(uuid.uuid4()) for _ in tasks], cases, [value.decode() for value in values])
        cursor.execute("insert into outbox_task select a, b, c::jsonb from unnest(%s::uuid[], %s::uuid[], %s::text[]) t(a, b, c)", outbox)
        loop.connection.commit()
        loop.publish(prefix + "c", cases, values, "outbox_task")
        seen += len(found)


def notify_loop(kafka: str, database: str, prefix: str, count: int, done: Queue[float]) -> None:
    """Tasks become a delivery each."""
    loop, seen = Loop(kafka, database, prefix + "c"), 0
    while seen < TASKS * count:
        found = [orjson.loads(value)["id"] for value in loop.batch(1000)]
        loop.connection.execute("insert into deliveries select unnest(%s::uuid[]), 'queued' on conflict do nothing", (found,))
        loop.connection.commit()
        seen += len(found)
    done.put(time.monotonic())


def timer_loop(kafka: str, database: str, prefix: str, count: int, done: Queue[float]) -> None:
    """Tasks become a timer each, in memory and in a changelog."""
    loop, seen = Loop(kafka, database, prefix + "c"), 0
    timers: list[tuple[float, str]] = []
    while seen < TASKS * count:
        values = loop.batch(2000)
        for value in values:
            task = orjson.loads(value)["id"]
            heapq.heappush(timers, (time.time() + 3600, task))
            loop.producer.produce(prefix + "timers", value, key=task.encode())
        loop.producer.flush()
        seen += len(values)
    done.put(time.monotonic())


LOOPS: tuple[Callable[[str, str, str, int, Queue[float]], None], ...] = (case_loop, task_loop, notify_loop, timer_loop)


def bound_per_second(kafka: str, admin_url: str, count: int) -> float:
    """Emails per second of the bare bound, over `count` emails, on this Kafka and a database of its own on this server."""
    name = f"bound_{secrets.token_hex(4)}"
    prefix = f"{name}."
    with psycopg.connect(admin_url, autocommit=True) as server:
        server.execute(f"create database {name}".encode())
    database = psycopg.conninfo.make_conninfo(admin_url, dbname=name)
    with psycopg.connect(database) as connection:
        connection.execute(TABLES.encode())
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(prefix + topic, 8, 1) for topic in ("a", "b", "c", "timers")]).values():
        future.result()
    context = multiprocessing.get_context("spawn")
    done: Any = context.Queue()
    processes = [context.Process(target=loop, args=(kafka, database, prefix, count, done)) for loop in LOOPS]
    try:
        for process in processes:
            process.start()
        time.sleep(5)  # all have joined their groups: starting is not what is measured
        producer = Producer(producer_settings(kafka))
        started = time.monotonic()
        for number in range(count):
            mail = {"id": str(uuid.uuid4()), "from": f"u{number % 5000}@tenant.example", "subject": f"Leaking tap {number}", "text": BODY}
            producer.produce(prefix + "a", orjson.dumps(mail), key=str(number).encode())
            if number % 500 == 0:
                producer.poll(0)
        producer.flush()
        ended = max(done.get(timeout=300), done.get(timeout=300))
        for process in processes:
            process.join(30)
    finally:
        for process in processes:
            process.kill()
        for topic in ("a", "b", "c", "timers"):
            admin.delete_topics([prefix + topic])[prefix + topic].result()
        with psycopg.connect(admin_url, autocommit=True) as server:
            server.execute(f"drop database {name} with (force)".encode())
    return count / (ended - started)
