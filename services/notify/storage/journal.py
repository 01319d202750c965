"""What the mail server has and the database does not know of yet, in files beside the process: they outlive it.

The system keeps what was written when a process is killed, whether or not the disk has it, and a note costs microseconds where a commit
costs a millisecond. So a connection whose message is noted may go on, and many are recorded together (docs/decisions/0018).
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from uuid import UUID

_LENGTH = 16


class JournalTaken(Exception):
    """Another process has the journal: two would send under one name."""


class Journal:
    """Ids of deliveries that were sent, in two files by turns: while one is noted in, what the other holds is recorded."""

    def __init__(self, folder: Path, name: str) -> None:
        """Raises OSError where the files cannot be written, and `JournalTaken`."""
        self._lock = threading.Lock()
        self._files: list[int] = []
        self._current = 0
        self._is_other_done = False
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for number in (1, 2):
                path = folder / f"{name}.{number}"
                self._files.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
                fcntl.flock(self._files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise JournalTaken(f"another process has the journal {name} in {folder}") from error

    def note(self, id: UUID) -> None:
        """Keep that this was sent. For several threads. Raises OSError where the disk is full."""
        with self._lock:
            file = self._files[self._current]
            written = os.write(file, id.bytes)
            if written != _LENGTH:
                os.ftruncate(file, os.fstat(file).st_size - written)  # or all that is noted after it would be read out of step
                raise OSError("the journal's disk is full")

    def left(self) -> list[UUID]:
        """What an earlier process noted, each once; an entry that was not written whole is none."""
        found: dict[UUID, None] = {}
        for file in self._files:
            held = os.pread(file, os.fstat(file).st_size, 0)
            found.update((UUID(bytes=held[at : at + _LENGTH]), None) for at in range(0, len(held) - _LENGTH + 1, _LENGTH))
        return list(found)

    def clear(self) -> None:
        """All that both hold is recorded."""
        for file in self._files:
            os.ftruncate(file, 0)
        self._is_other_done = True

    def turn(self) -> None:
        """From now on notes go to the other file, unless what it holds is not recorded yet."""
        with self._lock:
            if self._is_other_done:
                self._current, self._is_other_done = 1 - self._current, False

    def recorded(self) -> None:
        """All that was noted before the last `turn` is recorded."""
        if not self._is_other_done:
            os.ftruncate(self._files[1 - self._current], 0)
            self._is_other_done = True

    def close(self) -> None:
        """Let go of the files; they stay."""
        while self._files:
            os.close(self._files.pop())
