"""`casestream bench notify`: messages a second that the sender gets from the table of deliveries to an SMTP server, beside bare smtplib.

The sender is notify's own, on a real PostgreSQL and Kafka: it claims, composes, sends, records and publishes each delivery. Beside it,
smtplib sends the same ready bytes over as many connections, each in a thread, and does nothing else. The server is a process of its own
that keeps nothing. Rounds alternate, figures are medians; `ratio` is the sender's rate over smtplib's of the same run. `load` is the
machine's at the beginning: figures of a busy machine say little. Starts what it needs and removes it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import smtplib
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.mail_sink import Sink, mail_sink
from bench.pages import CLONE, sample
from bench.pipeline import say
from services.cli.stack.kafka import Kafka
from services.cli.stack.postgres import Postgres, provision
from services.cli.stack.preparation import run_module
from services.notify.consumer import handlers
from services.notify.domain.message import Written
from services.notify.gateways.relay import connector
from services.notify.handlers.composing import Composer
from services.notify.settings import SendSettings
from services.notify.storage import deliveries
from services.notify.storage.wakeup import Wakeup
from services.notify.worker import Sender
from shared.ids import derive
from shared.messaging import EventPublisher, StaticReference
from shared.messaging.topics import create_topics
from shared.observability import configure_logging
from shared.roles import collect_rarely
from shared.schemas import topics
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.schemas.events import CaseLifeCycle, CaseOpened
from shared.schemas.parts import CustomerRef
from shared.storage import Database

PATIENCE_SECONDS = 300


class Bench:
    """Both sides, on one database that is emptied before each round."""

    def __init__(self, kafka: str, url: str, sink: Sink, count: int) -> None:
        self._kafka, self._url, self._sink, self._count = kafka, url, sink, count
        self._prefix = f"bench{secrets.token_hex(3)}."
        create_topics(kafka, self._prefix, 1)
        self._reference = StaticReference(sample())
        self._openings = openings(sample(), count)
        self._database = Database(url, service="notify")

    def close(self) -> None:
        """Close what is open."""
        self._database.close()

    def _settings(self, connections: int) -> SendSettings:
        return SendSettings(
            kafka=self._kafka,
            database=self._url,
            port=0,
            topic_prefix=self._prefix,
            smtp_host="127.0.0.1",
            smtp_port=self._sink.port,
            smtp_connections=connections,
            mail_from="contact@housing.example",
        )

    def queued(self) -> None:
        """All deliveries wait, and nothing else is in the tables."""
        with self._database.transaction() as tx:
            tx.execute("truncate deliveries, outbox")
            handler = handlers(self._reference)[topics.CASES]
            state = handler.load(tx, self._openings)
            for event in self._openings:
                handler.apply[CaseOpened](state, event)
            handler.save(tx, state)
            if deliveries.count(tx) != self._count:
                raise AssertionError("not one delivery for each case")
        with self._database.transaction() as tx:
            tx.execute("analyze deliveries")

    def messages(self) -> list[Written]:
        """What the sender would send."""
        self.queued()
        composer = Composer(self._reference, "contact@housing.example")
        with self._database.transaction() as tx:
            return [composer.compose(one) for one in deliveries.claim(tx, "bench", self._count, timedelta(minutes=1))]

    def sent_by_us(self, connections: int) -> float:
        """Messages a second, until the last is recorded."""
        self.queued()
        settings = self._settings(connections)
        database = Database(self._url, pool_size=5, service="notify")
        publisher = EventPublisher(database, self._kafka, self._prefix, "notify")
        publisher.start_sweeper()
        stop = threading.Event()
        composer = Composer(self._reference, settings.mail_from)
        sender = Sender(publisher, composer, connector(settings), Wakeup(self._url), settings, "bench", stop)
        thread = threading.Thread(target=sender.run, name="sender")
        before = self._sink.taken
        started = time.perf_counter()
        thread.start()
        while self._sink.taken - before < self._count or self._unsent():
            if time.perf_counter() - started > PATIENCE_SECONDS or not thread.is_alive():
                raise TimeoutError(f"{self._sink.taken - before} of {self._count} messages sent")
            time.sleep(0.01)
        taken = time.perf_counter() - started
        stop.set()
        thread.join()
        publisher.close()
        database.close()
        if (more := self._sink.taken - before) != self._count:
            raise AssertionError(f"{more} messages sent of {self._count}")
        return self._count / taken

    def _unsent(self) -> bool:
        with self._database.read() as tx:
            return bool(tx.row("select 1 from deliveries where state <> 'sent' limit 1"))

    def sent_bare(self, messages: Sequence[Written], connections: int) -> float:
        """Messages a second by smtplib alone."""
        shares = [messages[number::connections] for number in range(connections)]
        threads = [threading.Thread(target=self._send_bare, args=(share,)) for share in shares]
        before = self._sink.taken
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - started
        if self._sink.taken - before != len(messages):
            raise AssertionError("not all messages were sent")
        return len(messages) / taken

    def _send_bare(self, share: Sequence[Written]) -> None:
        with smtplib.SMTP("127.0.0.1", self._sink.port) as smtp:
            assert smtp.sock is not None
            smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for message in share:
                smtp.sendmail(message.sender, [message.recipient], message.content)


def openings(configuration: Configuration, count: int) -> list[Event]:
    """So many customers' cases are opened; each gets a mail."""
    now = datetime.now(UTC)
    subject, unit = configuration.subjects[0].code, configuration.units[0].code
    urgency, impact = configuration.prioritisation.urgencies[0].code, configuration.prioritisation.impacts[0].code
    status = configuration.default_statuses[CaseLifeCycle.PENDING]
    made = []
    for number in range(count):
        case, communication = derive("bench case", number), derive("bench communication", number)
        data = CaseOpened(
            case_id=case,
            number=f"C-2026-{number:06d}",
            subject=subject,
            title=f"Water comes through the ceiling of flat {number}",
            communication_id=communication,
            conversation_id=communication,
            method="email",
            customer=CustomerRef(
                contact_id=derive("bench contact", number), name=f"Tenant Number {number}", email=f"tenant{number}@mail.example"
            ),
            state=CaseLifeCycle.PENDING,
            status=status,
            urgency=urgency,
            impact=impact,
            priority="high",
            unit=unit,
            opened_at=now,
        )
        trace, id = f"00-{number:032x}-{number + 1:016x}-01", derive("bench event", number)
        made.append(Event(id, data.event_type, "/bench", str(case), now, 1, 1, trace, str(case), data))
    return made


def run(folder: Path, count: int, rounds: int, connections: Sequence[int]) -> dict[str, Any]:
    """The whole benchmark."""
    load = os.getloadavg()[0]
    kafka = Kafka(folder, external=os.environ.get("CASESTREAM_KAFKA"), progress=say)
    server = Postgres(folder, progress=say)
    found: dict[str, Any] = {"messages": count, "rounds": rounds, "load": round(load, 2)}
    try:
        server.start()
        address = kafka.start()
        url = provision(server.url, "bench", {"notify": "bench"})["notify"]
        run_module(["services.notify", "migrate"], {"CASESTREAM_DATABASE": url})
        with mail_sink() as sink:
            bench = Bench(address, url, sink, count)
            messages = bench.messages()
            say(f"{count:,} messages of {sum(len(one.content) for one in messages) // count:,} bytes")
            for number in connections:
                found[f"connections_{number}"] = _compared(bench, messages, rounds, number)
            bench.close()
    finally:
        kafka.stop()
        server.stop()
    return found


def _compared(bench: Bench, messages: Sequence[Written], rounds: int, connections: int) -> dict[str, float]:
    ours, bare = [], []
    for number in range(rounds + 1):
        ours.append(bench.sent_by_us(connections))
        bare.append(bench.sent_bare(messages, connections))
        say(f"{connections} connections, round {number}: {ours[-1]:,.0f} messages a second, smtplib {bare[-1]:,.0f}")
    ours, bare = ours[1:], bare[1:]  # the first round warms up
    ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    return {"per_second": round(statistics.median(ours)), "smtplib_per_second": round(statistics.median(bare)), "ratio": round(ratio, 2)}


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(prog="casestream bench notify", description=__doc__)
    parser.add_argument("--messages", type=int, default=5000, help="in each round (default 5000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each side, after one that warms up (default 5)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4], help="(default 1 4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    configure_logging("notify", "bench", "WARNING")
    collect_rarely()  # as the service's own start does
    folder = CLONE / ".casestream" / "bench" / f"notify-{os.getpid()}"
    try:
        found = run(folder, options.messages, options.rounds, options.connections)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        if isinstance(figures, dict):
            print(f"{name:16}" + "".join(f"  {kind} {value}" for kind, value in figures.items()))
        else:
            print(f"{name:16}  {figures}")


if __name__ == "__main__":
    main()
