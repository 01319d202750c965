"""Mail from a mailbox that is read by IMAP4rev1 (RFC 3501).

What was read is known by UIDVALIDITY and UID alone, never by whether a mail is marked as read: a colleague who opens a mail does not hide
it from us. Where the folder was made anew, so that its UIDs mean other mails, it is read from the beginning.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.imap_connection import Folder, ImapConnection, Unreadable
from services.ingest.gateways.oauth import AccessTokens
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from services.ingest.gateways.standin import LONGEST_HEADER, stand_in
from shared.schemas.configuration.channels import ImapFetch

PORTION_BYTES = 16 * 1024 * 1024
"""Most that one fetch gives, unless a single mail is larger."""
PORTION_MAILS = 500
"""Most mails of one fetch: their numbers must fit into one command line, of which servers take 8,000 bytes."""
LARGEST_MAIL = 64 * 1024 * 1024
"""Of a larger mail only the header is taken, with a note in place of the rest, which stays in the mailbox."""
IDLE_SECONDS = 540.0
"""How long IDLE goes on before it is renewed. Servers end it after 30 minutes (RFC 2177), but routers forget quiet connections sooner."""
TRIES = 3
"""How often a mail is asked for that the server has but does not give, before a note is given in its place and the next ones are read."""
R = TypeVar("R")


class ImapSource:
    """One folder of one mailbox: a `Source` of raw mails (RFC 5322).

    Cursor: `{"uidvalidity": n, "uid": n}`, the last mail that was given. Of a mail over 64 MiB, and of one that the server does not give,
    a mail is given that has its header and says where the rest is; so nothing is missing silently.
    """

    def __init__(
        self, section: ImapFetch, credentials: Credentials, *, timeout: float = 30.0, ca_file: str = "", idle_seconds: float = IDLE_SECONDS
    ) -> None:
        """`timeout`: seconds, for connecting and for each wait for an answer. `ca_file`: certificates (PEM) of private authorities that
        are trusted beside the usual ones. `idle_seconds`: after how long IDLE is renewed.
        """
        self._section = section
        self._credentials = credentials
        self._timeout = timeout
        self._ca_file = ca_file
        self._idle_seconds = idle_seconds
        self._tokens: AccessTokens | None = None
        self._connection: ImapConnection | None = None
        self._busy = threading.Lock()
        self._closed = threading.Event()
        self._validity = 0
        self._searched: tuple[int, int] | None = None
        # The numbers of all mails after `_known_after`, up to the last of them; `_is_cut`: there are more than these.
        self._known: list[int] = []
        self._known_after = 0
        self._is_cut = False
        self._is_more = False
        # Of a mail that makes trouble: UIDVALIDITY, UID; and how often it was asked for alone.
        self._careful_until = (0, 0)
        self._tries = (0, 0, 0)

    def fetch(self, cursor: Cursor, most: int) -> Batch[bytes]:
        """The next mails after `cursor`, at most `most`, 500, or 16 MiB. Nothing is marked by that. Raises `GatewayError`."""
        with self._at_work():
            return self._trying(lambda connection: self._next(connection, cursor, min(most, PORTION_MAILS)))

    def acknowledge(self, batch: Batch[bytes]) -> None:
        """Mark the mails as seen, or move them. Raises `GatewayError`."""
        uids = [int(mark) for mark in batch.marks]
        if not uids:
            return
        with self._at_work():
            self._trying(lambda connection: self._taken(connection, batch.cursor, uids))

    def wait(self, seconds: float) -> None:
        """Return when mail may have come, at the latest after `seconds`. Raises `GatewayError`."""
        with self._at_work():
            if self._closed.is_set() or self._is_more:
                return
            try:
                if self._trying(lambda connection: connection.can_idle):
                    if self._trying(self._is_quiet) and self._connection is not None:
                        self._connection.idle(seconds, self._idle_seconds)
                    return
            except GatewayError:
                self._drop()
                if self._closed.is_set():
                    return
                raise
            self._closed.wait(seconds)

    def close(self) -> None:
        """Let go of the connection, for good. What runs ends at once, but for making a connection, which takes its time-out at most."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.cut()
        self._let_go()

    def _next(self, connection: ImapConnection, cursor: Cursor, most: int) -> Batch[bytes]:
        while True:
            after = self._look(connection, cursor)
            start = bisect_right(self._known, after)
            waiting = self._known[start : start + most]
            if not waiting:
                self._is_more = False
                return Batch((), self._cursor(after))
            end, is_cut, validity = self._known[-1], self._is_cut, self._validity
            sizes = connection.sizes(waiting)
            items, marks, after = self._read(connection, _portion(waiting, sizes), sizes)
            cursor = {"uidvalidity": validity, "uid": after}
            # Without items, all of the portion is gone by now.
            if items:
                self._is_more = is_cut or after < end
                return Batch(items, cursor, self._is_more, marks)

    def _look(self, connection: ImapConnection, cursor: Cursor) -> int:
        """Make sure of knowing what comes next; the number after which that is."""
        after = self._after(cursor)
        if not self._known or not self._known_after <= after < self._known[-1]:
            folder = self._open(connection)
            after = self._after(cursor)
            self._known, self._is_cut = connection.uids_after(after, folder.mails)
            self._known_after = after
            self._searched = folder.state
        return after

    def _read(self, connection: ImapConnection, portion: Sequence[int], sizes: Mapping[int, int]) -> tuple[list[bytes], list[str], int]:
        """The mails of `portion`, their marks, and the last number that is done with: not all of it where a mail makes trouble."""
        items: list[bytes] = []
        marks: list[str] = []
        last = portion[-1]
        is_careful = self._careful_until[0] == self._validity and portion[0] <= self._careful_until[1]
        for some in [[uid] for uid in portion] if is_careful else [portion]:
            try:
                mails = self._mails(connection, some, sizes)
            except GatewayError as error:
                self._careful_until = (self._validity, portion[-1])
                if not items:
                    raise
                # What was read before it is given first; the trouble comes up again, if it lasts.
                if not isinstance(error, Unreadable):
                    self._drop()
                last = int(marks[-1])
                break
            items += mails.values()
            marks += map(str, mails)
        return items, marks, last

    def _mails(self, connection: ImapConnection, uids: Sequence[int], sizes: Mapping[int, int]) -> dict[int, bytes]:
        """These mails, or what stands in for them; not those that are gone."""
        first = uids[0]
        if len(uids) == 1 and sizes.get(first, 0) > LARGEST_MAIL:
            return {first: self._too_large(connection, first, sizes[first])}
        is_alone = len(uids) == 1
        tries = self._tries[2] if is_alone and self._tries[:2] == (self._validity, first) else 0
        try:
            mails = {first: self._not_given(connection, first, tries)} if tries >= TRIES else connection.mails(uids)
        except GatewayError as error:
            if is_alone and error.reason != "throttled":
                self._tries = (self._validity, first, tries + 1)
            raise
        # The sizes that a server tells need not be right.
        return {
            uid: mail if len(mail) <= LARGEST_MAIL else self._too_large(connection, uid, len(mail)) for uid, mail in sorted(mails.items())
        }

    def _too_large(self, connection: ImapConnection, uid: int, size: int) -> bytes:
        note = f"This mail has {size} bytes, more than the {LARGEST_MAIL} that are taken in. It is still in the mailbox, with its files."
        return stand_in(connection.header(uid, LONGEST_HEADER), note)

    def _not_given(self, connection: ImapConnection, uid: int, tries: int) -> bytes:
        """With its header, if the server gives that at least, the first time it is asked for."""
        header = connection.header(uid, LONGEST_HEADER) if tries == TRIES else b""
        return stand_in(
            header, f"The mail server has this mail (number {uid} of its folder) but does not give it. Look for it in the mailbox."
        )

    def _taken(self, connection: ImapConnection, cursor: Cursor, uids: Sequence[int]) -> None:
        if cursor["uidvalidity"] != self._validity:
            # The folder was made anew: these numbers are others' now.
            return
        if self._section.moved_to is None:
            connection.mark_seen(uids)
        else:
            connection.move(uids, self._section.moved_to)

    def _is_quiet(self, connection: ImapConnection) -> bool:
        """Whether nothing came since mail was last looked for, be it over another connection."""
        return self._open(connection).state == self._searched

    def _after(self, cursor: Cursor) -> int:
        """The number to go on after, in the folder as it is now."""
        return int(cursor.get("uid", 0)) if cursor.get("uidvalidity") == self._validity else 0

    def _cursor(self, after: int) -> Cursor:
        return {"uidvalidity": self._validity, "uid": after}

    def _open(self, connection: ImapConnection) -> Folder:
        folder = connection.open(self._section.folder)
        self._validity = folder.validity
        return folder

    def _trying(self, work: Callable[[ImapConnection], R]) -> R:
        """Do `work`, once more where the connection turns out to be dead that was kept from before. It is dropped after an error."""
        is_kept = self._connection is not None
        try:
            return work(self._connected())
        except GatewayError as error:
            self._drop()
            if not is_kept or error.reason != "unreachable" or self._closed.is_set():
                raise
        try:
            return work(self._connected())
        except GatewayError:
            self._drop()
            raise

    def _connected(self) -> ImapConnection:
        if self._closed.is_set():
            raise GatewayError("unreachable", "the channel is closed")
        if self._connection is None:
            if self._section.moved_to == self._section.folder:
                raise GatewayError("refused", "mail cannot be moved to the folder that it is read from")
            context = self._context()
            self._connection = ImapConnection(self._section, self._timeout, context)
            if self._closed.is_set():
                raise GatewayError("unreachable", "the channel is closed")
            self._log_in(self._connection, context)
            self._open(self._connection)
        return self._connection

    def _log_in(self, connection: ImapConnection, context: ssl.SSLContext) -> None:
        section = self._section
        if section.login == "password":
            connection.log_in(section.user, self._credentials.read(section.secret))
            return
        if section.oauth is None:
            raise GatewayError("refused", "oauth is not configured")
        if self._tokens is None:
            self._tokens = AccessTokens(section.oauth, self._credentials, section.secret, timeout=self._timeout, context=context)
        is_kept = self._tokens.is_kept
        try:
            connection.log_in_by_token(section.user, self._tokens.get())
        except GatewayError as error:
            if error.reason != "credentials":
                raise
            self._tokens.forget()
            if not is_kept:
                raise
            # It may have been withdrawn since.
            connection.log_in_by_token(section.user, self._tokens.get())

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_file:
            try:
                context.load_verify_locations(self._ca_file)
            except OSError as error:
                raise GatewayError("refused", f"the file of certificates cannot be read: {type(error).__name__}") from None
        return context

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        try:
            with self._busy:
                yield
        finally:
            if self._closed.is_set():
                self._let_go()

    def _let_go(self) -> None:
        """Drop the connection, unless somebody is at work: then it is dropped when that ends."""
        if self._busy.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._busy.release()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._known = []
        self._is_cut = False
        if connection is not None:
            connection.close()


def _portion(uids: Sequence[int], sizes: Mapping[int, int]) -> Sequence[int]:
    """As many of `uids` as are read at once, one at least."""
    total = 0
    for place, uid in enumerate(uids):
        total += sizes.get(uid, 0)
        if place and total > PORTION_BYTES:
            return uids[:place]
    return uids
