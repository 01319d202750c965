"""Every channel that is polled, with the ways in which its far end fails: what `tests/service/ingest/test_channels.py` goes through.

Each keeps its contacts where the real one does: IMAP in a Dovecot, the others in servers that speak their documented protocol.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from tests.support import graph, x
from tests.support.dovecot import LOOPBACK, PASSWORD, Dovecot
from tests.support.exchange import ExchangeServer, busy
from tests.support.exchange_http import Answer
from tests.support.mails import raw_mail

Trouble = Literal["credentials", "throttled", "malformed"]
WRONG = "not the secret"
NONSENSE = b"<html>Down for maintenance</html>"


class Channel(Protocol):
    """One account, and what a test does to it. `name`: as the poller calls it."""

    name: str
    ca_file: str
    secret: str
    """What the account's credential holds while it is good."""
    troubles: tuple[Trouble, ...]

    def sections(self) -> dict[str, Any]:
        """What the configuration says of it; its credential is called `credential`."""

    def bring(self, number: int) -> None:
        """Contact `number` arrives; the same number again is the same contact."""

    def fail(self, trouble: Trouble) -> contextlib.AbstractContextManager[None]:
        """Have the far end answer by `throttled` or `malformed` while the block runs; `credentials`: it forgets who has logged in."""

    def reason(self, trouble: Trouble) -> str:
        """How the poller calls it."""


def a_mail(number: int) -> bytes:
    """The mail of contact `number`."""
    return raw_mail(f"Message-ID: <{number}@tenant.example>\nSubject: Leak {number}", f"It is leak {number}.")


def _mail_account(address: str, fetch: dict[str, Any]) -> dict[str, Any]:
    return {"mail_accounts": [{"address": address, "method": "email", "fetch": fetch}]}


class ImapChannel:
    """Dovecot, reached through a door that can be shut."""

    name = "mail:contact@housing.example"
    ca_file = ""
    secret = PASSWORD
    troubles: tuple[Trouble, ...] = ("credentials", "throttled", "malformed")

    def __init__(self, dovecot: Dovecot) -> None:
        self._dovecot = dovecot
        self._user = dovecot.a_user()
        self._greetings = {"throttled": b"* BYE Too many connections\r\n", "malformed": b"* OK ready\r\n" + NONSENSE + b"\r\n"}
        self._said = b""
        self._lines: list[socket.socket] = []
        self._door = socket.create_server((LOOPBACK, 0))
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Nobody comes in any more."""
        # A thread that waits in `accept` does not hear of `close`.
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._hang_up()
        for thread in self._threads:
            thread.join()

    def reason(self, trouble: Trouble) -> str:
        return trouble

    def sections(self) -> dict[str, Any]:
        port = self._door.getsockname()[1]
        fetch = {"by": "imap", "host": LOOPBACK, "port": port, "security": "none", "user": self._user, "secret": "credential"}
        return _mail_account("contact@housing.example", fetch)

    def bring(self, number: int) -> None:
        with self._dovecot.colleague(self._user) as colleague:
            colleague.append("INBOX", a_mail(number))

    @contextlib.contextmanager
    def fail(self, trouble: Trouble) -> Iterator[None]:
        self._said = self._greetings.get(trouble, b"")
        self._hang_up()
        yield
        self._said = b""

    def _hang_up(self) -> None:
        while self._lines:
            line = self._lines.pop()
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            if self._said:
                with client:
                    client.sendall(self._said)
                continue
            server = socket.create_connection((LOOPBACK, self._dovecot.port))
            self._lines.append(client)
            thread = threading.Thread(target=_join, args=(client, server), daemon=True)
            self._threads.append(thread)
            thread.start()


def _join(client: socket.socket, server: socket.socket) -> None:
    """Pass everything on, both ways, until either end is over."""
    with client, server:
        back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        back.start()
        _pass_on(client, server)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class GraphChannel:
    """A mailbox of Microsoft 365."""

    name = f"mail:{graph.MAILBOX}"
    secret = graph.SECRET
    troubles: tuple[Trouble, ...] = ("credentials", "throttled", "malformed")

    def __init__(self, server: graph.GraphServer) -> None:
        self._server = server
        self.ca_file = str(server.ca_file)

    def reason(self, trouble: Trouble) -> str:
        return trouble

    def sections(self) -> dict[str, Any]:
        server = self._server
        fetch = {"by": "graph", "tenant": graph.TENANT, "client_id": graph.CLIENT, "secret": "credential"}
        return _mail_account(graph.MAILBOX, fetch | {"endpoint": server.endpoint, "authority": server.origin})

    def bring(self, number: int) -> None:
        self._server.add(a_mail(number))

    @contextlib.contextmanager
    def fail(self, trouble: Trouble) -> Iterator[None]:
        if trouble == "credentials":
            self._server.tokens.clear()
        elif trouble == "throttled":
            self._server.fail("delta", 429, "TooManyRequests", Retry_After="0")
        else:
            self._server.fail("delta", 200, body=NONSENSE)
        yield
        self._server.heal()


class ExchangeChannel:
    """A mailbox on Exchange."""

    secret = "secret"
    troubles: tuple[Trouble, ...] = ("credentials", "throttled", "malformed")

    def __init__(self, server: ExchangeServer) -> None:
        self._server = server
        self.name = f"mail:{server.address}"
        self.ca_file = server.ca_file

    def reason(self, trouble: Trouble) -> str:
        return trouble

    def sections(self) -> dict[str, Any]:
        fetch = {"by": "exchange", "url": self._server.url, "user": "HOUSING\\reader", "login": "basic", "secret": "credential"}
        return _mail_account(self._server.address, fetch)

    def bring(self, number: int) -> None:
        self._server.deliver(a_mail(number))

    @contextlib.contextmanager
    def fail(self, trouble: Trouble) -> Iterator[None]:
        if trouble == "credentials":
            self._server.users = {"HOUSING\\reader": "renewed"}
            yield
            self.secret = "renewed"
            return
        answer = busy(1) if trouble == "throttled" else Answer(200, NONSENSE, {"Content-Type": "text/xml"})
        self._server.answers.extend([answer] * 1000)
        yield
        self._server.answers.clear()


class XChannel:
    """A handle on X."""

    name = "x:housinghelp"
    secret = x.TOKEN
    troubles: tuple[Trouble, ...] = ("credentials", "throttled", "malformed")

    def __init__(self, server: x.FakeX) -> None:
        self._server = server
        self.ca_file = server.ca_file

    def reason(self, trouble: Trouble) -> str:
        return trouble

    def sections(self) -> dict[str, Any]:
        account = {"handle": "HousingHelp", "user_id": x.ACCOUNT, "method": "x-post", "secret": "credential", "endpoint": self._server.url}
        return {"x_accounts": [account]}

    def bring(self, number: int) -> None:
        self._server.posts.append(x.a_post(number))

    @contextlib.contextmanager
    def fail(self, trouble: Trouble) -> Iterator[None]:
        if trouble == "credentials":
            yield
            return
        body = json.dumps({"title": "Too Many Requests"}).encode() if trouble == "throttled" else NONSENSE
        self._server.scripted = [x.Scripted(429 if trouble == "throttled" else 200, body)] * 1000
        yield
        self._server.scripted = []


class MaildirChannel:
    """A folder that programs of the same machine deliver into: it asks for no credential, and never to wait."""

    name = "mail:contact@housing.example"
    ca_file = ""
    secret = ""
    troubles: tuple[Trouble, ...] = ("malformed",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "contact"
        for part in ("tmp", "new", "cur"):
            (self._folder / part).mkdir(parents=True)

    def reason(self, _trouble: Trouble) -> str:
        return "refused"

    def sections(self) -> dict[str, Any]:
        return _mail_account("contact@housing.example", {"by": "maildir", "folder": "contact"})

    def bring(self, number: int) -> None:
        part = f"{number:06d}.{os.urandom(4).hex()}"
        (self._folder / "tmp" / part).write_bytes(a_mail(number))
        there = self._folder / ("new" if (self._folder / "new").exists() else "aside")
        (self._folder / "tmp" / part).rename(there / part)

    @contextlib.contextmanager
    def fail(self, _trouble: Trouble) -> Iterator[None]:
        """There is no answer that could be malformed, but the folder can be none."""
        (self._folder / "new").rename(self._folder / "aside")
        yield
        (self._folder / "aside").rename(self._folder / "new")


@contextlib.contextmanager
def channel(kind: str, folder: Path, dovecot: Dovecot) -> Iterator[Channel]:
    """The channel `kind`, with its far end in `folder`."""
    with contextlib.ExitStack() as stack:
        if kind == "imap":
            yield stack.enter_context(contextlib.closing(ImapChannel(dovecot)))
        elif kind == "graph":
            yield GraphChannel(stack.enter_context(graph.GraphServer(folder)))
        elif kind == "exchange":
            yield ExchangeChannel(stack.enter_context(contextlib.closing(ExchangeServer(folder))))
        elif kind == "x":
            yield XChannel(stack.enter_context(x.serving_x(folder)))
        else:
            yield MaildirChannel(folder / "maildirs")
