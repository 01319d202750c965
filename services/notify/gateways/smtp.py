"""Speaking SMTP over a connection that is kept open."""

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

IDLE_SECONDS = 30.0
"""A connection unused for longer is made anew: servers, and routers between, drop idle ones without a word."""
_ABOUT_US = frozenset({421, 530})
"""Replies to a message that are about our connection or login (RFC 5321, 4954), not about the message."""


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """Where the relay is and how to speak with it. `security`: none, starttls or tls."""

    host: str
    port: int
    security: str = "none"
    user: str = ""
    password: str = ""
    greeting: str = "localhost"
    timeout: float = 30.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended, with the server's own words."""

    outcome: Outcome
    code: int
    text: str = ""


class Relay:
    """One connection to the relay, opened when it is first needed. Not for several threads."""

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._smtp: smtplib.SMTP | None = None
        self._used_at = 0.0

    def send(self, message: Written) -> Answer:
        """Hand over one message. Blocks for the exchange; never raises for what the server or the network does.

        A connection found dead before anything of the message was said is opened again and tried once more. One that breaks later ends
        the attempt as unreachable: the server may have the message, and will be given it again under the same Message-ID.
        """
        if self._smtp is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
        for _ in range(2):
            reused = self._smtp is not None
            try:
                smtp = self._connected()
                if message.international and not smtp.has_extn("smtputf8"):
                    return Answer(Outcome.REFUSED, 0, "the address needs SMTPUTF8, which the mail relay does not have")
                code, text = self._mail(smtp, message)
            except (OSError, smtplib.SMTPException) as error:
                self._drop()
                if reused:
                    continue
                return Answer(Outcome.UNREACHABLE, 0, _words(error))
            if code == 421 and reused:
                self._drop()
                continue
            return self._rest(smtp, message, code, text)
        return Answer(Outcome.UNREACHABLE, 0, "the connection was closed twice")

    def close(self) -> None:
        """Say goodbye and close."""
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._drop()

    def _mail(self, smtp: smtplib.SMTP, message: Written) -> tuple[int, bytes]:
        # Not smtplib's own `mail` and `rcpt`: they take every address apart again, an eighth of the sender's time. Ours were checked.
        options = f" SIZE={len(message.content)}" if smtp.has_extn("size") else ""
        if message.international:
            options += " BODY=8BITMIME SMTPUTF8"
        smtp.command_encoding = "utf-8" if message.international else "ascii"
        return smtp.docmd("MAIL", f"FROM:<{message.sender}>{options}")

    def _rest(self, smtp: smtplib.SMTP, message: Written, code: int, text: bytes) -> Answer:
        try:
            if code == 250:
                code, text = smtp.docmd("RCPT", f"TO:<{message.recipient}>")
            if code in (250, 251):
                code, text = smtp.data(message.content)
            self._used_at = time.monotonic()
            if code != 250:
                smtp.rset()
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.rset()
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            # A refusal stands, even if the connection broke while we tidied up after it.
            if code < 400:
                return Answer(Outcome.UNREACHABLE, 0, _words(error))
        if code == 421:
            self._drop()
        return Answer(outcome_of(code), code, text.decode("utf-8", "replace"))

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
            if where.user:
                smtp.login(where.user, where.password)
        except BaseException:
            smtp.close()
            raise
        self._smtp = smtp
        self._used_at = time.monotonic()
        return smtp

    def _drop(self) -> None:
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


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
