"""The import itself: mails from a mailbox to ingest in batches, at a pace that leaves room for live mail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from services.cli.imports.folder import Folder
from services.cli.imports.journal import Journal, Key
from services.cli.imports.mbox import Mbox
from services.cli.imports.source import Item, Source
from services.cli.stack.errors import RefusedError
from services.cli.stack.mail_batches import MOST_BYTES, MOST_MAILS

TOO_LARGE = 413
Send = Callable[[Sequence[bytes]], object]
"""Gives mails to ingest; returns once they are taken."""


@dataclass(slots=True)
class Result:
    """What became of the mails. `earlier`: those that earlier runs imported. `newer`: those that `before` left out."""

    imported: int = 0
    earlier: int = 0
    newer: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """What an import would meet. `undated`: mails whose date is missing or cannot be read."""

    mails: int = 0
    bytes: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None
    undated: int = 0
    newer: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


Look = Callable[[Source, Item], None]
"""Is called for each mail that is done."""


class Pace:
    """At most `rate` mails a second on average. `clock` and `sleep` in seconds."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    @property
    def batch(self) -> int:
        """How many to send at once: what a second allows."""
        return max(1, min(MOST_MAILS, int(self._rate)))

    def wait(self, mails: int) -> None:
        """Wait until these may be sent. Time in which nothing was sent is not made up for."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(self._next, now) + mails / self._rate


def open_source(path: Path) -> Source:
    """The mailbox at `path`. Raises `SourceError` and OSError."""
    return Folder(path) if path.is_dir() else Mbox(path)


def _is_newer(raw: bytes, before: datetime) -> bool:
    from services.ingest.domain.mail import parse_mail

    date = parse_mail(raw).date
    return date is not None and date >= before


def survey(sources: Sequence[Source], before: datetime | None, look: Look) -> Survey:
    """Read everything, change nothing."""
    from services.ingest.domain.mail import parse_mail

    found = Survey()
    for source in sources:
        for item in source.read([]):
            look(source, item)
            if item.raw is None:
                found.skipped.append((item.place, item.problem))
                continue
            mail = parse_mail(item.raw)
            if mail.error is not None:
                found.skipped.append((item.place, mail.error))
            if before is not None and mail.date is not None and mail.date >= before:
                found.newer += 1
                continue
            found.mails += 1
            found.bytes += len(item.raw)
            if mail.date is None:
                found.undated += 1
            else:
                found.earliest = min(found.earliest or mail.date, mail.date)
                found.latest = max(found.latest or mail.date, mail.date)
    return found


def import_mails(
    source: Source, key: Key, journal: Journal, send: Send, pace: Pace, before: datetime | None, look: Look, result: Result
) -> None:
    """Import what the journal does not have yet, and add it to `result`. Whatever it raises, the journal says how far it came."""
    progress = journal.progress(key)
    result.earlier += progress.imported
    result.skipped += progress.skipped
    for batch in _batches(source.read(progress.marks), pace.batch):
        chosen = []
        for item in batch:
            if item.raw is not None and before is not None and _is_newer(item.raw, before):
                result.newer += 1
            else:
                chosen.append(item)
        skipped = _send(chosen, send, pace)
        imported = len(chosen) - len(skipped)
        marks = [item.mark for item in batch if item.mark is not None]
        final = [(item.place, problem) for item, problem in skipped if item.mark is not None]
        if marks:
            journal.note(key, marks[-1:] if source.is_ordered else marks, imported, final)
        result.imported += imported
        result.skipped += [(item.place, problem) for item, problem in skipped]
        for item in batch:
            look(source, item)


def _send(items: Sequence[Item], send: Send, pace: Pace) -> list[tuple[Item, str]]:
    """Send the mails; those that were not taken, and why."""
    skipped = [(item, item.problem) for item in items if item.raw is None]
    mails = [item for item in items if item.raw is not None]
    if not mails:
        return skipped
    pace.wait(len(mails))
    try:
        send([item.raw for item in mails if item.raw is not None])
    except RefusedError as error:
        if error.status != TOO_LARGE:
            raise
        if len(mails) == 1:
            return [*skipped, (mails[0], "larger than ingest takes")]
        # Ingest may be set to take less at once.
        return skipped + [one for item in mails for one in _send([item], send, pace)]
    return skipped


def _batches(items: Iterator[Item], most: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        length = len(item.raw or b"")
        if batch and (len(batch) >= most or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch
