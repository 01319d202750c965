"""The process `send` is killed at every step between claim and record: each message is sent, and which may be sent twice is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.notify.storage.journal import Journal
from shared.messaging.topics import create_topics
from tests.service.notify.dying import STEPS
from tests.service.notify.harness import NotifyService, a_task, publish_configuration
from tests.service.notify.mail_server import MailServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("NOTE-2", "EDGE-3")

ROUNDS = int(os.environ.get("CASESTREAM_SOAK_ROUNDS", "0"))
SURE = {True: {"accepted": 1, "noted": 0}, False: {"accepted": 1, "not committed": 1, "recorded": 0}}
"""With a journal or without: how many messages one connection leaves in doubt, where that is certain; elsewhere one at most."""
FEW = {
    True: [("begun", 4), ("handed over", 4), ("accepted", 1), ("noted", 1), ("not committed", 4), ("told", 4)],
    False: [("accepted", 1), ("not committed", 1), ("recorded", 1)],
}
"""At which step a process dies, and how many connections it has; one shows exactly what is in doubt."""
OF_MANY = ("told", "published")
"""Steps that are taken for many messages together, with a journal also the others that the database takes part in."""
MESSAGES = int(os.environ.get("CASESTREAM_SOAK_MESSAGES", "400"))


def deaths(journal: bool) -> list[tuple[str, int]]:
    """In `make soak-mail` every step, with one connection and with four, again and again."""
    steps = [step for step in STEPS if journal or step != "noted"]
    return [(step, connections) for step in steps for connections in (1, 4)] * ROUNDS or FEW[journal]


def turn_of(step: str, connections: int, journal: bool, lives: int) -> int:
    """At which turn of the step, so that there are messages left for all who come after."""
    together = (*OF_MANY, "not committed", "recorded") if journal else OF_MANY
    return (1 if ROUNDS else 2) if step in together else MESSAGES // (lives + 1) // connections


def noted(folder: Path) -> set[str]:
    """What is in the journal."""
    journal = Journal(folder, "send-0")
    try:
        return {str(id) for id in journal.left()}
    finally:
        journal.close()


def environment(notify: NotifyService, port: int, connections: int, journal: Path | None) -> dict[str, str]:
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
        **({"CASESTREAM_SEND_JOURNAL": str(journal)} if journal else {}),
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


@pytest.mark.parametrize("journal", [True, False])
def test_a_sender_killed_at_any_step_sends_all_and_repeats_only_what_was_on_the_wire(
    kafka: str, notify: NotifyService, tmp_path: Path, journal: bool
) -> None:
    notify.prefix += f"dying{journal}.".lower()
    create_topics(kafka, notify.prefix, 1)
    publish_configuration(notify)
    notify.take(*(a_task(number) for number in range(MESSAGES)))
    folder = tmp_path if journal else None
    in_doubt: list[tuple[str, int, Counter[str]]] = []
    before: Counter[str] = Counter()
    lives = deaths(journal)
    with MailServer() as server:
        for step, connections in lives:
            dies(environment(notify, server.port, connections, folder), step, turn_of(step, connections, journal, len(lives)))
            eventually(lambda: server.open_connections == 0)
            known = noted(tmp_path) if journal else set()
            rows = notify.rows("select message_id, id::text from deliveries where state <> 'sent'")
            unknown = {message for message, id in rows if id not in known}
            taken = Counter(server.ids)
            in_doubt.append((step, connections, Counter({id: count for id, count in (taken - before).items() if id in unknown})))
            before = taken
        assert notify.states().get("sent", 0) < MESSAGES, "nothing is left for the one who survives"
        with survivor(environment(notify, server.port, 4, folder)):
            eventually(lambda: notify.all_sent(MESSAGES), 60)
            eventually(lambda: notify.rows("select count(*) from outbox") == [(0,)], 30)
        taken = Counter(server.ids)
    assert len(taken) == MESSAGES
    for step, connections, messages in in_doubt:
        assert messages.total() <= connections, (step, messages)
        if connections == 1 and step in SURE[journal]:
            assert messages.total() == SURE[journal][step], step
    # What the server had when the process died, and nobody else knew of: that is sent again, under its own id, and nothing else.
    repeated = sum((messages for _, _, messages in in_doubt), Counter())
    assert taken - Counter(set(taken)) == repeated
    events = notify.published(MESSAGES, distinct=True)
    assert len({data.delivery_id for _, data in events}) == MESSAGES
    say(f"{MESSAGES} messages, {len(lives)} deaths, {repeated.total()} messages sent twice")
