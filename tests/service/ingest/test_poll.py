"""Polling on a real Kafka and database, with Maildirs as channels: each account by one process at a time, nothing lost, nothing doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.settings import PollSettings
from services.ingest.worker.poll import Poller
from shared.messaging.kafka import Producer, producer_settings
from shared.schemas import topics
from shared.schemas.envelope import Event
from shared.schemas.events import ConfigurationPublished
from tests.service.ingest.conftest import NOBODY, Ingest, polling_in_a_thread
from tests.support.configuration import METHODS, a_configuration
from tests.support.dovecot import LOOPBACK, PASSWORD, Dovecot
from tests.support.mails import ordinary_mails
from tests.support.platform import CLONE
from tests.support.waiting import eventually


class Boxes:
    """Maildirs, and pollers of them."""

    def __init__(self, ingest: Ingest, folder: Path) -> None:
        self.ingest = ingest
        self.folder = folder

    def nominate(self, *names: str) -> None:
        """Make the organisation's accounts those of the Maildirs `names`, in a new version of the configuration."""
        accounts: list[dict[str, Any]] = []
        for name in names:
            for part in ("tmp", "new", "cur"):
                (self.folder / name / part).mkdir(parents=True, exist_ok=True)
            accounts.append({"address": f"{name}@housing.example", "method": "email", "fetch": {"by": "maildir", "folder": name}})
        self.configure(accounts)

    def configure(self, accounts: list[dict[str, Any]]) -> None:
        """Make these the organisation's accounts, in a new version of the configuration."""
        self.ingest.reference._configuration = a_configuration(mail_accounts=accounts, methods=METHODS)
        self.ingest.reference.version += 1

    def deliver(self, name: str, mails: list[bytes]) -> None:
        for number, mail in enumerate(mails):
            part = f"{number:06d}.{os.urandom(4).hex()}"
            (self.folder / name / "tmp" / part).write_bytes(mail)
            (self.folder / name / "tmp" / part).rename(self.folder / name / "new" / part)

    def left(self, name: str) -> int:
        return len(list((self.folder / name / "new").iterdir()))

    def settings(self, instance: str, **changes: Any) -> PollSettings:
        given = self.ingest.settings().model_dump() | {
            "maildirs": str(self.folder),
            "credentials": str(self.folder),
            "instance": instance,
            "poll_lease_seconds": 2.0,
        }
        return PollSettings.model_validate(given | changes)

    @contextlib.contextmanager
    def polling(self, instance: str, kafka: str | None = None) -> Iterator[Poller]:
        """A poller in a thread; with another `kafka` it cannot publish."""
        with polling_in_a_thread(self.ingest, self.settings(instance), kafka) as (poller, _):
            yield poller

    def holders(self) -> dict[str, str]:
        rows = self.ingest.rows("select name, holder from sources where lease_until > now()")
        return {str(name): str(holder) for name, holder in rows}


@pytest.fixture
def boxes(ingest: Ingest, tmp_path: Path) -> Boxes:
    made = Boxes(ingest, tmp_path / "maildirs")
    made.nominate("contact")
    return made


@pytest.mark.requirement("COM-3", "EDGE-3")
def test_mails_of_a_channel_become_communications_once(boxes: Boxes) -> None:
    mails = list(ordinary_mails(30))
    boxes.deliver("contact", mails + mails[:10])
    with boxes.polling("0"):
        eventually(lambda: boxes.left("contact") == 0, 60)
        boxes.deliver("contact", mails[:1])
        eventually(lambda: boxes.left("contact") == 0, 60)
    events = boxes.ingest.published()
    assert {event.data.channel_account for event in events} == {"contact@housing.example"}
    assert len({event.data.communication_id for event in events}) == 30
    assert len({event.id for event in events}) == 30
    assert boxes.ingest.rows("select count(*) from sources where read_at is not null") == [(1,)]


def test_pollers_share_the_channels_and_take_over_what_one_leaves(boxes: Boxes) -> None:
    boxes.nominate("a", "b", "c", "d")
    with boxes.polling("0") as first:
        eventually(lambda: len(first.held) == 4)
        with boxes.polling("1") as second:
            eventually(lambda: (len(first.held), len(second.held)) == (2, 2))
            assert set(first.held).isdisjoint(second.held)
            eventually(lambda: Counter(boxes.holders().values()) == {"poll-0": 2, "poll-1": 2})
        eventually(lambda: len(first.held) == 4)
    assert boxes.holders() == {}


def test_nothing_is_acknowledged_that_kafka_does_not_have(boxes: Boxes) -> None:
    boxes.deliver("contact", list(ordinary_mails(3)))
    with boxes.polling("0", kafka=NOBODY) as poller:
        eventually(lambda: poller.held)
        failures = "casestream_ingest_source_failures_total"
        eventually(lambda: _metric(failures, source="mail:contact@housing.example", reason="intake"), 30)
    assert boxes.left("contact") == 3
    with boxes.polling("0"):
        eventually(lambda: boxes.left("contact") == 0, 60)
    assert len(boxes.ingest.published()) == 3


def test_a_changed_configuration_is_followed(boxes: Boxes) -> None:
    with boxes.polling("0") as poller:
        eventually(lambda: poller.held == ["mail:contact@housing.example"])
        boxes.nominate("contact", "repairs")
        boxes.deliver("repairs", list(ordinary_mails(2)))
        eventually(lambda: boxes.left("repairs") == 0, 60)
        boxes.nominate("repairs")
        eventually(lambda: poller.held == ["mail:repairs@housing.example"])
        boxes.deliver("contact", list(ordinary_mails(1)))
        boxes.deliver("repairs", list(ordinary_mails(1, seed=7)))
        eventually(lambda: boxes.left("repairs") == 0, 60)
    assert boxes.left("contact") == 1


def test_one_channel_that_fails_does_not_hold_up_the_others(boxes: Boxes) -> None:
    boxes.nominate("broken", "contact")
    for part in ("tmp", "new", "cur"):
        (boxes.folder / "broken" / part).rmdir()
    boxes.deliver("contact", list(ordinary_mails(5)))
    with boxes.polling("0") as poller:
        eventually(lambda: boxes.left("contact") == 0, 60)
        assert poller.problems() == []
        eventually(lambda: _metric("casestream_ingest_source_failures_total", source="mail:broken@housing.example", reason="refused"))


@pytest.mark.requirement("COM-3", "EDGE-3")
def test_of_two_processes_one_killed_midway_every_mail_of_a_mailbox_is_one_communication(boxes: Boxes, dovecot: Dovecot) -> None:
    count = 2000
    user = dovecot.a_user()
    (boxes.folder.parent / "credentials").mkdir()
    (boxes.folder.parent / "credentials" / "office").write_text(PASSWORD)
    fetch = {
        "by": "imap",
        "host": LOOPBACK,
        "port": dovecot.port,
        "security": "none",
        "user": user,
        "secret": "office",
        "moved_to": "Taken",
    }
    boxes.configure([{"address": "contact@housing.example", "method": "email", "fetch": fetch}])
    with dovecot.colleague(user) as colleague:
        for mail in ordinary_mails(count):
            colleague.append("INBOX", mail)
    _publish_configuration(boxes)
    with _two_processes(boxes) as processes:

        def left() -> int:
            # By the server's files: a look by IMAP takes longer, on a busy machine, than all the mails.
            return len(dovecot.mail_files(user))

        eventually(lambda: 0 < left() < count, 120, every=0.01)
        holder = eventually(lambda: next(iter(boxes.holders().values()), None))
        processes[holder].send_signal(signal.SIGKILL)
        eventually(lambda: left() == 0, 120)
    assert len({event.data.communication_id for event in boxes.ingest.published()}) == count
    with dovecot.colleague(user, "Taken") as colleague:
        assert len(colleague.search()) == count


def test_an_account_whose_mailbox_moves_is_read_from_the_beginning(boxes: Boxes, dovecot: Dovecot) -> None:
    """On another server the same numbers mean other mails."""
    (boxes.folder / "office").write_text(PASSWORD)
    for number, user in enumerate((dovecot.a_user(), dovecot.a_user()), 1):
        with dovecot.colleague(user) as colleague:
            for mail in ordinary_mails(3, seed=number):
                colleague.append("INBOX", mail)
        fetch = {"by": "imap", "host": LOOPBACK, "port": dovecot.port, "security": "none", "user": user, "secret": "office"}
        boxes.configure([{"address": "contact@housing.example", "method": "email", "fetch": fetch}])
        with boxes.polling("0"):
            eventually(lambda wanted=3 * number: len({e.data.communication_id for e in boxes.ingest.published()}) == wanted, 60)  # type: ignore[misc]


@contextlib.contextmanager
def _two_processes(boxes: Boxes) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Two pollers as processes of their own, by holder; at the end those that live are stopped in good order."""
    environment = {
        **os.environ,
        "CASESTREAM_KAFKA": boxes.ingest.kafka,
        "CASESTREAM_DATABASE": boxes.ingest.url,
        "CASESTREAM_TOPIC_PREFIX": boxes.ingest.prefix,
        "CASESTREAM_OBJECTS": (boxes.folder.parent / "objects").as_uri(),
        "CASESTREAM_MAILDIRS": str(boxes.folder),
        "CASESTREAM_CREDENTIALS": str(boxes.folder.parent / "credentials"),
        "CASESTREAM_PORT": "0",
        "CASESTREAM_POLL_LEASE_SECONDS": "2",
        "CASESTREAM_LOG_LEVEL": "WARNING",
    }
    processes = {
        f"poll-{number}": subprocess.Popen(
            [sys.executable, "-m", "services.ingest", "poll"], env=environment | {"CASESTREAM_INSTANCE": str(number)}, cwd=CLONE
        )
        for number in range(2)
    }
    try:
        eventually(lambda: len(boxes.ingest.rows("select 1 from pollers")) == 2, 60)
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
        codes = {name: process.wait(30) for name, process in processes.items()}
    assert set(codes.values()) <= {-signal.SIGKILL, 0}, codes


def _metric(name: str, **labels: str) -> float | None:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value(name, labels)


def _publish_configuration(boxes: Boxes) -> None:
    document = boxes.ingest.reference.configuration().model_dump(mode="json")
    now = datetime.now(UTC)
    data = ConfigurationPublished(version=1, digest="d", applied_by="test", applied_at=now, document=document)
    event = Event(uuid.uuid4(), data.event_type, "/test", "1", now, 1, 0, "", "1", data)
    producer = Producer(producer_settings(boxes.ingest.kafka))
    headers: Any = event.headers()
    producer.produce(boxes.ingest.prefix + topics.CONFIGURATION, event.value(), event.key.encode(), headers=headers)
    assert producer.flush(20) == 0
