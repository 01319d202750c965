"""A receiver that really runs: its event loop in a thread, its port on this machine; and mail servers' side of the conversation."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, TypeVar

from services.ingest.gateways.conversation import Rules
from services.ingest.gateways.receiver import Intake, Receiver, UnknownRecipient
from tests.support.mails import raw_mail

T = TypeVar("T")
SENDER = "ann@tenant.example"
ACCOUNT = "contact@housing.example"


class Desk:
    """An intake that keeps what it took. `problem` is raised instead; while `open` is not set, mails wait."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, list[str]]] = []
        self.problem: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.arrived = threading.Event()

    @property
    def raws(self) -> list[bytes]:
        """What was taken."""
        return [raw for raw, _ in self.taken]

    def check(self, recipient: str) -> None:
        if not recipient.endswith("@housing.example"):
            raise UnknownRecipient
        if recipient == "broken@housing.example":
            raise RuntimeError("broken")

    async def take(self, raw: bytes, recipients: Sequence[str]) -> None:
        self.arrived.set()
        while not self.open.is_set():
            await asyncio.sleep(0.005)
        if self.problem is not None:
            raise self.problem
        self.taken.append((raw, list(recipients)))


@dataclass
class Running:
    """A running receiver."""

    receiver: Receiver
    loop: asyncio.AbstractEventLoop
    port: int
    host: str = "127.0.0.1"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done in its event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def lmtp(self) -> smtplib.LMTP:
        """A client, greeted."""
        client = smtplib.LMTP(self.host, self.port)
        client.sock.settimeout(20)
        client.ehlo_or_helo_if_needed()
        return client

    def smtp(self) -> smtplib.SMTP:
        """A client, greeted."""
        client = smtplib.SMTP(self.host, self.port, timeout=20)
        client.ehlo()
        return client

    def line(self) -> Line:
        """A connection on which any bytes can be sent."""
        return Line(socket.create_connection((self.host, self.port), timeout=20))


class Line:
    """A connection of somebody who may be no mail server."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> str:
        """The next line; empty at the end of the connection."""
        return self._file.readline().decode().rstrip("\r\n")

    def ask(self, data: bytes) -> str:
        """Send a line, and give the last line of its answer."""
        self.say(data + b"\r\n")
        while (line := self.answer())[3:4] == "-":
            pass
        return line

    def begin(self, *recipients: str, hello: bytes = b"LHLO mta.example") -> None:
        """Everything up to the mail's data."""
        assert self.answer().startswith("220 ")
        assert self.ask(hello).startswith("250 ")
        assert self.ask(f"MAIL FROM:<{SENDER}>".encode()).startswith("250 ")
        for recipient in recipients or (ACCOUNT,):
            assert self.ask(f"RCPT TO:<{recipient}>".encode()).startswith("250 ")
        assert self.ask(b"DATA").startswith("354 ")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def some_rules(**changes: Any) -> Rules:
    """LMTP from this machine, small limits."""
    usual: dict[str, Any] = {
        "lmtp": True,
        "name": "casestream.example",
        "networks": [ip_network("127.0.0.0/8"), ip_network("::1")],
        "mail_bytes": 1_000_000,
        "held_bytes": 3_000_000,
        "recipients": 5,
        "connections": 20,
        "timeout": 60.0,
    }
    return Rules(**(usual | changes))


@contextmanager
def receiving(intake: Intake, **changes: Any) -> Iterator[Running]:
    """A receiver until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="receiver", daemon=True)
    thread.start()

    async def begin() -> Running:
        receiver = Receiver(intake, some_rules(**changes))
        return Running(receiver, loop, await receiver.start("127.0.0.1", 0))

    running = asyncio.run_coroutine_threadsafe(begin(), loop).result(20)
    try:
        yield running
    finally:
        running.run(running.receiver.stop(0.0))
        running.run(_let_all_end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _let_all_end() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=10)


def as_sent(raw: bytes) -> bytes:
    """The data of DATA, with its end, as the standard says."""
    content = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def sends(running: Running, lmtp: bool) -> bool:
    """Whether a mail by LMTP, or else SMTP, is taken for every recipient."""
    with running.lmtp() if lmtp else running.smtp() as client:
        return client.sendmail(SENDER, [ACCOUNT], raw_mail()) == {}
