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
MAX_LOOKS = 40_000
"""Places that look like a delimiter, in the whole mail; behind so many, no more parts are found."""
_SHORT_HEAD = 300

_DELIMITER_TAIL = re.compile(rb"(--)?[ \t]*+(?:\r*+\n|\r|\Z)")
_UNDECLARED_DELIMITER = re.compile(rb"^--([^\r\n]{1,300}+)\r?\nContent-", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
_BARE_TYPES = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}
_BASE64_LINE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t"
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
            return data if self.content_type.startswith("text/") and _is_prose(data) else decode_base64(data)
        if "quoted" in encoding:
            return decode_quoted_printable(data)
        if "uu" in encoding:
            return decode_uuencoded(data)
        return data


def _is_prose(data: bytes) -> bool:
    """Whether what is said to be base64 begins with a line of words: filters rewrite texts and forget the head."""
    line = data[:300].lstrip().partition(b"\n")[0].strip()
    blanks = line.count(b" ")
    return blanks > 2 or (blanks > 0 and bool(line.translate(None, _BASE64_LINE)))


_UNREAD = Head({}, 0, "application/octet-stream", _NO_PARAMETERS, "attachment", "unread-parts.bin")


@dataclass(slots=True)
class _Budget:
    parts: int = MAX_PARTS
    looks: int = MAX_LOOKS


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
    if len(filename) > 2 and filename[0] == filename[-1] == "'":
        filename = filename[1:-1]
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
            _leave_out_end(part, raw)
            return part
        nested_default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
        adopting: Part | None = None
        for child_start, child_end in spans:
            if budget.parts > 0:
                child = _read(raw, child_start, child_end, depth + 1, content_type, nested_default, budget)
            else:
                child = _unread(child_start, end)
            if adopting and _is_alternative(child, adopting):
                adopting.children.append(child)
                adopting.content_type = "multipart/alternative"
                continue
            adopting = None
            if child.head.content_type == "multipart/alternative" and not child.children and _has_boundary_of(child, head):
                # Outlook for Mac gave parent and child one boundary: the child's parts are its siblings.
                adopting = child
            part.children.append(child)
            if budget.parts <= 0 and child.end == end:
                break
    return part


def _has_boundary_of(child: Part, head: Head) -> bool:
    return child.head.parameters.get("boundary", "") == head.parameters.get("boundary", "") != ""


def _is_alternative(child: Part, adopting: Part) -> bool:
    if child.head.filename or child.head.disposition == "attachment" or child.content_type not in ("text/plain", "text/html"):
        return False
    return all(child.content_type != known.content_type for known in adopting.children)


def _leave_out_end(part: Part, raw: bytes) -> None:
    """Leave a closing delimiter out of the text of a multipart without parts."""
    closing = b"--" + part.head.parameters.get("boundary", "").encode("utf-8", "surrogateescape") + b"--"
    found = raw.find(closing, part.start, part.end) if len(closing) > 4 else -1
    if found == part.start or (found > part.start and raw[found - 1] in b"\r\n"):
        if raw[part.start : found].isspace() or found == part.start:
            part.start = found + len(closing)
        else:
            part.end = found


def _unread(start: int, end: int) -> Part:
    return Part(_UNREAD, _UNREAD.content_type, start, end)


def _spans(raw: bytes, start: int, end: int, boundary: str, budget: _Budget) -> list[tuple[int, int]]:
    if boundary:
        spans = _split(raw, start, end, b"--" + boundary.encode("utf-8", "surrogateescape"), budget)
        if spans:
            return spans
    guess = _UNDECLARED_DELIMITER.search(raw, start, end)
    return _split(raw, start, end, b"--" + guess[1].rstrip(), budget) if guess else []


def _split(raw: bytes, start: int, end: int, delimiter: bytes, budget: _Budget) -> list[tuple[int, int]]:
    """Places of the parts between delimiter lines. The last may lack its end; parts after the closing one count."""
    spans: list[tuple[int, int]] = []
    opened = -1
    position = start
    most = budget.parts + 1
    while len(spans) <= most and budget.looks > 0:
        budget.looks -= 1
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
