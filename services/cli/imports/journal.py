"""How far imports have come: a file to which a line is added after each batch that ingest has taken.

Killed between the two, an import sends a batch again, which changes nothing, as ids derive from the mails.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from services.cli.stack.errors import StackError

_HEADER = b'{"casestream": "journal of an import", "version": 1}\n'
Key = tuple[str, ...]
"""Which mailbox goes where."""


class JournalError(StackError):
    """The journal cannot be used."""

    exit_code = 1


@dataclass(slots=True)
class Progress:
    """What is done of one mailbox. `skipped`: places and problems of mails that will not be tried again."""

    marks: list[Any] = field(default_factory=list)
    imported: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


class Journal:
    """The journal in a file, which is made if there is none. Locked while it is open. Raises `JournalError`, also for another's file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise JournalError(f"the journal cannot be written: {error.strerror}: {path} (another place: --journal FILE)") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._progress = self._load()
        except BlockingIOError as error:
            self._file.close()
            raise JournalError(f"another import is under way with the journal {path}") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def progress(self, key: Key) -> Progress:
        """What is done of a mailbox."""
        return self._progress.setdefault(key, Progress())

    def note(self, key: Key, marks: Sequence[Any], imported: int, skipped: Sequence[tuple[str, str]]) -> None:
        """Keep that these are done. Durable on return."""
        entry = {"key": key, "marks": marks, "imported": imported, "skipped": skipped}
        line = json.dumps(entry).encode() + b"\n"
        if self._file.write(line) != len(line):  # the disk is full; the rest of the line is dropped by whoever reads it
            raise JournalError(f"the journal cannot be written whole: {self._path}")
        os.fsync(self._file.fileno())

    def _load(self) -> dict[Key, Progress]:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and _HEADER.startswith(content):
            self._file.truncate(0)
            self._file.write(_HEADER)
            return {}
        if not whole.startswith(_HEADER):
            raise JournalError(f"{self._path} is not the journal of an import; nothing was changed")
        # Of a line that was being written when the import was killed nothing counts.
        self._file.truncate(len(whole))
        found: dict[Key, Progress] = {}
        for number, line in enumerate(whole.splitlines()[1:], start=2):
            try:
                entry = json.loads(line)
                progress = found.setdefault(tuple(entry["key"]), Progress())
                progress.marks += entry["marks"]
                progress.imported += entry["imported"]
                progress.skipped += [(place, problem) for place, problem in entry["skipped"]]
            except (ValueError, KeyError, TypeError) as error:
                raise JournalError(f"{self._path}:{number} is damaged; without the file the import begins anew, which is safe") from error
        return found
