"""The bare hops of one email on its way, one by one and with nothing around them: what its latency could be at best.

Way: one HTTP request, three times through Kafka (communications, cases, tasks), four commits (case, task, the delivery queued, the delivery
claimed), one SMTP conversation on an open connection.
"""

from __future__ import annotations

import secrets
import smtplib
import statistics
import time
from collections.abc import Callable

import httpx
import psycopg
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.messaging.kafka import consumer_settings, producer_settings

KAFKA_HOPS, COMMITS = 3, 4


def median_ms(measure: Callable[[], None], rounds: int = 60) -> float:
    """The median time of `measure` in ms, after a few rounds to warm up."""
    for _ in range(5):
        measure()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        measure()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def hops_p50_ms(kafka: str, admin_url: str, http_url: str, smtp: tuple[str, int]) -> dict[str, float]:
    """The medians of the bare hops in ms, by name, and their sum over the way as `sum`."""
    found = {
        "http": _http(http_url),
        "kafka": _kafka(kafka),
        "commit": _commit(admin_url),
        "smtp": _smtp(smtp),
    }
    return found | {"sum": found["http"] + KAFKA_HOPS * found["kafka"] + COMMITS * found["commit"] + found["smtp"]}


def _http(url: str) -> float:
    with httpx.Client(trust_env=False) as client:
        return median_ms(lambda: client.get(url).raise_for_status() and None)


def _kafka(kafka: str) -> float:
    topic = f"hop-{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    consumer = Consumer(consumer_settings(kafka, topic, None))
    consumer.subscribe([topic])
    producer = Producer(producer_settings(kafka))

    def hop() -> None:
        producer.produce(topic, b"x" * 600)
        producer.flush()
        while (message := consumer.poll(1)) is None or message.error():
            pass

    try:
        return median_ms(hop)
    finally:
        consumer.close()
        admin.delete_topics([topic])[topic].result()


def _commit(admin_url: str) -> float:
    name = f"hop_{secrets.token_hex(4)}"
    with psycopg.connect(admin_url) as connection:
        connection.execute(f"create table {name} (id int, x text)".encode())
        connection.commit()

        def commit() -> None:
            connection.execute(f"insert into {name} values (1, 'x')".encode())
            connection.commit()

        try:
            return median_ms(commit)
        finally:
            connection.execute(f"drop table {name}".encode())


def _smtp(address: tuple[str, int]) -> float:
    message = b"Subject: hop\r\nTo: hop@housing.example\r\n\r\n" + b"x" * 500 + b"\r\n"
    with smtplib.SMTP(*address) as client:
        return median_ms(lambda: client.sendmail("hop@housing.example", ["hop@housing.example"], message) and None)
