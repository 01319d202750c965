"""Speaking SMTP over a connection that is kept open: the envelope first, the message when its sender says so."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from services.notify.domain.message import Written
from services.notify.domain.retry import Outcome
from services.notify.gateways.login import Login
from shared.observability import get_logger

log = get_logger(__name__)

IDLE_SECONDS = 30.0
"""A connection unused for longer is made anew: servers, and routers between, drop idle ones without a word."""
_ABOUT_US = frozenset({421, 530})
"""Replies to a message that are about our connection or login (RFC 5321, 4954), not about the message."""
_WELCOME = (frozenset({250}), frozenset({250, 251}), frozenset({354}))
"""The replies to MAIL, RCPT and DATA with which it goes on."""


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """Where the relay is and how to speak with it. `security`: none, starttls or tls. `login` None: there is none.

    `timeout`: seconds for a step. `accepting`: seconds for the last one, in which the relay has the whole message and has not said so, and
    for what is said together with it.
    """

    host: str
    port: int
    security: str = "none"
    login: Login | None = None
    greeting: str = "localhost"
    timeout: float = 30.0
    accepting: float = 600.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended, with the server's own words."""

    outcome: Outcome
    code: int
    text: str = ""


class _OutOfStep(Exception):
    """What was said together with the message before is refused from its beginning on: as such, or for what it says."""


class Relay:
    """One connection to the relay, opened when it is first needed. Not for several threads. Only `begin` and `finish` block.

    Neither raises for what the server or the network does.
    """

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._smtp: smtplib.SMTP | None = None
        self._used_at = 0.0
        self._begun: bytes | None = None
        self._said: Written | None = None
        """Its envelope went out with the message before; the answers were not read yet."""
        self._may_say_ahead = True
        self._patience = address.timeout

    def begin(self, message: Written) -> Answer | None:
        """Say who writes to whom. None: the server waits for the message, which `finish` gives it; until then it has not accepted it.

        A connection found dead is opened again and tried once more: nothing of the message was said yet.
        """
        if self._said is not None and self._said is not message:
            self._drop()
        elif self._smtp is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
        for _ in range(2):
            reused = self._smtp is not None
            was_said = self._said is not None
            try:
                smtp = self._connected()
                if message.international and not smtp.has_extn("smtputf8"):
                    return Answer(Outcome.REFUSED, 0, "the address needs SMTPUTF8, which the mail relay does not have")
                code, text = self._envelope(smtp, message)
            except _OutOfStep as error:
                self._say_no_more_ahead(str(error))
                self._drop()
                continue
            except (OSError, smtplib.SMTPException) as error:
                if was_said:
                    self._say_no_more_ahead(_words(error))
                self._drop()
                if reused:
                    continue
                return Answer(Outcome.UNREACHABLE, 0, _words(error))
            self._said = None
            if code == 421:
                self._drop()
                if reused:
                    continue
            self._used_at = time.monotonic()
            if code == 354:
                self._begun = _as_data(message.content)
                return None
            self._reset()
            return Answer(outcome_of(code), code, text.decode("utf-8", "replace"))
        return Answer(Outcome.UNREACHABLE, 0, "the connection was closed twice")

    def finish(self, following: Written | None = None) -> Answer:
        """Hand over the message whose envelope was said, and in the same breath say that of the `following` one, which is begun next
        (RFC 2920, 3.1: one way there and back for a message). If another is begun, or none, the connection is given up.

        A connection that breaks here ends the attempt as unreachable: the server may have the message, and will be given it again under
        the same Message-ID. So its last answer is waited for much longer than any other (RFC 5321, 4.5.3.2.6).
        """
        smtp, content = self._smtp, self._begun
        if smtp is None or smtp.sock is None or content is None:
            return Answer(Outcome.UNREACHABLE, 0, "no message was begun")
        self._begun = None
        try:
            if following is not None and self._may_be_said_ahead(smtp, following):
                self._said = following
                content += _commands(smtp, following)
            smtp.send(content)
            self._wait_for(smtp, self._address.accepting)
            code, text = smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            return Answer(Outcome.UNREACHABLE, 0, _words(error))
        self._used_at = time.monotonic()
        if code == 421:
            self._drop()
        return Answer(outcome_of(code), code, text.decode("utf-8", "replace"))

    def abandon(self) -> None:
        """Take back what was begun: without its end the server does not have the message."""
        if self._begun is not None or self._said is not None:
            self._drop()

    def close(self) -> None:
        """Say goodbye and close."""
        self.abandon()
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._drop()

    def _may_be_said_ahead(self, smtp: smtplib.SMTP, message: Written) -> bool:
        return self._may_say_ahead and smtp.has_extn("pipelining") and (not message.international or smtp.has_extn("smtputf8"))

    def _wait_for(self, smtp: smtplib.SMTP, seconds: float) -> None:
        """Wait so long for every answer from now on."""
        if self._patience != seconds and smtp.sock is not None:
            smtp.sock.settimeout(seconds)
            self._patience = seconds

    def _say_no_more_ahead(self, reason: str) -> None:
        """Some servers, or what stands before them, drop what comes right after a message, or take it for an attack."""
        log.warning("the mail server did not go on with what was said together with a message; from now on that waits", reason=reason)
        self._may_say_ahead = False

    def _envelope(self, smtp: smtplib.SMTP, message: Written) -> tuple[int, bytes]:
        """354, or the first reply that says otherwise. With PIPELINING (RFC 2920) one way there and back, not three; none, if it was said
        already."""
        commands = _commands(smtp, message)
        is_pipelined = smtp.has_extn("pipelining")
        if self._said is None:
            self._wait_for(smtp, self._address.timeout)
            if is_pipelined:
                smtp.send(commands)
        refusal: tuple[int, bytes] | None = None
        code, text = 0, b""
        for command, welcome in zip(commands.splitlines(keepends=True), _WELCOME, strict=True):
            if not is_pipelined:
                smtp.send(command)
            code, text = smtp.getreply()
            if code == 421:
                return code, text
            if self._said is not None and command.startswith(b"MAIL") and code not in welcome:
                raise _OutOfStep(f"{code} {text.decode('utf-8', 'replace')}")
            if code not in welcome and refusal is None:
                refusal = code, text
                if not is_pipelined:
                    break
        if refusal is None:
            return code, text
        if code == 354:
            # It waits for a message that has no recipient left. There is no way back but an empty one (RFC 2920, 3.1).
            smtp.send(b".\r\n")
            smtp.getreply()
        return refusal

    def _reset(self) -> None:
        """End what was begun and refused. A refusal stands, even if the connection breaks while we tidy up after it."""
        if self._smtp is not None:
            try:
                self._smtp.rset()
            except (OSError, smtplib.SMTPException):
                self._drop()

    def _connected(self) -> smtplib.SMTP:
        if self._smtp is not None:
            return self._smtp
        where = self._address
        context = None
        if where.security != "none":
            context = ssl.create_default_context(cafile=str(where.ca_file) if where.ca_file else None)
        smtp: smtplib.SMTP
        if where.security == "tls":
            smtp = smtplib.SMTP_SSL(where.host, where.port, where.greeting, timeout=where.timeout, context=context)
        else:
            smtp = smtplib.SMTP(where.host, where.port, where.greeting, timeout=where.timeout)
        try:
            if smtp.sock is not None:
                # Otherwise the end of a message can wait for the acknowledgement of its beginning, 40 ms.
                smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if where.security == "starttls":
                smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
            if where.login is not None:
                where.login.log_in(smtp)
        except BaseException:
            smtp.close()
            raise
        self._smtp, self._patience = smtp, where.timeout
        self._used_at = time.monotonic()
        return smtp

    def _drop(self) -> None:
        self._begun = self._said = None
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def outcome_of(code: int) -> Outcome:
    """What a reply's code means for the message."""
    if code == 250:
        return Outcome.SENT
    if code in _ABOUT_US or code < 400:
        return Outcome.UNREACHABLE
    return Outcome.DEFERRED if code < 500 else Outcome.REFUSED


def _commands(smtp: smtplib.SMTP, message: Written) -> bytes:
    """MAIL, RCPT and DATA, a line each."""
    # Not smtplib's own `mail` and `rcpt`: they take every address apart again, an eighth of the sender's time. Ours were checked.
    options = f" SIZE={len(message.content)}" if smtp.has_extn("size") else ""
    if message.international:
        options += " BODY=8BITMIME SMTPUTF8"
    return f"MAIL FROM:<{message.sender}>{options}\r\nRCPT TO:<{message.recipient}>\r\nDATA\r\n".encode()


def _as_data(content: bytes) -> bytes:
    """The message as DATA wants it (RFC 5321, 4.5.2). Its line ends are CRLF already."""
    # Not by a regular expression: it tries at every byte, a quarter of the sender's time.
    content = content.replace(b"\n.", b"\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content + (b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
