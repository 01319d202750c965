"""One connection of a mail server: what aiosmtpd's protocol does otherwise than is needed here.

- A mail's data is read in large pieces. aiosmtpd keeps an object for every line, so that a mail of empty lines takes forty times its size,
  and refuses lines of more than 1000 bytes, which mail servers do pass on.
- LMTP answers once for each recipient, and every answer has an enhanced status code (RFC 2033, 4.2 and 5).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Protocol

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from services.ingest import metrics

END = b"\r\n.\r\n"
"""The only end of a mail's data: taking a bare LF for a line's end would let a sender smuggle a second mail in."""
COMMAND_BYTES = 1024
TOO_LARGE = "552 5.3.4 the mail is too large"
FULL = "452 4.3.1 too much mail at once; send it again"
GOODBYE = "421 4.3.2 closing; come back later"
IN_THREAD_BYTES = 1024 * 1024
"""A mail this large is put together in a thread, so that other connections do not wait for it."""

_BARE = re.compile(r"([245]\d\d) (?!\d\.\d{1,3}\.\d{1,3}(?: |\Z))")
_ENHANCED = {
    "221": "2.0.0",
    "250": "2.0.0",
    "252": "2.5.0",
    "421": "4.3.0",
    "454": "4.7.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "552": "5.3.4",
    "554": "5.7.1",
    "555": "5.5.4",
}
_BEGINS_WITH_FIELD = re.compile(rb"[!-9;-~]{1,80}[ \t]*:")
_ADDRESS = re.compile(r"<?[!-~\u00a1-\U0010ffff]*>?")


@dataclass(frozen=True, slots=True)
class Rules:
    """How mail is received. Sizes in bytes, `timeout` in seconds; `tls_files`: certificate chain and key, PEM."""

    lmtp: bool
    name: str
    networks: Sequence[IPv4Network | IPv6Network]
    mail_bytes: int
    held_bytes: int
    recipients: int
    connections: int
    timeout: float
    tls_files: tuple[Path, Path] | None = None


class House(Protocol):
    """What all conversations have in common."""

    rules: Rules
    stopping: bool

    def enter(self, conversation: Conversation, address: str) -> str:
        """A connection from `address` was made: why it is refused, as an answer; empty: it is welcome."""

    def leave(self, conversation: Conversation) -> None:
        """The connection was lost, or ended."""

    def hold(self, size: int) -> bool:
        """Reserve memory; false when there is none left."""

    def release(self, size: int) -> None:
        """Give reserved memory back."""

    async def take(self, raw: bytes, size: int, recipients: Sequence[str]) -> str:
        """Have a mail taken in; the answer. Its `size` reserved bytes are released once that is done."""


class Conversation(SMTP):
    """ESMTP."""

    line_length_limit = 64 * 1024  # what the reader takes at once; it does not limit lines
    protocol_name = "ESMTP"
    answers_each = False

    def __init__(self, house: House, hooks: object, tls: ssl.SSLContext | None) -> None:
        # aiosmtpd's own is one for all connections, which every new connection clears and garbage fills.
        self.command_size_limits = defaultdict(lambda: COMMAND_BYTES)
        rules = house.rules
        super().__init__(
            hooks,
            data_size_limit=rules.mail_bytes,
            enable_SMTPUTF8=True,
            hostname=rules.name,
            ident=f"{self.protocol_name} casestream",
            tls_context=tls,
            timeout=rules.timeout,
            loop=asyncio.get_running_loop(),
        )
        self._house = house
        self._is_in_data = False

    # Beginning and end of the connection

    async def _handle_client(self) -> None:
        peer = self.transport.get_extra_info("peername") if self.transport else None
        refusal = self._house.enter(self, str(peer[0]) if peer else "")
        with contextlib.suppress(ConnectionError):  # the client has gone, and so has the connection
            if refusal:
                await self.push(refusal)
                self._writer.close()
            else:
                await super()._handle_client()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._house.leave(self)

    def end_when_idle(self) -> None:
        """Say goodbye, unless a mail is under way: then after its answer."""
        if not self._is_in_data and self.transport is not None and not self.transport.is_closing():
            self._writer.write(f"{GOODBYE}\r\n".encode())
            self.transport.close()

    def cut(self) -> None:
        """End the connection without a word."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    # Answers

    async def push(self, status: Any) -> None:
        """Send an answer, with an enhanced status code where the client has said that it speaks ESMTP or LMTP."""
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else str(status)
        bare = _BARE.match(text)
        if bare and bare[1] in _ENHANCED and self.session is not None and self.session.extended_smtp:
            text = f"{bare[1]} {_ENHANCED[bare[1]]} {text[4:]}"
        await super().push(text.encode("utf-8", "replace"))

    async def smtp_AUTH(self, arg: str | None) -> None:  # noqa: ARG002 - aiosmtpd's
        """There is no login."""
        await self.push("502 AUTH is not offered")

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        try:
            return super()._getaddr(arg)
        except (IndexError, ValueError):  # Python's own parser falls over some garbage
            return None, None

    # The mail

    async def smtp_DATA(self, arg: str | None) -> None:
        """Read a mail, have it taken, and answer."""
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 no recipient was accepted")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        self._is_in_data = True
        try:
            await self.push("354 end the mail with a line of one dot")
            answer = await self._mail(envelope.mail_from or "", envelope.rcpt_tos)
            self.envelope = self._create_envelope()
            self._reset_timeout()
            await self.push("\r\n".join([answer] * (len(envelope.rcpt_tos) if self.answers_each else 1)))
        finally:
            self._is_in_data = False
        if self._house.stopping:
            self.end_when_idle()

    async def _mail(self, sender: str, recipients: list[str]) -> str:
        pieces: list[bytes] = []
        held = 0
        try:
            held, refusal = await self._read_data(pieces)
            if refusal:
                return refusal
            if held > IN_THREAD_BYTES:
                raw = await asyncio.to_thread(_assembled, pieces, sender)
            else:
                raw = _assembled(pieces, sender)
            pieces.clear()
            size, held = held, 0  # the house's from here on
            self._pause_timeout()
            return await self._house.take(raw, size, recipients)
        finally:
            self._house.release(held)

    async def _read_data(self, pieces: list[bytes]) -> tuple[int, str]:
        """Read to the end of the data into `pieces`: how many bytes are held, and why the mail is refused.

        A mail that is refused is read to its end all the same, or its rest would be taken for commands.
        """
        held = 0
        refusal = ""
        # The line end of the DATA command counts as the data's first, so that an empty mail ends like any other.
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        try:
            is_over = False
            while not is_over:
                try:
                    piece = await self._reader.readuntil(END)
                    is_over = True
                except asyncio.LimitOverrunError as more:
                    piece = await self._reader.readexactly(more.consumed)
                self._reset_timeout()
                if refusal:
                    continue
                if held + len(piece) > self._house.rules.mail_bytes + len(END):
                    refusal = TOO_LARGE
                    metrics.RECEIVED.labels("too_large").inc()
                elif not self._house.hold(len(piece)):
                    refusal = FULL
                    metrics.RECEIVED.labels("deferred").inc()
                else:
                    held += len(piece)
                    pieces.append(piece)
                    continue
                pieces.clear()
                self._house.release(held)
                held = 0
        except BaseException:
            # Most likely cancelled, because the connection is lost.
            self._house.release(held)
            if not refusal:
                metrics.RECEIVED.labels("cut").inc()
            raise
        return held, refusal

    def _pause_timeout(self) -> None:
        """It is the client's silence that is timed, not ours."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()


class LmtpConversation(Conversation, LMTP):
    """LMTP."""

    protocol_name = "LMTP"
    answers_each = True


def _assembled(pieces: list[bytes], sender: str) -> bytes:
    """The mail as it was before it was sent (RFC 5321, 4.5.2), with the envelope's sender as the last mail server notes it (4.4).

    The null sender marks bounces and automatic answers. What does not begin like a mail stays as it is.
    """
    # Without the end's dot; then a line's first dot goes, and last the line end that was put before the first line.
    raw = b"".join(pieces)[:-3].replace(b"\r\n.", b"\r\n")[2:]
    address = sender if sender.startswith("<") else f"<{sender}>"
    if _BEGINS_WITH_FIELD.match(raw) and _ADDRESS.fullmatch(address):
        return b"Return-Path: " + address.encode("utf-8", "replace") + b"\r\n" + raw
    return raw
