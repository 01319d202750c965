"""Receiving mail from the organisation's mail server: LMTP (RFC 2033) or ESMTP (RFC 5321), on aiosmtpd.

A mail is answered 250 only once the intake has it durably. Until then the mail server keeps it and sends it again, so a connection may
break at any moment. There is no relaying and no login: who may send is decided by network, for whom by recipient.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.ingest import metrics
from services.ingest.gateways.conversation import FULL, Conversation, LmtpConversation, Rules
from shared.observability import get_logger

log = get_logger(__name__)

TOO_MANY = "452 4.5.3 too many recipients; send it in several"
UNKNOWN = "550 5.1.1 no such account here"
LATER = "451 4.3.0 not taken just now; send it again"


class UnknownRecipient(Exception):
    """No nominated account has this address."""


class NotNow(Exception):
    """The mail was not taken, and may be when it is sent again."""


class Intake(Protocol):
    """Where received mails go."""

    def check(self, recipient: str) -> None:
        """Whether there is such an account. Quick. Raises `UnknownRecipient` and `NotNow`."""

    async def take(self, raw: bytes, recipients: Sequence[str]) -> None:
        """Return once the mail is durable, for the account among `recipients` that comes first. Raises `UnknownRecipient` and `NotNow`."""


class Receiver:
    """Listens for mail servers. Lives in one event loop. Raises OSError and ssl.SSLError when the certificate cannot be used."""

    def __init__(self, intake: Intake, rules: Rules) -> None:
        self.intake = intake
        self.rules = rules
        self.stopping = False
        self.held = 0
        self._conversations: set[Conversation] = set()
        self._takings: set[asyncio.Task[None]] = set()
        self._none_left = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._hooks = _Hooks(self)
        self._tls = _Certificate(*rules.tls_files) if rules.tls_files else None
        # Its warnings hold what clients sent: a word of a mail's text, when one has lost its place.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port (useful when 0 was asked for). `host` empty: on all addresses. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(self._conversation, host or None, port, backlog=100)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, seconds: float) -> None:
        """Take no new connections and no new mails; mails under way have `seconds` to be finished and answered."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for conversation in list(self._conversations):
            conversation.end_when_idle()
        if self._conversations:
            self._none_left.clear()
            try:
                await asyncio.wait_for(self._none_left.wait(), seconds)
            except TimeoutError:
                log.warning("connections are cut", connections=len(self._conversations))
        for conversation in list(self._conversations):
            conversation.cut()

    # What conversations need (`House`)

    def enter(self, conversation: Conversation, address: str) -> str:
        """A connection from `address` was made: why it is refused, as an answer; empty: it is welcome."""
        self._conversations.add(conversation)
        metrics.RECEIVE_CONNECTIONS.set(len(self._conversations))
        if not self._is_allowed(address):
            metrics.TURNED_AWAY.labels("network").inc()
            return "554 5.7.1 mail is not taken from this address"
        if self.stopping or len(self._conversations) > self.rules.connections:
            metrics.TURNED_AWAY.labels("full").inc()
            return "421 4.3.2 too many connections; try again later"
        return ""

    def leave(self, conversation: Conversation) -> None:
        """The connection was lost, or ended."""
        self._conversations.discard(conversation)
        metrics.RECEIVE_CONNECTIONS.set(len(self._conversations))
        if not self._conversations:
            self._none_left.set()

    def hold(self, size: int) -> bool:
        """Reserve memory; false when there is none left."""
        if self.held + size > self.rules.held_bytes:
            return False
        self._account(size)
        return True

    def release(self, size: int) -> None:
        """Give reserved memory back."""
        self._account(-size)

    async def take(self, raw: bytes, size: int, recipients: Sequence[str]) -> str:
        """Give a mail to the intake; the answer. Its `size` reserved bytes are released once the intake is done with it.

        That goes on when the connection is lost meanwhile: the mail is then sent again, and recognised.
        """
        taking = asyncio.create_task(self.intake.take(raw, recipients))
        self._takings.add(taking)
        taking.add_done_callback(lambda done: self._taken(done, size))
        try:
            await asyncio.shield(taking)
        except UnknownRecipient:
            metrics.RECEIVED.labels("unknown").inc()
            return UNKNOWN
        except NotNow:
            metrics.RECEIVED.labels("deferred").inc()
            return LATER
        except Exception:
            # Answered here, as aiosmtpd would answer once where LMTP answers for each recipient.
            log.exception("mail could not be taken")
            metrics.RECEIVED.labels("deferred").inc()
            return LATER
        except asyncio.CancelledError:
            metrics.RECEIVED.labels("unanswered").inc()
            raise
        metrics.RECEIVED.labels("taken").inc()
        return "250 2.0.0 taken"

    def _taken(self, taking: asyncio.Task[None], size: int) -> None:
        self._takings.discard(taking)
        self.release(size)
        if not taking.cancelled():
            taking.exception()  # whoever waited has it; nobody may have

    def _account(self, size: int) -> None:
        self.held += size
        metrics.RECEIVE_HELD_BYTES.set(self.held)

    def _is_allowed(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self.rules.networks)

    def _conversation(self) -> Conversation:
        kind = LmtpConversation if self.rules.lmtp else Conversation
        return kind(self, self._hooks, self._tls.context() if self._tls else None)


class _Certificate:
    """A certificate on disk, read again once it was renewed."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._files = (chain, key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._seen = self._state()
        self._context.load_cert_chain(chain, key)

    def context(self) -> ssl.SSLContext:
        """What a new connection uses."""
        try:
            now = self._state()
            if now != self._seen:
                # Into a new one: half of a renewal must not be left in the one in use.
                fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                fresh.load_cert_chain(*self._files)
                self._context, self._seen = fresh, now
                log.info("certificate read again")
        except (OSError, ssl.SSLError) as error:
            log.warning("renewed certificate cannot be read; going on with the old one", error=type(error).__name__)
        return self._context

    def _state(self) -> list[tuple[int, int]]:
        return [(stat.st_mtime_ns, stat.st_ino) for stat in (file.stat() for file in self._files)]


class _Hooks:
    """Our answers to commands, called by aiosmtpd."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def handle_EHLO(self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, lines: list[str]) -> list[str]:
        session.host_name = hostname
        # aiosmtpd would offer a login once TLS is on.
        words = [line[4:] for line in lines if not line[4:].startswith(("AUTH", "HELP"))] + ["PIPELINING", "ENHANCEDSTATUSCODES"]
        return ["\r\n".join([f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"])]

    async def handle_MAIL(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        size = next((int(option[5:]) for option in options if option.startswith("SIZE=")), 0)
        if self._receiver.held + size > self._receiver.rules.held_bytes:
            metrics.RECEIVED.labels("deferred").inc()
            return FULL
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        reason, answer = "", "250 2.1.5 OK"
        if len(envelope.rcpt_tos) >= self._receiver.rules.recipients:
            reason, answer = "many", TOO_MANY
        else:
            try:
                self._receiver.intake.check(address)
                envelope.rcpt_tos.append(address)
            except UnknownRecipient:
                reason, answer = "unknown", UNKNOWN
            except NotNow:
                reason, answer = "unready", LATER
        if reason:
            metrics.REFUSED_RECIPIENTS.labels(reason).inc()
        return answer

    async def handle_exception(self, error: Exception) -> str:
        log.error("conversation failed", exc_info=error)
        return LATER
