"""mbox files (RFC 4155), read line by line: a mailbox of many gigabytes takes no more memory than its largest mail.

The standard library's `mailbox.mbox` looks the whole file through first, keeps a place for every mail, and has no way to begin midway.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from services.cli.imports.source import LARGEST_BYTES, TOO_LARGE, Item, SourceError

_PIECE_BYTES = 1024 * 1024
"""Most of a line that is read at once."""
_BEFORE_BYTES = 1024
"""How much of what was read is compared to tell whether the file is still the same."""
# A sentence of a mail may begin with "From " too, which not every writer escapes; it does not go on with a time and a year.
_BEGINS = re.compile(rb"From (?:.*\d{1,2}:\d\d.*\b\d{4}\b.*|)\r?\n?\Z", re.DOTALL)
_FIELD = re.compile(rb"[!-9;-~]{1,80}[ \t]*:")
_ESCAPED = re.compile(rb">+From ")
_BLANK = (b"\n", b"\r\n")


class Mbox:
    """An mbox file: `total` is its size in bytes, a mark `{"offset": bytes, "before": digest}`."""

    is_ordered = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = path.stat().st_size
        with path.open("rb") as file:
            if self.total and not _first_line(file).startswith(b"From "):
                raise SourceError(f"{path} is neither a folder nor an mbox file: it does not begin with a line `From ...`")

    def read(self, marks: list[Any]) -> Iterator[Item]:
        """The mails after the last mark; all of them if the file is not the one that was read then, as ids make that safe."""
        with self.path.open("rb") as file:
            offset = 0
            if marks:
                offset = marks[-1]["offset"]
                if _before(file, offset) != marks[-1]["before"]:
                    offset = 0
            file.seek(offset)
            yield from self._mails(file)

    def _mails(self, file: BinaryIO) -> Iterator[Item]:
        content = bytearray()
        size, begun = 0, False
        start = following = file.tell()
        blank = 0  # the length of the last line, if that is an empty one
        is_after_blank = is_line_start = True
        while True:
            at = following
            line = file.readline(_PIECE_BYTES)
            following += len(line)
            if not line or (is_line_start and _is_beginning(line, file, is_after_blank)):
                if begun:
                    # The empty line before the next mail belongs to the file, not to the mail.
                    yield self._item(file, start, at, bytes(content[: len(content) - blank]), size)
                if not line:
                    return
                content, size, begun, start, blank = bytearray(), 0, True, at, 0
                is_after_blank = False
                continue
            is_after_blank = is_line_start and line in _BLANK
            blank = len(line) if is_after_blank else 0
            if is_line_start and _ESCAPED.match(line):
                line = line[1:]
            is_line_start = line.endswith(b"\n")
            size += len(line)
            if size > LARGEST_BYTES:
                content.clear()  # the mail is read to its end, but not kept
            else:
                content += line

    def _item(self, file: BinaryIO, start: int, end: int, content: bytes, size: int) -> Item:
        place = f"{self.path} at byte {start}"
        mark = {"offset": end, "before": _before(file, end)}
        if size > LARGEST_BYTES:
            return Item(place, None, mark, end, TOO_LARGE)
        return Item(place, content, mark, end)


def _first_line(file: BinaryIO) -> bytes:
    """The first line that is not empty, or its beginning."""
    line = b"\n"
    while line in _BLANK:
        line = file.readline(_PIECE_BYTES)
    return line


def _is_beginning(line: bytes, file: BinaryIO, is_after_blank: bool) -> bool:
    """Whether a mail begins with this line, after which `file` stands.

    Some writers give neither sender nor time, others leave the empty line before out: then what follows must look like a header.
    """
    if not line.startswith(b"From ") or not _BEGINS.match(line):
        return False
    is_bare = line.strip() == b"From"
    if is_after_blank and not is_bare:
        return True
    if is_bare and not is_after_blank:
        return False
    here = file.tell()
    following = file.readline(_PIECE_BYTES)
    file.seek(here)
    return _FIELD.match(following) is not None


def _before(file: BinaryIO, offset: int) -> str:
    """Digest of what is before `offset`; `file` stays where it is, and keeps what it has read ahead."""
    start = max(0, offset - _BEFORE_BYTES)
    return hashlib.sha256(os.pread(file.fileno(), offset - start, start)).hexdigest()
