"""The MIME tree of a mail, as places in its bytes: nothing is copied until a part's content is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from services.ingest.domain.mail.charsets import decode_base64, decode_quoted_printable, decode_uuencoded
from services.ingest.domain.mail.fields import END_OF_HEAD, Fields, decode_words, first, parameters, split_head

# A part nested deeper, or coming after so many, is kept as one file with its bytes as they are.
MAX_DEPTH = 40
MAX_PARTS = 2_000
_SHORT_HEAD = 300

_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(?:\r*+\n|\r|\Z)")
_UNDECLARED_DELIMITER = re.compile(rb"^--([^\r\n]{1,200}?)[ \t]*\r?\nContent-", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
_BARE_TYPES = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}
_NO_PARAMETERS: Mapping[str, str] = {}


class Head(NamedTuple):
    """What a part's header fields say. Parts whose heads are alike share it, so it is never changed.

    `length`: of the head in bytes, with the empty line. `encoding`: the transfer encoding in lower case.
    """

    fields: Fields
    length: int
    content_type: str
    parameters: Mapping[str, str]
    disposition: str = ""
    filename: str = ""
    encoding: str = ""


@dataclass(slots=True)
class Part:
    """A node: a leaf with its bytes at raw[start:end], still encoded, or a multipart with children.

    `content_type` is not always the head's: a multipart without parts is text.
    """

    head: Head
    content_type: str
    start: int
    end: int
    parent: str = ""
    children: list[Part] = field(default_factory=list)

    def content(self, raw: bytes) -> bytes:
        data = raw[self.start : self.end]
        encoding = self.head.encoding
        if not encoding or encoding in ("7bit", "8bit", "binary"):
            return data
        if "base64" in encoding:
            return decode_base64(data)
        if "quoted" in encoding:
            return decode_quoted_printable(data)
        if "uu" in encoding:
            return decode_uuencoded(data)
        return data


_UNREAD = Head({}, 0, "application/octet-stream", _NO_PARAMETERS, "attachment", "unread-parts.bin")


@dataclass(slots=True)
class _Budget:
    parts: int = MAX_PARTS


def read_root(raw: bytes, start: int) -> Part:
    return _read(raw, start, len(raw), 0, "", "text/plain", _Budget())


def _head(raw: bytes, start: int, end: int, default_type: str, *, root: bool = False) -> Head:
    fields, body = split_head(raw, start, end, root=root)
    value = first(fields, "content-type")
    content_type, given = parameters(value) if value else (default_type, _NO_PARAMETERS)
    if not _TYPE.fullmatch(content_type):
        content_type = _BARE_TYPES.get(content_type, "")
    value = first(fields, "content-disposition")
    disposition, shown = parameters(value) if value else ("", _NO_PARAMETERS)
    filename = shown.get("filename") or given.get("name") or shown.get("name") or ""
    if "=?" in filename or not filename.isascii():
        filename = decode_words(filename)
    if not content_type:
        content_type = "application/octet-stream" if filename else default_type
    encoding = first(fields, "content-transfer-encoding").lower()
    return Head(fields, body - start, content_type, given, disposition, filename, encoding)


@lru_cache(maxsize=1024)
def _short_head(head: bytes, default_type: str) -> Head:
    """Most parts begin as thousands before them did: `text/plain` in one charset, one transfer encoding."""
    return _head(head, 0, len(head), default_type)


def _head_of_part(raw: bytes, start: int, end: int, default_type: str) -> Head:
    found = END_OF_HEAD.search(raw, start, min(end, start + _SHORT_HEAD))
    return _short_head(raw[start : found.end()], default_type) if found else _head(raw, start, end, default_type)


def _read(raw: bytes, start: int, end: int, depth: int, parent: str, default_type: str, budget: _Budget) -> Part:
    budget.parts -= 1
    head = _head_of_part(raw, start, end, default_type) if depth else _head(raw, start, end, default_type, root=True)
    content_type, body = head.content_type, start + head.length
    part = Part(head, content_type, body, end, parent)
    if content_type.startswith("multipart/") and depth < MAX_DEPTH:
        spans = _spans(raw, body, end, head.parameters.get("boundary", ""), budget)
        if not spans:
            # Said to have parts, has none: what is there is text at best.
            part.content_type = default_type
            return part
        nested_default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
        for child_start, child_end in spans:
            if budget.parts > 0:
                child = _read(raw, child_start, child_end, depth + 1, content_type, nested_default, budget)
            else:
                child = _unread(child_start, end)
            part.children.append(child)
            if budget.parts <= 0 and child.end == end:
                break
    return part


def _unread(start: int, end: int) -> Part:
    return Part(_UNREAD, _UNREAD.content_type, start, end)


def _spans(raw: bytes, start: int, end: int, boundary: str, budget: _Budget) -> list[tuple[int, int]]:
    if boundary:
        spans = _split(raw, start, end, b"--" + boundary.encode("utf-8", "surrogateescape"), budget.parts + 1)
        if spans:
            return spans
    guess = _UNDECLARED_DELIMITER.search(raw, start, end)
    return _split(raw, start, end, b"--" + guess[1], budget.parts + 1) if guess else []


def _split(raw: bytes, start: int, end: int, delimiter: bytes, most: int) -> list[tuple[int, int]]:
    """Places of the parts between delimiter lines. The last may lack its end; parts after the closing one count."""
    spans: list[tuple[int, int]] = []
    opened = -1
    position = start
    while len(spans) <= most:
        found = raw.find(delimiter, position, end)
        if found < 0:
            break
        position = found + len(delimiter)
        if found > start and raw[found - 1] not in b"\r\n":
            continue
        tail = _DELIMITER_TAIL.match(raw, position, end)
        if tail is None:
            continue
        if opened >= 0:
            spans.append((opened, max(opened, _before_line_end(raw, found))))
        opened = -1 if tail[1] else tail.end()
        position = max(position, tail.end() - 1)
    if opened >= 0:
        spans.append((opened, end))
    return spans


def _before_line_end(raw: bytes, position: int) -> int:
    """The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1)."""
    if raw[position - 1 : position] == b"\n":
        position -= 1
    if raw[position - 1 : position] == b"\r":
        position -= 1
    return position
