"""What every polled channel promises, through the real poller on a real Kafka and database: whatever happens, each contact is one
communication in the end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from prometheus_client import REGISTRY

from services.ingest.domain.polling import PAUSES, Pauses
from services.ingest.settings import PollSettings
from services.ingest.worker.plans import Plan, Planner
from shared.schemas.configuration import Configuration
from shared.schemas.envelope import Event
from shared.storage import Database
from tests.service.ingest.conftest import Ingest, polling_in_a_thread
from tests.support.channels import WRONG, Channel, Trouble, channel
from tests.support.configuration import METHODS, a_configuration
from tests.support.dovecot import Dovecot
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-3", "COM-4", "EDGE-3")
POSTS = {"code": "x-post", "name": "Post on X", "directions": ["inbound"]}


class Killed(BaseException):
    """What ends a thread as a crash would: no handler of ours catches it."""


class Dying(Planner):
    """Plans whose channel's thread dies once `dies` is set: before Kafka has the items, or after that, before the channel hears of it."""

    def __init__(self, *surroundings: Any) -> None:
        super().__init__(*surroundings)
        self.dies: Literal["", "before", "after"] = ""
        self.has_died = threading.Event()

    def plans(self, configuration: Configuration) -> dict[str, Plan]:
        return {name: replace(plan, take=self._mortal(plan.take)) for name, plan in super().plans(configuration).items()}

    def _mortal(self, take: Callable[[Sequence[Any]], object]) -> Callable[[Sequence[Any]], object]:
        def taken(items: Sequence[Any]) -> object:
            self._die("before")
            done = take(items)
            self._die("after")
            return done

        return taken

    def _die(self, when: Literal["before", "after"]) -> None:
        if self.dies == when:
            self.dies = ""
            self.has_died.set()
            raise Killed


class Polling:
    """A channel that is polled, and what became of its contacts."""

    def __init__(self, ingest: Ingest, polled: Channel, folder: Path, published: Callable[[], Sequence[Event]]) -> None:
        """`published`: gives all communications that Kafka has by now."""
        self._published = published
        self.ingest = ingest
        self.channel = polled
        self._folder = folder
        self._brought = 0
        (folder / "credentials").mkdir()
        self.set_credential(polled.secret)
        ingest.reference._configuration = a_configuration(methods=[*METHODS, POSTS], **polled.sections())
        ingest.reference.version += 1

    def set_credential(self, secret: str) -> None:
        (self._folder / "credentials" / "credential").write_text(secret + "\n")

    def bring(self, count: int = 3) -> list[int]:
        """New contacts arrive; their numbers."""
        numbers = list(range(self._brought + 1, self._brought + count + 1))
        for number in numbers:
            self.channel.bring(number)
        self._brought += count
        return numbers

    def all_came(self) -> None:
        """Wait until each contact is a communication, and see that none is two."""
        eventually(lambda: len({event.data.communication_id for event in self._published()}) >= self._brought, 60)
        for named in (lambda event: event.id, lambda event: event.data.communication_id):
            assert len({named(event) for event in self._published()}) == self._brought

    def failures(self, reason: str) -> float:
        labels = {"source": self.channel.name, "reason": reason}
        return REGISTRY.get_sample_value("casestream_ingest_source_failures_total", labels) or 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[Dying]:
        """A poller in a thread, as a process of its own would be."""
        given = self.ingest.settings().model_dump() | {
            "maildirs": str(self._folder / "maildirs"),
            "credentials": str(self._folder / "credentials"),
            "instance": "0",
            "poll_lease_seconds": 2.0,
            "poll_seconds": 0.1,
            "poll_ca_file": self.channel.ca_file,
        }
        with polling_in_a_thread(self.ingest, PollSettings.model_validate(given), planner=Dying) as (_, planner):
            assert isinstance(planner, Dying)
            yield planner


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes channels wait for minutes takes a blink here."""
    for reason in PAUSES:
        monkeypatch.setitem(PAUSES, reason, Pauses(timedelta(milliseconds=20), timedelta(milliseconds=100)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", ["imap", "graph", "exchange", "x", "maildir"])
def test_whatever_happens_each_contact_is_one_communication(kind: str, ingest: Ingest, dovecot: Dovecot, tmp_path: Path) -> None:
    with channel(kind, tmp_path, dovecot) as polled, ingest.following() as published:
        polling = Polling(ingest, polled, tmp_path, published)
        with polling.running() as planner:
            they_come(polling)
            they_come_again(polling)
            the_process_dies(polling, planner, "before")
            the_process_dies(polling, planner, "after")
            for trouble in polled.troubles:
                the_far_end_fails(polling, trouble)
        the_cursor_is_lost(polling)


def they_come(polling: Polling) -> None:
    polling.bring()
    polling.all_came()


def they_come_again(polling: Polling) -> None:
    for number in (1, 2):
        polling.channel.bring(number)
    polling.bring()
    polling.all_came()


def the_process_dies(polling: Polling, planner: Dying, when: Literal["before", "after"]) -> None:
    """Between fetching and publishing, or between publishing and acknowledging."""
    planner.has_died.clear()
    planner.dies = when
    polling.bring()
    assert planner.has_died.wait(60)
    polling.all_came()


def the_far_end_fails(polling: Polling, trouble: Trouble) -> None:
    reason = polling.channel.reason(trouble)
    before = polling.failures(reason)
    with polling.channel.fail(trouble):
        if trouble == "credentials":
            polling.set_credential(WRONG)
        polling.bring()
        eventually(lambda: polling.failures(reason) >= before + 2, 60)
    polling.set_credential(polling.channel.secret)
    polling.all_came()


def the_cursor_is_lost(polling: Polling) -> None:
    """As when a database is restored: the channel is read from its beginning."""
    with Database(polling.ingest.url, pool_size=1, service="ingest").transaction() as tx:
        tx.execute("update sources set cursor = '{}'")
    with polling.running():
        polling.bring()
        polling.all_came()
