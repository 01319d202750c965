"""PostgreSQL itself is killed while messages are on their way to the mail server."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.stack.postgres import Postgres
from shared.messaging import StaticReference
from tests.service.notify.harness import NotifyService, a_task
from tests.service.notify.mail_server import MailServer
from tests.support import eventually
from tests.support.configuration import a_configuration
from tests.support.platform import CLONE, fresh_databases

MESSAGES = 100


@pytest.fixture
def mortal() -> Iterator[Postgres]:
    """A PostgreSQL of the test's own. What a transaction did not wait for is not on its disk for long: a crash undoes it."""
    server = Postgres(
        CLONE / ".casestream" / "test" / f"crash-{secrets.token_hex(4)}", settings={"wal_writer_delay": "10s"}, progress=lambda _: None
    )
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.folder)


def kill(server: Postgres) -> None:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    eventually(lambda: server.pid is None)


@pytest.mark.requirement("NOTE-2")
@pytest.mark.parametrize("has_journal", [True, False])
def test_what_was_claimed_before_a_crash_of_the_database_is_sent_once(
    kafka: str, notify_topics: str, mortal: Postgres, tmp_path: Path, *, has_journal: bool
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def take(_message_id: str, _time: int) -> str:
        begun.set()
        assert goes_on.wait(60)
        return "250 OK"

    with fresh_databases(mortal.url) as make:
        notify = NotifyService(kafka, notify_topics, make("notify"), StaticReference(a_configuration()))
        notify.take(*(a_task(number) for number in range(1, MESSAGES + 1)))
        journal = tmp_path if has_journal else None
        with MailServer(take) as server, notify.sending(server.port, send_journal=journal, smtp_accept_seconds=60.0):
            assert begun.wait(30)
            kill(mortal)
            goes_on.set()
            # With a journal it goes on without the database, as far as it has claimed.
            eventually(lambda: len(server.ids) >= (MESSAGES if has_journal else 1), 30)
            mortal.start()
            eventually(lambda: notify.all_sent(MESSAGES), 60)
            assert [id for id, times in Counter(server.ids).items() if times > 1] == []
        notify.close()
