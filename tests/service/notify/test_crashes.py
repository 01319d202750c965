"""The process `send` is killed at every step between claim and record: each message is sent, and which may be sent twice is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.messaging.topics import create_topics
from tests.service.notify.dying import STEPS
from tests.service.notify.harness import NotifyService, a_task, publish_configuration
from tests.service.notify.mail_server import MailServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("NOTE-2", "EDGE-3")

SURE = {"accepted": 1, "not committed": 1, "recorded": 0}
"""How many messages one connection leaves in doubt, where that is certain; elsewhere one at most."""
EXACT = ["handed over", "accepted", "not committed", "recorded"]
ROUNDS = int(os.environ.get("CASESTREAM_SOAK_ROUNDS", "0"))
DEATHS = [(step, connections) for step in STEPS for connections in (1, 4)] * ROUNDS or [(step, 1 if step in EXACT else 4) for step in STEPS]
"""At which step a process dies, and how many connections it has. One connection shows exactly what is in doubt."""
MESSAGES = int(os.environ.get("CASESTREAM_SOAK_MESSAGES", "160"))


def environment(notify: NotifyService, port: int, connections: int) -> dict[str, str]:
    """Of the process."""
    return {
        **os.environ,
        "CASESTREAM_KAFKA": notify.kafka,
        "CASESTREAM_DATABASE": notify.url,
        "CASESTREAM_PORT": "0",
        "CASESTREAM_TOPIC_PREFIX": notify.prefix,
        "CASESTREAM_SMTP_HOST": "127.0.0.1",
        "CASESTREAM_SMTP_PORT": str(port),
        "CASESTREAM_MAIL_FROM": "contact@housing.example",
        "CASESTREAM_SMTP_CONNECTIONS": str(connections),
        "CASESTREAM_SEND_RETRY_SPEED": "100",
        "CASESTREAM_LOG_LEVEL": "CRITICAL",
    }


def dies(variables: dict[str, str], step: str, number: int) -> None:
    """Run a process until it has killed itself at this step."""
    command = [sys.executable, "-m", "tests.service.notify.dying", step, str(number)]
    assert subprocess.run(command, env=variables, timeout=60, check=False).returncode == -signal.SIGKILL


def say(text: str) -> None:
    """Shown by `make soak-mail` (-s)."""
    sys.stdout.write(text + "\n")


@contextmanager
def survivor(variables: dict[str, str]) -> Iterator[None]:
    """A process that nothing happens to."""
    process = subprocess.Popen([sys.executable, "-m", "services.notify", "send"], env=variables)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_sender_killed_at_any_step_sends_all_and_repeats_only_what_was_on_the_wire(kafka: str, notify: NotifyService) -> None:
    notify.prefix += "dying."
    create_topics(kafka, notify.prefix, 1)
    publish_configuration(notify)
    notify.take(*(a_task(number) for number in range(MESSAGES)))
    in_doubt: list[tuple[str, int, Counter[str]]] = []
    before: Counter[str] = Counter()
    with MailServer() as server:
        for step, connections in DEATHS:
            # Of the last two steps a turn is for many messages.
            number = 3 if step in ("on the disk", "published") else MESSAGES // (len(DEATHS) + 1) // connections
            dies(environment(notify, server.port, connections), step, number)
            eventually(lambda: server.open_connections == 0)
            unknown = {row[0] for row in notify.rows("select message_id from deliveries where state <> 'sent'")}
            taken = Counter(server.ids)
            in_doubt.append((step, connections, Counter({id: count for id, count in (taken - before).items() if id in unknown})))
            before = taken
        with survivor(environment(notify, server.port, 4)):
            eventually(lambda: notify.all_sent(MESSAGES), 60)
            eventually(lambda: notify.rows("select count(*) from outbox") == [(0,)], 30)
        taken = Counter(server.ids)
    assert len(taken) == MESSAGES
    for step, connections, messages in in_doubt:
        assert messages.total() <= connections, (step, messages)
        if connections == 1 and step in SURE:
            assert messages.total() == SURE[step], step
    # What the server had when the process died, and the table did not know of: that is sent again, under its own id, and nothing else.
    repeated = sum((messages for _, _, messages in in_doubt), Counter())
    assert taken - Counter(set(taken)) == repeated
    events = notify.published(MESSAGES, distinct=True)
    assert len({data.delivery_id for _, data in events}) == MESSAGES
    say(f"{MESSAGES} messages, {len(DEATHS)} deaths, {repeated.total()} messages sent twice")
