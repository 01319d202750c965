"""A real SMTP server (aiosmtpd) that does what a test tells it: takes, defers, refuses, cuts the connection, keeps silent."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Container
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Script = Callable[[str, int], str]
"""(Message-ID, how often it was offered, from 1) -> the reply to DATA, or `cut before`, `cut after`, `silence`."""


def take(_message_id: str, _time: int) -> str:
    """Take everything."""
    return "250 OK"


def a_free_port() -> int:
    """A port that nobody listens on just now; aiosmtpd's controller cannot take one by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class MailServer:
    """Keeps what it took. `rcpt` may refuse a recipient. `pipelining`: as almost every server has it."""

    def __init__(
        self,
        script: Script = take,
        rcpt: Callable[[str], str] = lambda address: "250 OK",
        port: int = 0,
        *,
        pipelining: bool = True,
        **options: Any,
    ) -> None:
        self.script = script
        self._pipelining = pipelining
        self.senders: list[str] = []
        self.rcpt = rcpt
        self.taken: list[EmailMessage] = []
        self.offered: Counter[str] = Counter()
        self.connections = 0
        self._clients: set[SMTP] = set()
        self.silent = threading.Event()
        self._controller = Controller(self, hostname="127.0.0.1", port=port or a_free_port(), enable_SMTPUTF8=True, **options)

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    @property
    def open_connections(self) -> int:
        """How many clients are connected."""
        return sum(1 for client in self._clients if client.transport is not None and not client.transport.is_closing())

    @property
    def ids(self) -> list[str]:
        """Message-IDs of what it took, in order."""
        return [str(message["Message-ID"]) for message in list(self.taken)]

    async def handle_EHLO(self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]) -> list[str]:
        self.connections += server not in self._clients
        self._clients.add(server)
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]] if self._pipelining else responses

    async def handle_MAIL(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        self.senders.append(address)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        answer = self.rcpt(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        message_id = str(message["Message-ID"])
        self.offered[message_id] += 1
        answer = self.script(message_id, self.offered[message_id])
        if answer.startswith("250") or answer in ("cut after", "silence"):
            self.taken.append(message)
        if answer.startswith("cut"):
            assert server.transport is not None
            server.transport.abort()
            return "451 gone"
        if answer == "silence":
            self.silent.set()
            await asyncio.sleep(3600)
        return answer


class TokenServer(MailServer):
    """Lets in who shows a token of `valid`, by one mechanism. A wrong one is told why first, as Google and Microsoft do."""

    def __init__(self, valid: Container[str], user: str = "notify@housing.example", mechanism: str = "XOAUTH2", **options: Any) -> None:
        self.valid, self.user = valid, user
        self.shown: list[str] = []
        self.acknowledged: list[bytes] = []
        setattr(self, f"auth_{mechanism}", self._check)
        super().__init__(auth_required=True, **options)

    async def _check(self, server: SMTP, args: list[str]) -> AuthResult:
        said = b64decode(args[1]).decode()
        self.shown.append(said)
        user, token = re.fullmatch("(?:n,a=|user=)([^\x01,]+),?\x01auth=Bearer ([^\x01]+)\x01\x01", said).groups()  # type: ignore[union-attr]
        if user == self.user and token in self.valid:
            return AuthResult(success=True)
        answer = await server.challenge_auth(b'{"status":"400","schemes":"Bearer"}')
        self.acknowledged.append(answer if isinstance(answer, bytes) else b"")
        return AuthResult(success=False, handled=False)


def knows_login(user: bytes, password: bytes) -> dict[str, Any]:
    """Options of a server where this user may log in."""

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=isinstance(data, LoginPassword) and (data.login, data.password) == (user, password))

    return {"authenticator": check}
