"""One IMAP connection: what is said over it, and what the server's refusals mean."""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imapclient import DELETED, SEEN, IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import CapabilityError, ProtocolError  # type: ignore[import-untyped]

from services.ingest.gateways.source import GatewayError, Reason
from shared.schemas.configuration.channels import ImapFetch

SEARCHED_MAILS = 50_000
"""Mails that one SEARCH looks at: its answer is a single line, of which the standard library reads a million bytes at most."""
_REASONS: dict[str, Reason] = {
    "LIMIT": "throttled",
    "THROTTLED": "throttled",
    "UNAVAILABLE": "unreachable",
    "INUSE": "unreachable",
    "SERVERBUG": "unreachable",
    "CORRUPTION": "unreachable",
    "AUTHENTICATIONFAILED": "credentials",
    "AUTHORIZATIONFAILED": "credentials",
    "EXPIRED": "credentials",
    "PRIVACYREQUIRED": "refused",
    "OVERQUOTA": "refused",
    "NOPERM": "refused",
    "CANNOT": "refused",
    "NONEXISTENT": "refused",
    "TRYCREATE": "refused",
}
"""What the response codes of RFC 5530 and 9051 mean for us."""
_CODE = re.compile(r"\[([A-Z]{4,24})[\] ]")
_TOO_OFTEN = re.compile(r"throttled|too many (simultaneous )?connections|number of connections|bandwidth limits", re.IGNORECASE)
"""Exchange Online and Gmail say so in words only, and older Dovecots under another code."""
_BUSY = re.compile(r"server (is )?unavailable", re.IGNORECASE)
_BACK_OFF = re.compile(r"backoff time: (\d{1,9}) milliseconds", re.IGNORECASE)
_ABOUT_ONE_MAIL = frozenset({"", "SERVERBUG", "CORRUPTION", "CANNOT", "PARSE", "UNKNOWN-CTE"})
"""Response codes of a FETCH that failed for what it asked for."""
_LIBRARY_ERRORS = (imaplib.IMAP4.error, OSError, ValueError, TypeError, AttributeError, LookupError)
"""What the library raises: its own errors, the transport's, and what its parser stumbles over in an answer that makes no sense."""


class Unreadable(GatewayError):
    """A mail, or one among several, that the server has but does not give. The connection is sound."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it was when it was opened."""

    validity: int
    next_uid: int
    """0 where the server does not tell."""
    mails: int

    @property
    def state(self) -> tuple[int, int]:
        """Changes when a mail comes."""
        return self.validity, self.next_uid or -self.mails


class _Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient, apart from what it overlooks when the server sends news along with its consent to IDLE."""

    _is_fresh = False

    def idle(self) -> None:
        super().idle()
        self._is_fresh = True

    def _poll_socket(self, sock: socket.socket, timeout: float | None = None) -> Any:
        # What came together with the consent was read with it and lies in a buffer: the socket has nothing to show for it.
        if self._is_fresh:
            self._is_fresh = False
            return True
        return super()._poll_socket(sock, timeout)


class ImapConnection:
    """A connection, open from the start. Every method raises `GatewayError`; after one that is not `Unreadable` it is of no use."""

    def __init__(self, section: ImapFetch, timeout: float, context: ssl.SSLContext) -> None:
        """Connect, but do not log in yet. `timeout`: seconds, for connecting and for each wait for the server."""
        timeouts = SocketTimeout(timeout, timeout)
        with _spoken("connecting", "unreachable"):
            self._client: Any = _Client(section.host, section.port, ssl=section.security == "tls", ssl_context=context, timeout=timeouts)
        # The library has imaplib write everything down, in which each mail would be copied several times only to be thrown away.
        self._client._imap.debug = 0
        if section.security == "starttls":
            try:
                with _spoken("STARTTLS", "refused"):
                    self._client.starttls(context)
            except GatewayError:
                self.close()
                raise

    def log_in(self, user: str, password: str) -> None:
        """Log in by password."""
        with _spoken("login", "credentials"):
            # PLAIN takes any character. LOGIN has no letters beyond ASCII, and the library does not quote the user's name.
            if self._client.has_capability("AUTH=PLAIN"):
                self._client.plain_login(user, password)
            elif user.isascii() and password.isascii():
                self._client.login(_quoted(user), password)
            else:
                raise GatewayError("credentials", "the server's way to log in has no letters beyond ASCII")

    def log_in_by_token(self, user: str, token: str) -> None:
        """Log in by an access token."""
        with _spoken("login", "credentials"):
            self._client.oauth2_login(user, token)

    def open(self, name: str) -> Folder:
        """Open a folder; again, to see what changed."""
        with _spoken("opening the folder", "refused"):
            told = self._client.select_folder(name)
            validity, mails = told.get(b"UIDVALIDITY"), told[b"EXISTS"]
        if validity is None:
            raise GatewayError("refused", "the server has no lasting numbers for mails (UIDVALIDITY)")
        return Folder(validity, told.get(b"UIDNEXT", 0), mails)

    def uids_after(self, uid: int, mails: int) -> tuple[list[int], bool]:
        """Numbers of mails after `uid`, ascending, and whether there are more than these. `mails`: how many the folder has.

        Looked for from the end: a mail that is removed meanwhile moves the places of later ones down, to where we look next.
        """
        found: list[int] = []
        is_cut, last = False, mails
        while last > 0:
            first = max(1, last - SEARCHED_MAILS + 1)
            with _spoken("looking for mail", "refused"):
                answer = self._client.search([f"{first}:{last}", "UID", f"{uid + 1}:*"])
            # `n:*` always has the folder's last mail.
            later = sorted(number for number in answer if number > uid)
            is_cut = is_cut or len(later) + len(found) > SEARCHED_MAILS
            found = (later + found)[:SEARCHED_MAILS]
            if len(later) < last - first + 1:
                break
            last = first - 1
        return found, is_cut

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Bytes of each mail, as far as the server tells."""
        with _spoken("asking for sizes", "refused"):
            answer = self._client.fetch(uids, ["RFC822.SIZE"])
            return {uid: int(items[b"RFC822.SIZE"]) for uid, items in answer.items() if b"RFC822.SIZE" in items}

    def mails(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The mails, without marking them; not those that are gone. Raises `Unreadable` where the server keeps one back."""
        answer = self._fetched(uids, "BODY.PEEK[]")
        found = {uid: items[b"BODY[]"] for uid, items in answer.items() if isinstance(items.get(b"BODY[]"), bytes)}
        left = [uid for uid in uids if uid not in found]
        if left:
            with _spoken("looking for mail", "refused"):
                if self._client.search(["UID", ",".join(map(str, left))]):
                    raise Unreadable("refused", "the server has a mail but does not give it")
        return found

    def header(self, uid: int, most: int) -> bytes:
        """The beginning of a mail's header, at most `most` bytes; empty when the mail is gone."""
        items = self._fetched([uid], f"BODY.PEEK[HEADER]<0.{most}>").get(uid, {})
        value = items.get(b"BODY[HEADER]<0>")
        return value[:most] if isinstance(value, bytes) else b""

    def mark_seen(self, uids: Sequence[int]) -> None:
        """Mark mails as read; those that are gone do not matter."""
        with _spoken("marking mail", "refused"), _gone_is_fine():
            self._client.add_flags(uids, [SEEN], silent=True)

    def move(self, uids: Sequence[int], to: str) -> None:
        """Move mails to another folder, which is created when there is none; those that are gone do not matter.

        Without MOVE they are copied and deleted. A server without UIDPLUS as well keeps them, marked as deleted: there is no removing
        them without removing what others have marked.
        """
        with _spoken("moving mail", "refused"):
            if self._client.has_capability("MOVE"):
                self._into(to, uids, self._client.move)
                return
            flags = self._client.get_flags(uids)
            self._into(to, [uid for uid in uids if uid in flags and DELETED not in flags[uid]], self._client.copy)
            with _gone_is_fine():
                self._client.delete_messages(uids, silent=True)
                if self._client.has_capability("UIDPLUS"):
                    self._client.uid_expunge(uids)

    def _into(self, to: str, uids: Sequence[int], act: Any) -> None:
        if not uids:
            return
        try:
            with _gone_is_fine():
                act(uids, to)
        except imaplib.IMAP4.error as error:
            if isinstance(error, imaplib.IMAP4.abort) or _reason(str(error), "refused") != "refused" or self._client.folder_exists(to):
                raise
            self._client.create_folder(to)
            self._client.subscribe_folder(to)
            act(uids, to)

    @property
    def can_idle(self) -> bool:
        """Whether the server tells of new mail by itself."""
        with _spoken("asking what the server can do", "refused"):
            return bool(self._client.has_capability("IDLE"))

    def idle(self, seconds: float, renewed: float) -> None:
        """Return when mail came, or after `seconds`; every `renewed` seconds the server is told that we are still there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            until = min(end, time.monotonic() + renewed)
            with _spoken("waiting for mail", "refused"):
                self._client.idle()
                answers = self._client.idle_check(0)
                while not _has_come(answers) and (left := until - time.monotonic()) > 0:
                    answers = self._client.idle_check(left)
                    if not answers:
                        # The time is over, or the connection; the library does not tell which, but DONE will.
                        break
                _, more = self._client.idle_done()
            if _has_come(answers) or _has_come(more):
                return

    def cut(self) -> None:
        """Break the connection, from any thread: whoever waits for the server gets an error."""
        with contextlib.suppress(OSError):
            # Not the method of an SSL socket: that takes its state away under the thread that is reading.
            socket.socket.shutdown(self._client.socket(), socket.SHUT_RDWR)

    def close(self) -> None:
        """Close without a farewell, which might block."""
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self._client.shutdown()

    def _fetched(self, uids: Sequence[int], what: str) -> dict[int, dict[bytes, Any]]:
        with _spoken("reading mail", "refused"):
            try:
                answer: dict[int, dict[bytes, Any]] = self._client.fetch(uids, [what])
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error as error:
                text = str(error)
                if not _is_answer(error) or _code(text) not in _ABOUT_ONE_MAIL or _TOO_OFTEN.search(text) or _BUSY.search(text):
                    raise
                raise Unreadable("refused", f"reading mail: the server does not give it {_code(text)}".rstrip()) from None
        return answer


@contextlib.contextmanager
def _spoken(doing: str, otherwise: Reason) -> Iterator[None]:
    """Speak with the server; `otherwise`: what a refusal means that gives no reason.

    Errors are told without the server's own words, and without their cause: both may hold names and pieces of mail.
    """
    try:
        yield
    except _LIBRARY_ERRORS as error:
        raise _failure(error, doing, otherwise) from None


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """A server may answer NO when some of the mails are gone (RFC 5530: EXPUNGEISSUED), having done the rest."""
    try:
        yield
    except imaplib.IMAP4.error as error:
        if isinstance(error, imaplib.IMAP4.abort) or _code(str(error)) != "EXPUNGEISSUED":
            raise


def _failure(error: Exception, doing: str, otherwise: Reason) -> GatewayError:
    text = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return GatewayError("unreachable", f"{doing}: the server's certificate is not trusted ({error.verify_message})")
    if isinstance(error, OSError):
        return GatewayError("unreachable", f"{doing}: {type(error).__name__}")
    if isinstance(error, imaplib.IMAP4.readonly):
        return GatewayError("refused", f"{doing}: the folder may only be read")
    if isinstance(error, CapabilityError):
        return GatewayError("refused", f"{doing}: the server cannot do that")
    if not isinstance(error, imaplib.IMAP4.error) or isinstance(error, ProtocolError):
        return GatewayError("malformed", f"{doing}: the answer cannot be understood ({type(error).__name__})")
    if isinstance(error, imaplib.IMAP4.abort):
        if "socket error:" in text:
            return GatewayError("unreachable", f"{doing}: the connection was lost")
        if "unexpected " in text:
            return GatewayError("malformed", f"{doing}: the answer cannot be understood")
        # The server said goodbye.
        otherwise = "unreachable"
    elif not _is_answer(error) or (doing == "connecting" and "BYE" not in text):
        return GatewayError("malformed", f"{doing}: the answer cannot be understood")
    back_off = _BACK_OFF.search(text)
    reason = _reason(text, otherwise)
    return GatewayError(reason, f"{doing}: refused {_code(text)}".rstrip(), int(back_off[1]) / 1000 if back_off else None)


def _is_answer(error: imaplib.IMAP4.error) -> bool:
    """Whether the error is what the server answered, rather than trouble to read that."""
    return not isinstance(error, ProtocolError) and not str(error).startswith("command: ")


def _reason(text: str, otherwise: Reason) -> Reason:
    if _TOO_OFTEN.search(text):
        return "throttled"
    if _BUSY.search(text):
        return "unreachable"
    return _REASONS.get(_code(text), otherwise)


def _code(text: str) -> str:
    """The response code in the server's answer, if any."""
    found = _CODE.search(text)
    return found[1] if found else ""


def _has_come(answers: Sequence[tuple[Any, ...]]) -> bool:
    """Whether mail came. Raises `GatewayError` for a goodbye."""
    if any(answer[:1] == (b"BYE",) for answer in answers):
        raise GatewayError("unreachable", "waiting for mail: the server ended the connection")
    return any(answer[1:2] == (b"EXISTS",) for answer in answers)


def _quoted(text: str) -> str:
    if any(ord(character) < 32 for character in text):
        raise GatewayError("credentials", "the user's name has control characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
