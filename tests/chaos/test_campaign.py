"""`make soak`: CASESTREAM_SOAK_ROUNDS rounds of kills at random moments, of processes that stop and come back as zombies, and of kills of
PostgreSQL and Kafka themselves. Each round prints its seed; CASESTREAM_SOAK_SEED repeats one.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
from collections.abc import Iterator

import pytest

from services.cli.stack.platform import Stack
from tests.chaos.flow import Delivery, calibrate, expected, mails, message_ids, quiet_counts
from tests.chaos.kills import CONNECTIONS, MAILS, SENDER, check, kill, never
from tests.support import eventually
from tests.support.platform import CLONE


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Stack]:
    """A platform with a Kafka and a PostgreSQL that nobody else uses, so that they can be killed too."""
    stack = Stack(CLONE / ".casestream" / "test" / f"soak-{secrets.token_hex(4)}", replicas=2)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(stack.folder)


class Saboteur:
    """Does one random harm at a time, and counts those that may make the sender send again."""

    def __init__(self, stack: Stack, pick: random.Random) -> None:
        self._stack = stack
        self._pick = pick
        self._frozen: list[int] = []
        self.repeats_allowed = 0
        self.done: list[str] = []

    def strike(self) -> None:
        """A kill, most often; or a freeze; or the end of a server."""
        names = [process.name for process in self._stack.processes() if process.name != "mail-sink"]
        harm = self._pick.choices(("kill", "freeze", "postgres", "kafka"), (8, 3, 1, 1))[0]
        name = self._pick.choice(names)
        self.done.append(f"{harm} {name}" if harm in ("kill", "freeze") else harm)
        if harm == "kill":
            if kill(self._stack, name) and name == SENDER:
                self.repeats_allowed += CONNECTIONS
        elif harm == "freeze":
            self._freeze(name)
        else:
            self._end_server(harm)

    def _freeze(self, name: str) -> None:
        # Longer than a session of its group or shorter: it wakes up as a zombie or just late.
        pid = self._stack.process(name).pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            never.wait(self._pick.uniform(1.0, 15.0))
            os.kill(pid, signal.SIGCONT)

    def _end_server(self, which: str) -> None:
        server = self._stack.postgres if which == "postgres" else self._stack.kafka
        pid = server.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)  # our own child: unreaped, its pid would look alive to its successor
        eventually(lambda: server.pid is None, 30)
        never.wait(self._pick.uniform(0.0, 3.0))
        server.start()


@pytest.mark.parametrize("number", range(int(os.environ["CASESTREAM_SOAK_ROUNDS"])))
def test_campaign(own_servers: Stack, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    stack = own_servers
    seed = int(os.environ.get("CASESTREAM_SOAK_SEED", secrets.randbelow(10**9)))
    pick = random.Random(seed)
    of_one = calibrate(stack)
    before = quiet_counts(stack)
    sent_before = message_ids(stack)
    raws, kinds = mails(MAILS, f"r{number}-{secrets.token_hex(3)}")
    saboteur = Saboteur(stack, pick)
    with Delivery(stack, raws) as delivery:
        for _ in range(pick.randint(6, 14)):
            delivery.go_on(pick.randint(2, 10))
            never.wait(pick.uniform(0.0, 3.0))
            saboteur.strike()
        assert len(delivery.finish()) == MAILS
    sent_again_before = sum(sent_before.values()) - len(sent_before)
    again = check(stack, expected(before, of_one, kinds), sent_again_before + saboteur.repeats_allowed) - sent_again_before
    with capsys.disabled():
        print(f"\nround {number}, seed {seed}: {', '.join(saboteur.done)}; sent again: {again}")  # noqa: T201 - the campaign's log
