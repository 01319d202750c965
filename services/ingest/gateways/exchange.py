"""A mailbox on Exchange, read by Exchange web services.

Exchange tells what has changed in the folder since a sync state, which is the cursor; the mails come as MIME, with all their files. A sync
state that Exchange does not know any more costs reading the folder again, nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from exchangelib import errors  # type: ignore[import-untyped]

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.exchange_connection import Link, TooMuch, connect
from services.ingest.gateways.exchange_mail import File, from_header, from_properties
from services.ingest.gateways.exchange_mailbox import Broken, ExchangeMailbox, Page
from services.ingest.gateways.exchange_news import STREAM_BYTES, ExchangeNews
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from services.ingest.gateways.standin import stand_in
from shared.observability import get_logger
from shared.schemas.configuration.channels import ExchangeFetch

log = get_logger(__name__)

LARGEST_BYTES = 64 * 1024 * 1024
"""Of a mail. Of a larger one only the header is given."""
BATCH_BYTES = 16 * 1024 * 1024
"""Of the mails of one `fetch`, unless a single one is larger; by Exchange's measure, which has files a third shorter than MIME."""
_UNKNOWN_BYTES = 1024 * 1024
_NO_DATE = datetime.max.replace(tzinfo=UTC)

_TOO_LARGE = "[This mail is too large to be taken. Only its header was; the mail is in the mailbox.]"
_REBUILT = "[Exchange could not give this mail as it was sent. This is what it could tell of it; the mail is in the mailbox.]"
_WITHOUT = "[Exchange could not give this mail as it was sent, and these files not at all: {}. The mail is in the mailbox.]"


class ExchangeSource:
    """The mails of one folder, as raw bytes."""

    def __init__(self, address: str, section: ExchangeFetch, credentials: Credentials, *, timeout: float = 30.0, ca_file: str = "") -> None:
        """`address`: of the mailbox. `timeout`: seconds that Exchange may be silent. `ca_file`: authorities (PEM) that are trusted besides
        the system's.
        """
        self._address = address
        self._section = section
        self._credentials = credentials
        self._timeout = timeout
        self._ca_file = ca_file
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._account: Any = None
        self._mailbox: ExchangeMailbox | None = None
        self._news = ExchangeNews(self._open_folder, timeout)

    def fetch(self, cursor: Cursor, most: int) -> Batch[bytes]:
        """The mails that came into the folder since the cursor."""
        where = f"{self._section.url} {self._section.folder}"
        state = cursor.get("state") if cursor.get("folder") == where else None
        with self._asking() as mailbox:
            page = _page(mailbox, state if isinstance(state, str) else "", most)
            new = sorted((item for item in page.changes if item is not None), key=lambda item: item.datetime_received or _NO_DATE)
            given = list(_mails(mailbox, new))
        marks = [item.id for item, _ in given]
        return Batch([mail for _, mail in given], {"folder": where, "state": page.state}, not page.is_last, marks)

    def acknowledge(self, batch: Batch[bytes]) -> None:
        """Move the mails away, or mark them as read. Exchange tells no more of them either way."""
        if not batch.marks:
            return
        with self._asking() as mailbox:
            left = mailbox.put_away(batch.marks)
        if left:
            log.warning("mails stay where and as they are in Exchange", mails=len(left), error=str(left[0]))

    def wait(self, seconds: float) -> None:
        """Wait until Exchange tells of something new, where it does."""
        self._news.wait(seconds)

    def close(self) -> None:
        """Close, for good."""
        self._closed.set()
        self._news.close()
        self._drop()

    @contextmanager
    def _asking(self) -> Iterator[ExchangeMailbox]:
        try:
            yield self._connected()
        except TooMuch as error:
            self._drop()
            raise GatewayError("malformed", "Exchange's answer is too long") from error
        except BaseException:
            self._drop()
            raise
        if self._closed.is_set():
            # What was in use when all was closed has come back meanwhile.
            self._drop()

    def _connected(self) -> ExchangeMailbox:
        if self._mailbox is None:
            with self._lock:
                if self._closed.is_set():
                    raise GatewayError("unreachable", "closed")
                self._link = Link()
            # In base64, with something around it.
            most_bytes = LARGEST_BYTES // 2 * 3
            self._account = connect(self._address, self._section, self._credentials, self._link, self._timeout, self._ca_file, most_bytes)
            self._mailbox = ExchangeMailbox(self._account, self._section)
        return self._mailbox

    def _open_folder(self, link: Link) -> tuple[Any, Any]:
        account = connect(self._address, self._section, self._credentials, link, self._timeout, self._ca_file, STREAM_BYTES)
        # Where mails go to is no matter here.
        return account, ExchangeMailbox(account, self._section.model_copy(update={"moved_to": None})).folder

    def _drop(self) -> None:
        with self._lock:
            link, account = self._link, self._account
            self._mailbox = None
        if link is not None:
            link.cut()
        if account is not None:
            account.protocol.close()


def _page(mailbox: ExchangeMailbox, state: str, most: int) -> Page:
    """The next changes, of which the new mails are not too large together."""
    while True:
        page = mailbox.changes(state, most)
        if page is None:
            log.warning("Exchange does not know the sync state; the folder is read from its beginning")
            state = ""
            continue
        fit = _fit(page.changes)
        if fit >= min(len(page.changes), most):
            return page
        # There is a state after these changes only. So it is asked again, for as many as fit.
        most = fit


def _fit(changes: Sequence[Any]) -> int:
    size = 0
    for count, item in enumerate(changes):
        if item is not None and not _is_too_large(item):
            size += item.size or _UNKNOWN_BYTES
            if count and size > BATCH_BYTES:
                return count
    return len(changes)


def _is_too_large(item: Any) -> bool:
    return (item.size or 0) > LARGEST_BYTES


def _mails(mailbox: ExchangeMailbox, items: Sequence[Any]) -> Iterator[tuple[Any, bytes]]:
    """Each item with its mail, except those that are gone."""
    mimes = _mimes(mailbox, [item for item in items if not _is_too_large(item)])
    for item in items:
        mime = None if _is_too_large(item) else next(mimes)
        if mime is None:
            mail: bytes | None = _header_of(mailbox, item)
        elif isinstance(mime, Broken):
            mail = None if mime.is_gone else _rebuilt(mailbox, item)
        else:
            mail = mime if len(mime) <= LARGEST_BYTES else stand_in(mime, _TOO_LARGE)
        if mail is not None:
            yield item, mail


def _mimes(mailbox: ExchangeMailbox, items: Sequence[Any]) -> Iterator[bytes | Broken | None]:
    """Of each item its mail, or None for one that is too large."""
    if not items:
        return
    try:
        yield from mailbox.mimes(items)
    except TooMuch:
        if len(items) == 1:
            yield None
        else:
            for item in items:
                yield from _mimes(mailbox, [item])


def _header_of(mailbox: ExchangeMailbox, item: Any) -> bytes | None:
    found = mailbox.properties(item, with_content=False)
    if isinstance(found, Broken):
        return None if found.is_gone else from_header(item, _TOO_LARGE)
    return from_header(found, _TOO_LARGE)


def _rebuilt(mailbox: ExchangeMailbox, item: Any) -> bytes | None:
    """A mail that Exchange cannot give, though it gives others: asked for alone, then built from what it tells of it."""
    try:
        (mime,) = mailbox.mimes([item])
        if isinstance(mime, bytes):
            return mime if len(mime) <= LARGEST_BYTES else stand_in(mime, _TOO_LARGE)
        found = mailbox.properties(item, with_content=True)
    except TooMuch:
        return _header_of(mailbox, item)
    if isinstance(found, Broken):
        if found.is_gone:
            return None
        if isinstance(found.error, errors.ErrorAccessDenied):
            raise GatewayError("refused", "Exchange lets us see which mails there are, but not read them")
        log.warning("mail that Exchange tells nothing of", error=str(found))
        return from_properties(item, (), _REBUILT)
    files, missing = _files(mailbox, found.attachments)
    log.warning("mail built from its properties", error=str(mime), files=len(files), missing=len(missing))
    return from_properties(found, files, _WITHOUT.format(", ".join(missing)) if missing else _REBUILT)


def _files(mailbox: ExchangeMailbox, attachments: Sequence[Any]) -> tuple[list[File], list[str]]:
    """The files that can be had, and the names of the others."""
    files: list[File] = []
    missing: list[str] = []
    size = 0
    for attachment in attachments:
        size += attachment.size or 0
        file = None
        if size <= LARGEST_BYTES // 2:
            try:
                file = mailbox.file(attachment)
            except TooMuch:
                file = None
            except GatewayError as error:
                if error.reason not in ("malformed", "refused"):
                    raise
        if file is None:
            missing.append(attachment.name or "?")
        else:
            files.append(file)
    return files, missing
