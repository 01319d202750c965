"""`casestream bench timers`: sla's stream, whole and on a real Kafka, beside a bare read and beside what others would use.

- changes: events taken in a second, of tasks (new timers, then assignments, moved due times and completions) and of cases with all their
  clocks, against faust-streaming's table agent on such events, which makes the same update by the same rules
- recovery: a fresh process reads all timers back, against a bare loop that reads the same topic into a heap
- lateness: 100,000 tasks fall due within one second; measured where their alerts arrive, against procrastinate and APScheduler
- memory: what a fresh process grows by for each timer that it reads back

The peers' figures are those that `python -m bench.peers.measure` recorded, but for faust-streaming's, which is measured in every run;
`--peers` measures all of them again.

Starts a Kafka and a PostgreSQL of its own and removes them, unless CASESTREAM_KAFKA and CASESTREAM_DATABASE name some.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import secrets
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from heapq import heapify
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from bench.clock_events import LIFE, TaskEvents, a_month_away, write_cases
from bench.peers import RECORDED, python_of_peers, run_peer
from services.cli.stack.kafka import Kafka
from services.cli.stack.postgres import Postgres, with_database
from services.sla import metrics
from services.sla.domain.packing import NEVER, next_at_of
from services.sla.handlers.policies import build_policy
from services.sla.settings import Settings
from services.sla.stream.letters import Letters
from services.sla.stream.loop import Stream
from shared.messaging import StaticReference
from shared.messaging.kafka import Consumer, consumer_settings
from shared.messaging.topics import create_topics
from shared.messaging.transactional import OFFSET_BEGINNING, TopicPartition, changelog_reader, is_end
from shared.observability import configure_logging
from shared.roles import collect_rarely
from shared.schemas import topics
from shared.schemas.configuration.check import check_configuration
from shared.schemas.events import TaskAssigned, TaskDueChanged, TaskLifeCycle, TaskStatusChanged, TaskTriggered
from shared.storage import Database
from shared.storage.migration import migrate

CLONE = Path(__file__).resolve().parents[1]
FOLDER = CLONE / ".casestream" / "bench"
SAMPLE = CLONE / "config" / "housing.yaml"
MIGRATIONS = CLONE / "services" / "sla" / "storage" / "migrations"
DEADLINE_SECONDS = 600


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def platform() -> Iterator[tuple[str, str, str]]:
    """Kafka's address, PostgreSQL's URL, and that of sla's own role; for this run alone where nobody gave any."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="timers-", dir=FOLDER))
    kafka = Kafka(folder, external=os.environ.get("CASESTREAM_KAFKA"), progress=say)
    postgres = Postgres(folder, external=os.environ.get("CASESTREAM_DATABASE"), progress=say)
    try:
        bootstrap, _ = kafka.start(), postgres.start()
        own = postgres.provision()["sla"]
        migrate("sla_service", MIGRATIONS, own)
        yield bootstrap, postgres.url, own
    finally:
        postgres.stop()
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)


# The stream, in a process of its own


def stream_process(kafka: str, database: str, prefix: str, pipe: Connection) -> None:
    """Run sla's stream. On `count` it tells how many messages it has taken in and committed; ends on anything else."""
    configure_logging("sla", "bench", "WARNING")
    collect_rarely()  # as the service's own start does
    configuration = check_configuration(SAMPLE.read_text()).configuration
    assert configuration is not None
    settings = Settings(kafka=kafka, database=database, port=0, topic_prefix=prefix)
    stop = threading.Event()
    before = psutil.Process().memory_info().rss
    stream = Stream(settings, StaticReference(configuration), Letters(Database(database, 1, "sla")), stop)
    runner = threading.Thread(target=stream.run)
    runner.start()
    while stream.problems() and runner.is_alive():
        time.sleep(0.01)
    recovered = metrics.RECOVERY_SECONDS._value.get()
    grown = psutil.Process().memory_info().rss - before
    pipe.send({"recovery_seconds": recovered, "bytes": grown, "timers": sum(len(h.partition.timers) for h in stream.held.values())})
    while pipe.recv() == "count":
        taken = sum(sum(h.read_to.values()) for h in stream.held.values() if h.partition.is_settled)
        pipe.send((taken, time.monotonic(), runner.is_alive()))
    stop.set()
    runner.join()


@contextmanager
def running_stream(kafka: str, database: str, prefix: str) -> Iterator[tuple[Connection, dict[str, Any]]]:
    """A stream, its pipe, and what it told once it was ready."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=stream_process, args=(kafka, database, prefix, theirs))
    process.start()
    theirs.close()
    try:
        yield ours, ours.recv()
        ours.send("end")
        process.join(60)
    finally:
        if process.is_alive():
            process.kill()


def seconds_until(pipe: Connection, wanted: int) -> float:
    """How long the stream takes to have taken in `wanted` messages, from its first."""
    started: float | None = None
    until = time.monotonic() + DEADLINE_SECONDS
    first = 0
    while time.monotonic() < until:
        pipe.send("count")
        count, at, is_alive = pipe.recv()
        if not is_alive:
            raise RuntimeError("the stream has stopped")
        if started is None and count > 0:
            started, first = at, count
        if started is not None and count >= wanted:
            return float((at - started) * wanted / max(1, wanted - first)) if wanted > first else float(at - started)
        time.sleep(0.02)
    raise TimeoutError(f"the stream took in {count} of {wanted} messages in {DEADLINE_SECONDS} s")


# Measuring


def measure_changes(kafka: str, database: str, prefix: str, timers: int, changes: int) -> dict[str, Any]:
    """The stream's rate over `timers` new tasks and `changes` further events on them."""
    say(f"writing {timers:,} tasks and {changes:,} changes to them")
    total = write_tasks(kafka, prefix, timers, changes)
    say("taking them in")
    with running_stream(kafka, database, prefix) as (pipe, _):
        seconds = seconds_until(pipe, total)
    return {"changes_per_second": round(total / seconds)}


def write_tasks(kafka: str, prefix: str, timers: int, changes: int) -> int:
    """New tasks, then what happens to some of them. Returns how many events."""
    events = TaskEvents(kafka, prefix)
    total = events.send(TaskTriggered, range(timers), 1, a_month_away)
    touched = range(min(changes // 4, timers))
    total += events.send(TaskAssigned, touched, 2, a_month_away, assignee="paul")
    total += events.send(TaskDueChanged, touched, 3, lambda n: a_month_away(n + 86_400), assignee="paul")
    progress = {"assignee": "paul", "state": TaskLifeCycle.IN_PROGRESS}
    total += events.send(TaskStatusChanged, touched, 4, lambda n: a_month_away(n + 86_400), **progress)
    done = {"assignee": "paul", "state": TaskLifeCycle.COMPLETED, "completed_at": datetime.now(UTC)}
    return total + events.send(TaskStatusChanged, touched, 5, lambda n: a_month_away(n + 86_400), **done)


def measure_ledgers(kafka: str, database: str, prefix: str, cases: int) -> dict[str, Any]:
    """The stream's rate over lives of cases: opened, waiting for the customer, going on, answered, completed, each with all its clocks."""
    own = f"{prefix}cases."
    create_topics(kafka, own, 1)
    say(f"writing {cases:,} cases with {cases * len(LIFE):,} events")
    total = write_cases(kafka, own, cases)
    say("taking them in")
    with running_stream(kafka, database, own) as (pipe, _):
        seconds = seconds_until(pipe, total)
    return {"case_changes_per_second": round(total / seconds)}


def measure_faust(kafka: str, prefix: str, python: Path, events: int) -> dict[str, float]:
    """faust-streaming's rates over events of the same kinds in the same shares, of tasks and of cases, by the same rules."""
    topic = f"{prefix}faust."
    create_topics(kafka, topic, 1)
    tasks = write_tasks(kafka, topic, events * 5 // 6, events // 6)
    cases = write_cases(kafka, topic, events // len(LIFE))
    configuration = check_configuration(SAMPLE.read_text()).configuration
    assert configuration is not None
    rules = FOLDER / f"{prefix}rules"
    rules.write_bytes(pickle.dumps(build_policy(configuration)))
    found = {}
    for name, count in ((topics.TASKS, tasks), (topics.CASES, cases)):
        told = run_peer(python, "faust_table.py", kafka, topic + name, f"faust-{secrets.token_hex(3)}", count, topics.PARTITIONS, rules)
        found[name] = told["events"] / told["seconds"]
    rules.unlink()
    return {"faust_changes_per_second": round(found[topics.TASKS]), "faust_case_changes_per_second": round(found[topics.CASES])}


def bare_read(kafka: str, topic: str, pipe: Connection) -> None:
    """Read the changelog into a heap with nothing around it: the least that could be called recovery."""
    started = time.monotonic()
    reader = changelog_reader(kafka)
    reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(topics.PARTITIONS)])
    ends = 0
    table: dict[bytes, bytes] = {}
    while ends < topics.PARTITIONS:
        first = reader.poll(30)
        for message in [first, *reader.consume(10_000, 0)] if first is not None else []:
            if (error := message.error()) is not None:
                ends += is_end(error)
            elif (value := message.value()) is not None:
                table[message.key()] = value  # type: ignore[index,assignment]
    heap = [(at, key) for key, value in table.items() if (at := next_at_of(value)) != NEVER]
    heapify(heap)
    pipe.send((time.monotonic() - started, len(heap)))
    reader.close()


def measure_recovery(kafka: str, database: str, prefix: str) -> dict[str, Any]:
    """A fresh process's recovery, against the bare read, each the median of three."""
    bare, ours, size = [], [], {}
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        receiving, sending = multiprocessing.Pipe()
        process = context.Process(target=bare_read, args=(kafka, prefix + topics.SLA_TIMERS, sending))
        process.start()
        seconds, timers = receiving.recv()
        process.join()
        bare.append(seconds)
        with running_stream(kafka, database, prefix) as (_, told):
            ours.append(told["recovery_seconds"])
            size = told
    say(f"{size['timers']:,} timers back in {statistics.median(ours):.2f} s; a bare read of {timers:,} in {statistics.median(bare):.2f} s")
    return {
        "recovered_timers": size["timers"],
        "recovery_seconds": round(statistics.median(ours), 3),
        "bare_read_seconds": round(statistics.median(bare), 3),
        "recovery_ratio": round(statistics.median(ours) / statistics.median(bare), 2),
        "bytes_per_timer": round(size["bytes"] / max(1, size["timers"])),
    }


def measure_lateness(kafka: str, database: str, prefix: str, due: int) -> dict[str, Any]:
    """From the due moment to the arrival of the overdue alert, with all the other timers in the heap."""
    reader = Consumer(consumer_settings(kafka, f"{prefix}bench-alerts", None) | {"fetch.wait.max.ms": 5})
    reader.assign([TopicPartition(prefix + topics.SLA, number, OFFSET_BEGINNING) for number in range(topics.PARTITIONS)])
    with running_stream(kafka, database, prefix) as (pipe, _):
        first = datetime.now(UTC) + timedelta(seconds=20 + due / 4_000)
        tasks = range(10**9, 10**9 + due)
        TaskEvents(kafka, prefix).send(TaskTriggered, tasks, 1, lambda n: first + timedelta(seconds=(n - 10**9) / due))
        late: list[float] = []
        until = time.monotonic() + 120 + due / 1_000
        while len(late) < due and time.monotonic() < until:
            message = reader.poll(1)
            batch = [message, *reader.consume(5_000, 0)] if message is not None else []
            at = time.time()
            for alert in batch:
                value = alert.value()
                if b'"rung":"overdue"' in (value or b""):  # type: ignore[operator]
                    late.append(at - datetime.fromisoformat(json.loads(value)["due_at"]).timestamp())  # type: ignore[arg-type]
        pipe.send("count")
        pipe.recv()
    reader.close()
    if len(late) != due:
        raise AssertionError(f"{len(late)} alerts for {due} tasks")
    return _percentiles("", late)


def _percentiles(name: str, lateness: list[float]) -> dict[str, Any]:
    ordered = sorted(lateness)
    return {
        f"{name}lateness_p50_s": round(ordered[len(ordered) // 2], 3),
        f"{name}lateness_p99_s": round(ordered[int(len(ordered) * 0.99)], 3),
    }


def measure_peer_lateness(database: str, python: Path, due: int) -> dict[str, Any]:
    """The same of the schedulers that keep their jobs in PostgreSQL."""
    found: dict[str, Any] = {}
    ahead = 60 + due / 550
    for name in ("procrastinate", "apscheduler"):
        say(f"{due:,} jobs of {name}")
        told = run_peer(python, f"{name}_due.py", with_database(database, "postgres"), due, ahead, timeout=3_600)
        found |= _percentiles(f"{name}_", told["lateness"]) | {f"{name}_fired": len(told["lateness"])}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="casestream bench timers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--timers", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=200_000, help="Further events on them.")
    parser.add_argument("--cases", type=int, default=40_000, help="Cases whose lives are taken in, five events each.")
    parser.add_argument("--due", type=int, default=100_000, help="How many fall due within one second.")
    parser.add_argument("--faust-events", type=int, default=20_000)
    peers = parser.add_mutually_exclusive_group()
    peers.add_argument("--without-peers", action="store_true", help="Ours alone.")
    peers.add_argument("--peers", action="store_true", help="Measure the schedulers again too, instead of taking what was recorded.")
    parser.add_argument("--json", action="store_true", help="One JSON object instead of lines.")
    options = parser.parse_args()
    prefix = f"bench{secrets.token_hex(3)}."
    with platform() as (kafka, server, database):
        create_topics(kafka, prefix, 1)
        result: dict[str, Any] = {"timers": options.timers, "due": options.due}
        result |= measure_changes(kafka, database, prefix, options.timers, options.changes)
        say(f"{result['changes_per_second']:,} changes/s")
        result |= measure_ledgers(kafka, database, prefix, options.cases)
        say(f"{result['case_changes_per_second']:,} changes of cases/s")
        result |= measure_recovery(kafka, database, prefix)
        result |= measure_lateness(kafka, database, prefix, options.due)
        say(f"lateness p50 {result['lateness_p50_s']} s, p99 {result['lateness_p99_s']} s")
        if not options.without_peers:
            python = python_of_peers(FOLDER / "peers")
            result |= measure_faust(kafka, prefix, python, options.faust_events)
            for name in ("changes", "case_changes"):
                rate = result[f"faust_{name}_per_second"]
                result[f"{name}_ratio_faust"] = round(result[f"{name}_per_second"] / rate, 1)
                say(f"faust: {rate:,} {name}/s")
            if options.peers:
                result |= measure_peer_lateness(server, python, options.due)
            elif RECORDED.exists():
                result |= {f"recorded_{name}": value for name, value in json.loads(RECORDED.read_text()).items()}
    if options.json:
        print(json.dumps(result))
    else:
        print(
            "\n".join(
                f"{name:40} {value:>12,}" if isinstance(value, (int, float)) else f"{name:40} {value}" for name, value in result.items()
            )
        )


if __name__ == "__main__":
    main()
