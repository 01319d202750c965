"""The role `receive` on a real Kafka: what a mail server was told is taken is on Kafka once, and what was not it sends again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import smtplib
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from services.ingest.handlers.mails import MailIntake
from services.ingest.worker.receive import Reception
from shared.messaging.direct import DirectPublisher
from shared.messaging.kafka import Producer, producer_settings
from shared.messaging.reference import StaticReference
from shared.schemas.envelope import Event
from shared.schemas.events import ConfigurationPublished
from tests.service.ingest.conftest import Ingest
from tests.support.configuration import METHODS, a_configuration
from tests.support.mails import ordinary_mails, raw_mail
from tests.support.receiver import ACCOUNT, SENDER, Running, receiving
from tests.support.waiting import eventually

PROJECT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DIES_AFTER_PUBLISHING = """
import os
from services.ingest.handlers.mails import MailIntake
from services.ingest.settings import ReceiveSettings
from services.ingest.worker.receive import run

publish = MailIntake.deliver_mails

def publish_and_die(*arguments):
    publish(*arguments)
    os.kill(os.getpid(), 9)

MailIntake.deliver_mails = publish_and_die
run(ReceiveSettings.load())
"""


@contextlib.contextmanager
def receiving_into(ingest: Ingest, kafka: str = "", threads: int = 2, intake: type[MailIntake] = MailIntake) -> Iterator[Running]:
    """A receiver in front of the real intake."""
    publisher = DirectPublisher(kafka or ingest.kafka, ingest.prefix, 1.0 if kafka else 10.0)
    reception = Reception(intake(ingest.reference, ingest.objects, publisher), ingest.reference, threads)
    try:
        with receiving(reception) as running:
            yield running
    finally:
        reception.close()
        publisher.close()


def send(running: Running, *raws: bytes, to: Sequence[str] = (ACCOUNT,)) -> None:
    """Send mails over one connection; each must be taken."""
    with running.lmtp() as client:
        for raw in raws:
            assert client.sendmail(SENDER, list(to), raw) == {}


def communications(ingest: Ingest) -> dict[UUID, Event]:
    return {event.data.communication_id: event for event in ingest.published()}


@pytest.mark.requirement("COM-1", "COM-3")
def test_a_mail_handed_in_is_a_communication_of_its_account(ingest: Ingest) -> None:
    raw = raw_mail("To: repairs+flat12@housing.example", body="Water below the sink\r\n")
    with receiving_into(ingest) as running:
        send(running, raw, to=["Repairs+Flat12@Housing.example"])
        (event,) = ingest.published()
    assert (event.data.channel_account, event.data.method, event.data.text.strip()) == (
        "repairs@housing.example",
        "email",
        "Water below the sink",
    )
    assert event.data.raw is not None
    assert ingest.objects.get(event.data.raw.sha256) == f"Return-Path: <{SENDER}>\r\n".encode() + raw


@pytest.mark.requirement("EDGE-3")
def test_a_mail_sent_again_or_to_several_accounts_is_one_communication(ingest: Ingest) -> None:
    accounts = ["repairs@housing.example", "contact+x@housing.example"]
    with receiving_into(ingest) as running:
        with running.line() as line:
            line.begin(*accounts)
            line.say(raw_mail() + b"\r\n.\r\n")
            assert [line.answer()[:3] for _ in accounts] == ["250", "250"]
        (event,) = ingest.published()
        assert event.data.channel_account == ACCOUNT  # the one that the configuration lists first
        send(running, raw_mail(), b"Received: once more\r\n" + raw_mail())
    events = ingest.published()
    assert len(events) == 3
    assert {each.id for each in events} == {event.id}


@pytest.mark.requirement("COM-1")
def test_two_hundred_mails_over_eight_connections_are_two_hundred_communications(ingest: Ingest) -> None:
    mails = list(ordinary_mails(200))
    with receiving_into(ingest) as running:
        threads = [threading.Thread(target=send, args=(running, *mails[at::8])) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert running.receiver.held == 0
    assert len(ingest.published()) == 200
    assert len(communications(ingest)) == 200


class Waits(MailIntake):
    """Waits with the first delivery until it is let go, notes who came together, and breaks on one mail."""

    gate = threading.Event()
    entered = threading.Event()
    together: list[int] = []  # noqa: RUF012 - one for the class, as it is made elsewhere

    def deliver_mails(self, raws: Sequence[bytes], account: str | None, now: datetime) -> list[UUID]:
        self.together.append(len(raws))
        self.entered.set()
        assert self.gate.wait(20)
        if any(b"break us" in raw for raw in raws):
            raise ZeroDivisionError
        return super().deliver_mails(raws, account, now)


def test_mails_that_come_meanwhile_go_together_and_one_that_breaks_us_stays_alone(ingest: Ingest) -> None:
    bodies = ["first", *[f"another {number}" for number in range(5)], "break us"]
    codes: list[int] = []
    with receiving_into(ingest, threads=1, intake=Waits) as running, contextlib.ExitStack() as stack:
        lines = [stack.enter_context(running.line()) for _ in bodies]
        for number, (line, body) in enumerate(zip(lines, bodies, strict=True)):
            line.begin()
            line.say(raw_mail(f"Message-ID: <{number}@tenant.example>", body) + b"\r\n.\r\n")
            assert Waits.entered.wait(20)
        eventually(lambda: len(running.receiver._takings) == len(bodies))
        running.run(asyncio.sleep(0))  # and each has begun
        Waits.gate.set()
        codes = [int(line.answer()[:3]) for line in lines]
    assert codes == [250] * 6 + [451]
    assert Waits.together[:2] == [1, 6]
    assert len(communications(ingest)) == 6


class Bridge(socketserver.ThreadingTCPServer):
    """Lets a port lead to Kafka."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, kafka: str) -> None:
        host, _, number = kafka.rpartition(":")

        class Both(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection((host, int(number))) as far:
                    back = threading.Thread(target=_pump, args=(far, self.request), daemon=True)
                    back.start()
                    _pump(self.request, far)
                    back.join(5)

        super().__init__(("127.0.0.1", port), Both)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.mark.requirement("EDGE-3")
def test_while_kafka_is_away_the_mail_server_keeps_the_mail_and_then_it_is_taken(ingest: Ingest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with receiving_into(ingest, kafka=f"127.0.0.1:{port}") as running:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            send(running, raw_mail())
        assert (refusal.value.smtp_code, refusal.value.smtp_error) == (451, b"4.3.0 not taken just now; send it again")
        assert ingest.published() == []
        with Bridge(port, ingest.kafka) as bridge:
            threading.Thread(target=bridge.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            eventually(lambda: _is_taken(running, raw_mail()), 60)
            bridge.shutdown()
    assert len(communications(ingest)) == 1


def _is_taken(running: Running, raw: bytes) -> bool:
    try:
        send(running, raw)
    except smtplib.SMTPDataError as error:
        assert error.smtp_code == 451  # noqa: PT017 - any other is no waiting for Kafka
        return False
    return True


def test_while_files_cannot_be_kept_the_mail_server_keeps_the_mail(ingest: Ingest, tmp_path: Path) -> None:
    with receiving_into(ingest) as running:
        (tmp_path / "objects").rename(tmp_path / "gone")
        assert not _is_taken(running, raw_mail())
        (tmp_path / "gone").rename(tmp_path / "objects")
        assert ingest.published() == []
        send(running, raw_mail())
    assert len(ingest.published()) == 1


def test_an_account_that_is_nominated_no_more_is_unknown(ingest: Ingest) -> None:
    changed = a_configuration(mail_accounts=[{"address": "repairs@housing.example", "method": "email"}], methods=METHODS)
    with receiving_into(ingest) as running, running.lmtp() as client:
        client.mail(SENDER)
        assert client.rcpt(ACCOUNT)[0] == 250
        ingest.reference.__dict__.update(StaticReference(changed, version=2).__dict__)
        assert client.data(raw_mail())[0] == 550
        assert client.rcpt(ACCOUNT)[0] == 503
        client.mail(SENDER)
        assert client.rcpt(ACCOUNT)[0] == 550
    assert ingest.published() == []


class Process:
    """The role as a process."""

    def __init__(self, ingest: Ingest, folder: Path, *command: str) -> None:
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as free:
                ports.append(int(free.getsockname()[1]))
        self.port = ports[1]
        self.health = f"http://127.0.0.1:{ports[0]}/health/ready"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
        environment = {
            "CASESTREAM_KAFKA": ingest.kafka,
            "CASESTREAM_DATABASE": ingest.url,
            "CASESTREAM_TOPIC_PREFIX": ingest.prefix,
            "CASESTREAM_OBJECTS": (folder / "objects").as_uri(),
            "CASESTREAM_PORT": str(ports[0]),
            "CASESTREAM_RECEIVE_PORT": str(self.port),
            "CASESTREAM_LOG_LEVEL": "WARNING",
        }
        self.process = subprocess.Popen([sys.executable, *command], cwd=PROJECT, env=clean | environment)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def reasons(self) -> list[str] | None:
        """Why it is not ready; None while it does not answer at all."""
        assert self.process.poll() is None
        try:
            reasons: list[str] = httpx.get(self.health, trust_env=False).json()["reasons"]
        except httpx.TransportError:
            return None
        return reasons

    def lmtp(self) -> smtplib.LMTP:
        client = smtplib.LMTP("127.0.0.1", self.port)
        client.sock.settimeout(30)
        client.ehlo_or_helo_if_needed()
        return client


ROLE = ("-m", "services.ingest", "receive")


def configure(ingest: Ingest) -> None:
    """Publish the test organisation as version 1, as the desk does."""
    document = ingest.reference.configuration().model_dump(mode="json")
    data = ConfigurationPublished(version=1, digest="0", applied_by="test", applied_at=NOW, document=document)
    event = Event(uuid4(), data.event_type, "/test/desk", "configuration", NOW, 1, 1, "", "1", data)
    producer = Producer(producer_settings(ingest.kafka))
    producer.produce(ingest.prefix + data.topic, value=event.value(), key=event.key.encode(), headers=event.headers())
    assert producer.flush(20) == 0


@pytest.mark.requirement("COM-3", "EDGE-3")
def test_the_process_waits_for_its_configuration_takes_mail_and_stops_after_the_mail_in_hand(ingest: Ingest, tmp_path: Path) -> None:
    with Process(ingest, tmp_path, *ROLE) as role:
        eventually(lambda: role.reasons() == ["waiting for the configuration and directory topics"], 30)
        with role.lmtp() as client:
            client.mail(SENDER)
            assert client.rcpt(ACCOUNT) == (451, b"4.3.0 not taken just now; send it again")
        configure(ingest)
        eventually(lambda: role.reasons() == [], 30)
        with role.lmtp() as client:
            assert client.sendmail(SENDER, [ACCOUNT], raw_mail()) == {}
            client.mail(SENDER)
            client.rcpt(ACCOUNT)
            assert client.docmd("DATA")[0] == 354
            client.send(raw_mail("Message-ID: <second@tenant.example>"))
            role.process.send_signal(signal.SIGTERM)
            eventually(lambda: not _listens(role.port))
            client.send(b"\r\n.\r\n")
            assert client.getreply()[0] == 250
            assert client.getreply()[0] == 421
            client.close()
        assert role.process.wait(20) == 0
    assert len(communications(ingest)) == 2


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.requirement("EDGE-3")
def test_a_process_that_dies_between_publishing_and_answering_makes_no_second_communication(ingest: Ingest, tmp_path: Path) -> None:
    configure(ingest)
    with Process(ingest, tmp_path, "-c", DIES_AFTER_PUBLISHING) as role:
        eventually(lambda: role.reasons() == [], 30)
        client = role.lmtp()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.sendmail(SENDER, [ACCOUNT], raw_mail())
        assert role.process.wait(20) == -signal.SIGKILL
    assert len(ingest.published()) == 1
    with receiving_into(ingest) as running:
        send(running, raw_mail())
    events = ingest.published()
    assert len(events) == 2
    assert len({event.id for event in events}) == 1
