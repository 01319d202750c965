"""`casestream bench pipeline`: raw emails through all services to the queued delivery, beside the bare bound of the same run.

Throughput: N raw emails (3 KB, a fifth with a 20 KB file), each opening one case with three tasks that three colleagues are told of. The
clock runs from the first request to ingest until every delivery is queued at notify and sla has read all. Sending is stopped meanwhile: it
has its own benchmark. Latency: single emails, from the request until the SMTP server has accepted the first message about them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from confluent_kafka import Consumer, TopicPartition

from bench.bound import bound_per_second
from bench.hops import hops_p50_ms
from services.cli.stack.mail_batches import as_request
from services.cli.stack.platform import SAMPLE_ACCOUNT, SAMPLE_CONFIGURATION, Stack
from shared.messaging.kafka import consumer_settings
from shared.schemas import topics
from shared.schemas.configuration.check import check_configuration
from tests.support.mails import ordinary_mails

CLONE = Path(__file__).parents[1]
BATCH = 100
TASKS = 3
SENDERS = 2


def a_configuration(folder: Path) -> Path:
    """The sample organisation with one subject for all mails: three tasks at once, each for one colleague, who gets one email."""
    sample = check_configuration(SAMPLE_CONFIGURATION.read_text()).configuration
    assert sample is not None
    document: dict[str, Any] = sample.model_dump(mode="json", exclude_defaults=True)
    users = [user["user"] for user in document["users"][:TASKS]]
    codes = [f"bench-{number}" for number in range(1, TASKS + 1)]
    document["task_definitions"] += [
        {"code": code, "name": f"Bench {code}", "complete_within": "2 working days", "owner": {"user": user}}
        for code, user in zip(codes, users, strict=True)
    ]
    document["subjects"].append({"code": "bench", "name": "Bench", "workflow": {"tasks": codes}})
    document["routing"] = {"rules": [], "default_subject": "bench"}
    document["communications"] = [c for c in document["communications"] if c["on"] == "task.triggered"]
    for template in document["templates"]:
        template["subject_line"] = "#case_number #case_title"  # what the sink knows a mail's message by
    path = folder / "configuration.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    return path


def mails(count: int, tag: str) -> Iterator[bytes]:
    """Raw mails, each a conversation of its own: bodies from a seeded corpus, identities and subjects counted."""
    corpus = list(ordinary_mails(500, seed=7))
    for number in range(count):
        head, _, body = corpus[number % len(corpus)].partition(b"\n\n")
        head = re.sub(rb"(?m)^(Message-ID|In-Reply-To|References|Subject|From):.*\n?(?:[ \t].*\n?)*", b"", head).rstrip(b"\n")
        sender = f"From: Tenant {number % 5000} <tenant{number % 5000}@mail.example>\n"
        own = f"{sender}Subject: Bench {tag}-{number}\nMessage-ID: <{tag}.{number}@mail.example>\n"
        yield own.encode() + head + b"\n\n" + body


class Sink:
    """An SMTP server that keeps when it accepted the first message about each tag."""

    def __init__(self) -> None:
        self.accepted: dict[str, float] = {}
        self.arrived = threading.Condition()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        found = re.search(rb"Bench ([a-z]+-\d+)", bytes(envelope.content or b"")[:4000])
        with self.arrived:
            if found:
                self.accepted.setdefault(found[1].decode(), time.perf_counter())
            self.arrived.notify_all()
        return "250 OK"

    def when(self, tag: str, timeout: float = 30) -> float:
        """When the first message about `tag` was accepted."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: tag in self.accepted, timeout):
                raise TimeoutError(f"no message about {tag} within {timeout} s")
            return self.accepted[tag]


def say(text: str) -> None:
    """Progress, apart from the result."""
    sys.stderr.write(text + "\n")


Request = tuple[dict[str, str], bytes]


def deliver(client: httpx.Client, url: str, token: str, request: Request) -> None:
    """One request to ingest, as `casestream mail deliver` makes it."""
    headers, body = request
    answer = client.post(url, params={"account": SAMPLE_ACCOUNT}, content=body, headers=headers | {"Authorization": f"Bearer {token}"})
    answer.raise_for_status()


def measure_latency(stack: Stack, sink: Sink, rounds: int) -> list[float]:
    """Milliseconds from the request to the SMTP server's acceptance, of single emails one after the other."""
    url, token = f"{stack.url('ingest')}/mail", stack.machine_token()
    taken = []
    with httpx.Client(trust_env=False, timeout=60) as client:
        for number, mail in enumerate(mails(rounds + 10, "single")):
            started = time.perf_counter()
            deliver(client, url, token, as_request([mail]))
            taken.append((sink.when(f"single-{number}") - started) * 1000)
    return sorted(taken[10:])


def sla_lag(kafka: str, prefix: str) -> int:
    """Messages of cases and tasks that sla has not read yet."""
    consumer = Consumer(consumer_settings(kafka, f"{prefix}casestream-sla", None))
    try:
        places = [TopicPartition(prefix + t, p) for t in (topics.CASES, topics.TASKS) for p in range(topics.PARTITIONS)]
        lag = 0
        for place in consumer.committed(places, timeout=10):
            low, high = consumer.get_watermark_offsets(place, timeout=10)
            # Transactions leave markers behind the last message: what counts as read ends before them.
            lag += max(0, high - max(place.offset, low))
        return lag
    finally:
        consumer.close()


def measure_throughput(stack: Stack, count: int) -> float:
    """Emails per second through everything."""
    say(f"making {count} mails")
    made = list(mails(count, "many"))
    requests = [as_request(made[start : start + BATCH]) for start in range(0, count, BATCH)]
    del made
    url, token = f"{stack.url('ingest')}/mail", stack.machine_token()
    admin = psycopg.connect(stack.database_url, autocommit=True)
    before = queued(admin)
    say("delivering")
    started = time.perf_counter()
    with httpx.Client(trust_env=False, timeout=120) as client, ThreadPoolExecutor(SENDERS) as pool:
        for done in pool.map(lambda request: deliver(client, url, token, request), requests):
            assert done is None
    say(f"accepted after {time.perf_counter() - started:.1f} s")
    wanted = before + TASKS * count
    while (now := newest(admin)) < wanted or (now := queued(admin)) < wanted:
        if time.perf_counter() - started > 600:
            raise TimeoutError(f"{now - before} of {wanted - before} deliveries queued after 600 s")
        time.sleep(0.1)
    say(f"all deliveries queued after {time.perf_counter() - started:.1f} s")
    while sla_lag(stack.kafka.bootstrap, stack.prefix) > 0:
        time.sleep(0.1)
    taken = time.perf_counter() - started
    admin.close()
    say(f"sla has read all after {taken:.1f} s")
    return count / taken


def queued(admin: psycopg.Connection[Any]) -> int:
    """How many deliveries there are."""
    row = admin.execute("select count(*) from notify_service.deliveries").fetchone()
    return int(row[0]) if row else 0


def newest(admin: psycopg.Connection[Any]) -> int:
    """At least as many as there are deliveries, and cheap to ask: what is measured must not wait for whoever measures."""
    row = admin.execute("select max(sequence) from notify_service.deliveries").fetchone()
    return int(row[0] or 0) if row else 0


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(count: int, rounds: int, folder: Path) -> dict[str, float]:
    """The whole benchmark on a platform of its own in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sink = Sink()
    host, port = "127.0.0.1", free_port()
    server = Controller(sink, hostname=host, port=port)
    server.start()
    variables = {"CASESTREAM_SMTP_HOST": host, "CASESTREAM_SMTP_PORT": str(port), "CASESTREAM_LOG_LEVEL": "WARNING"}
    stack = Stack(folder, configuration=a_configuration(folder), variables=variables, progress=say)
    try:
        stack.up()
        say(f"latency of {rounds} single emails")
        latencies = measure_latency(stack, sink, rounds)
        hops = hops_p50_ms(stack.kafka.bootstrap, stack.database_url, f"{stack.url('ingest')}/health/live", (host, port))
        stack.stop("notify-send-0")
        say("the bare bound")
        bounds = [bound_per_second(stack.kafka.bootstrap, stack.postgres.url, count)]
        emails = measure_throughput(stack, count)
        say("the bare bound again")
        bounds.append(bound_per_second(stack.kafka.bootstrap, stack.postgres.url, count))
    finally:
        stack.destroy()
        server.stop()
    bound = statistics.mean(bounds)
    p50 = statistics.median(latencies)
    return {
        "emails": count,
        "emails_per_second": round(emails, 1),
        "bound_per_second": round(bound, 1),
        "ratio": round(emails / bound, 3),
        "latency_p50_ms": round(p50, 2),
        "latency_p99_ms": round(latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))], 2),
        "hops_p50_ms": round(hops["sum"], 2),
        "latency_ratio": round(p50 / hops["sum"], 2),
        **{f"hop_{name}_ms": round(value, 2) for name, value in hops.items() if name != "sum"},
    }


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(prog="casestream bench pipeline", description=__doc__)
    parser.add_argument("--emails", type=int, default=20_000, help="emails through everything (default 20000)")
    parser.add_argument("--singles", type=int, default=200, help="single emails for the latency (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = run(options.emails, options.singles, CLONE / ".casestream" / "bench" / f"pipeline-{os.getpid()}")
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:20} {value:>12}")


if __name__ == "__main__":
    main()
