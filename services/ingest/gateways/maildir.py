"""A Maildir that a mail server of this machine, procmail or a script delivers into.

What lies in `new` is not taken yet; what is taken moves to `cur`, marked as seen, as mail programs do. So there is no cursor: whoever is
killed midway finds in `new` what is left.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from services.ingest.gateways.source import Batch, Cursor, GatewayError
from services.ingest.gateways.standin import TOO_LARGE, stand_in
from shared.observability import get_logger

log = get_logger(__name__)

LARGEST_BYTES = 64 * 1024 * 1024
BATCH_BYTES = 16 * 1024 * 1024
LOOK_SECONDS = 0.5
"""How often `wait` looks; a look is one reading of a folder."""
_SEEN = ":2,S"


class MaildirSource:
    """One Maildir."""

    def __init__(self, folder: Path) -> None:
        self._new, self._cur = folder / "new", folder / "cur"
        self._closed = threading.Event()

    def fetch(self, cursor: Cursor, most: int) -> Batch[bytes]:
        """The mails in `new`, in the order of their names, which begin with the time of delivery."""
        names = self._names()
        mails: list[bytes] = []
        marks: list[str] = []
        size = 0
        is_more = False
        for name in names:
            is_more = len(marks) == most
            if is_more:
                break
            mail = self._read(name)
            if mail is None:
                continue
            size += len(mail)
            is_more = bool(marks) and size > BATCH_BYTES
            if is_more:
                break
            mails.append(mail)
            marks.append(name)
        return Batch(mails, cursor, is_more, marks)

    def acknowledge(self, batch: Batch[bytes]) -> None:
        """Move the mails to `cur`."""
        try:
            self._cur.mkdir(exist_ok=True)
            for name in batch.marks:
                try:
                    (self._new / name).rename(self._cur / (name if ":2," in name else name + _SEEN))
                except FileNotFoundError:
                    continue  # moved before
        except OSError as error:
            raise _as_gateway_error(error) from error

    def wait(self, seconds: float) -> None:
        """Look until something is there."""
        left = seconds
        while left > 0 and not self._closed.wait(min(LOOK_SECONDS, left)):
            left -= LOOK_SECONDS
            if self._names():
                return

    def close(self) -> None:
        """End waiting."""
        self._closed.set()

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._new) as entries:
                return sorted([entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)])
        except OSError as error:
            raise _as_gateway_error(error) from error

    def _read(self, name: str) -> bytes | None:
        try:
            # Whoever may deliver must not make us read other files.
            with os.fdopen(os.open(self._new / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                mail = file.read(LARGEST_BYTES + 1)
        except OSError as error:
            # Gone meanwhile, or not ours to read: it must not hold up the others, and stays where it is.
            log.warning("mail in a Maildir cannot be read", error=type(error).__name__)
            return None
        return mail if len(mail) <= LARGEST_BYTES else stand_in(mail, TOO_LARGE)


def _as_gateway_error(error: OSError) -> GatewayError:
    if isinstance(error, FileNotFoundError):
        return GatewayError("refused", "there is no such Maildir")
    if isinstance(error, PermissionError):
        return GatewayError("refused", "the Maildir cannot be read and changed by this process")
    return GatewayError("unreachable", f"the Maildir cannot be read: {type(error).__name__}")
