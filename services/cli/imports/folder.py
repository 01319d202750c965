"""Folders with a file for each mail: a Maildir's `cur` and `new`, or files called `*.eml`, also in folders below."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.cli.imports.source import LARGEST_BYTES, TOO_LARGE, Item, SourceError


class Folder:
    """A folder: `total` is the number of its mails, a mark the name of one.

    A file of a Maildir is known by its name without the flags, which change when somebody reads the mail.
    """

    is_ordered = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = dict(sorted(_maildir(path) if (path / "cur").is_dir() else _eml(path)))
        self.total = len(self._files)
        if not self._files and not (path / "cur").is_dir():
            raise SourceError(f"{path} is no Maildir, and there is no file *.eml in it")

    def read(self, marks: list[Any]) -> Iterator[Item]:
        """The mails that are not among `marks`, in the order of their names. What cannot be read is tried again next time."""
        known = set(marks)
        for done, (name, file) in enumerate(self._files.items(), start=1):
            if name in known:
                continue
            try:
                raw = _content(file)
            except OSError as error:
                yield Item(str(file), None, None, done, error.strerror or type(error).__name__)
                continue
            if len(raw) > LARGEST_BYTES:
                yield Item(str(file), None, None, done, TOO_LARGE)
            else:
                yield Item(str(file), raw, name, done)


def _maildir(path: Path) -> Iterator[tuple[str, Path]]:
    for part in ("new", "cur"):
        if (path / part).is_dir():
            with os.scandir(path / part) as entries:
                yield from ((entry.name.partition(":2,")[0], Path(entry.path)) for entry in entries if not entry.name.startswith("."))


def _eml(path: Path) -> Iterator[tuple[str, Path]]:
    def fail(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(path, onerror=fail):
        for name in names:
            if name.lower().endswith(".eml"):
                file = Path(folder, name)
                yield os.fsencode(file.relative_to(path)).decode("utf-8", "backslashreplace"), file


def _content(file: Path) -> bytes:
    # Whoever may write into the folder must not make us read other files, or wait for a pipe.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        return opened.read(LARGEST_BYTES + 1)
