"""winmail.dat (TNEF, MS-OXTNEF): the files and the body that Outlook wrapped in it.

Read by hand: the library for it copies the rest of the file for each of its objects, loops as often as a count in the
file says (up to four thousand million times), and takes trailing zeros off the content of attachments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from services.ingest.domain.mail.charsets import decode_text
from services.ingest.domain.mail.rtf import read_rtf

_SIGNATURE = 0x223E9F78
_ATTACHMENT_STARTS = 0x9002
_ATTACHMENT_TITLE = 0x8010
_ATTACHMENT_DATA = 0x800F
_ATTACHMENT_PROPERTIES = 0x9005
_BODY = 0x800C
_MESSAGE_PROPERTIES = 0x9003
_CODEPAGE = 0x9007

_P_BODY = 0x1000
_P_RTF = 0x1009
_P_HTML = 0x1013
_P_INTERNET_CODEPAGE = 0x3FDE
_P_DATA = 0x3701
_P_LONG_FILENAME = 0x3707
_P_MIME_TYPE = 0x370E
_P_CONTENT_ID = 0x3712
_WANTED = {_P_BODY, _P_RTF, _P_HTML, _P_INTERNET_CODEPAGE, _P_DATA, _P_LONG_FILENAME, _P_MIME_TYPE, _P_CONTENT_ID}

_FIXED = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x000A: 4, 0x000B: 4}
_FIXED |= {0x0005: 8, 0x0006: 8, 0x0007: 8, 0x0014: 8, 0x0040: 8, 0x0048: 16}
_OBJECT, _STRING8, _UNICODE, _BINARY = 0x000D, 0x001E, 0x001F, 0x0102
_MULTI = 0x1000
MAX_OBJECTS = 20_000
MAX_FILES = 1_000
"""One that says it has more is kept as it came."""
MAX_PROPERTIES = 10_000
"""In all lists together."""
_CODEPAGES = {
    65001: "utf-8",
    20866: "koi8-r",
    28591: "iso-8859-1",
    50220: "iso-2022-jp",
    51932: "euc-jp",
    54936: "gb18030",
}


@dataclass(slots=True)
class TnefFile:
    filename: str = ""
    content_type: str = ""
    content_id: str = ""
    content: bytes = b""


@dataclass(slots=True)
class _Room:
    properties: int = MAX_PROPERTIES


@dataclass(slots=True)
class Tnef:
    text: str
    html: str
    files: list[TnefFile]
    is_rich: bool = False
    """Its body was read from rich text, which costs more than the rest."""


def read_tnef(data: bytes, *, may_be_rich: bool = True) -> Tnef | None:
    """The content of a winmail.dat, or None where it is none or carries neither a body nor a file we can take out.

    `may_be_rich`: a body that there is as rich text only is read.
    """
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return None
    out = Tnef("", "", [])
    charset = "cp1252"
    room = _Room()
    for kind, start, end in _objects(data):
        if kind == _CODEPAGE and end - start >= 4:
            charset = _charset(struct.unpack_from("<I", data, start)[0])
        elif kind == _ATTACHMENT_STARTS:
            out.files.append(TnefFile())
        elif kind == _BODY and not out.text:
            out.text = decode_text(data[start:end].rstrip(b"\0"), charset)
        elif kind == _MESSAGE_PROPERTIES:
            _read_message(data, start, end, charset, out, room, may_be_rich=may_be_rich and not out.is_rich)
        elif not out.files:
            continue
        elif kind == _ATTACHMENT_TITLE:
            out.files[-1].filename = out.files[-1].filename or decode_text(data[start:end].rstrip(b"\0"), charset)
        elif kind == _ATTACHMENT_DATA:
            out.files[-1].content = data[start:end]
        elif kind == _ATTACHMENT_PROPERTIES:
            _read_attachment(data, start, end, charset, out.files[-1], room)
    out.files = [file for file in out.files if file.content or file.filename]
    if len(out.files) > MAX_FILES:
        return None
    return out if out.files or out.text.strip() or out.html.strip() else None


def _objects(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Attribute number and the place of its data, for every object that lies whole within the file."""
    position = 6
    for _ in range(MAX_OBJECTS):
        if position + 11 > len(data):
            return
        kind, _, length = struct.unpack_from("<HHI", data, position + 1)
        start = position + 9
        if start + length > len(data):
            return
        yield kind, start, start + length
        position = start + length + 2  # behind it, a checksum that writers get wrong


def _charset(codepage: int) -> str:
    return _CODEPAGES.get(codepage, f"cp{codepage}")


def _read_message(data: bytes, start: int, end: int, charset: str, out: Tnef, room: _Room, *, may_be_rich: bool) -> None:
    internet = charset
    html = rich = b""
    for name, kind, value in _properties(data, start, end, room):
        if name == _P_INTERNET_CODEPAGE and len(value) >= 4:
            internet = _charset(struct.unpack_from("<I", value)[0])
        elif name == _P_BODY:
            out.text = _string(kind, value, charset) or out.text
        elif name == _P_RTF:
            rich = value
        elif name == _P_HTML:
            html = value if kind != _UNICODE else _string(kind, value, charset).encode()
    if html:
        out.html = decode_text(html.rstrip(b"\0"), internet)
    if rich and may_be_rich and not out.text and not out.html:
        body = read_rtf(rich)
        out.text, out.html, out.is_rich = body.text, body.html, True


def _read_attachment(data: bytes, start: int, end: int, charset: str, file: TnefFile, room: _Room) -> None:
    for name, kind, value in _properties(data, start, end, room):
        if name == _P_LONG_FILENAME:
            file.filename = _string(kind, value, charset) or file.filename
        elif name == _P_MIME_TYPE:
            file.content_type = _string(kind, value, charset).lower()
        elif name == _P_CONTENT_ID:
            file.content_id = _string(kind, value, charset)
        elif name == _P_DATA:
            # An embedded object starts with its interface's id (16 bytes), then its own data.
            file.content = value[16:] if kind == _OBJECT else value


def _string(kind: int, value: bytes, charset: str) -> str:
    text = decode_text(value[: len(value) & ~1], "utf-16-le") if kind == _UNICODE else decode_text(value, charset)
    return text.strip()


def _properties(data: bytes, start: int, end: int, room: _Room) -> Iterator[tuple[int, int, bytes]]:
    """The wanted properties of a list, up to the first thing in it that cannot be read."""
    try:
        (count,) = struct.unpack_from("<I", data, start)
        position = start + 4
        for _ in range(count):
            room.properties -= 1
            if position + 4 > end or room.properties < 0:
                return
            kind, name = struct.unpack_from("<HH", data, position)
            position += 4
            if name >= 0x8000:  # a named property: its id or name comes first, none is wanted
                (by_name,) = struct.unpack_from("<I", data, position + 16)
                (size,) = struct.unpack_from("<I", data, position + 20)
                position += 24 + (_padded(size) if by_name else 0)
            values = 1
            multiple = kind & _MULTI
            kind &= ~_MULTI
            if multiple or kind not in _FIXED:
                (values,) = struct.unpack_from("<I", data, position)
                position += 4
            if kind in _FIXED:
                if name in _WANTED:
                    yield name, kind, data[position : min(position + _FIXED[kind], end)]
                position += _FIXED[kind] * values
                continue
            if kind not in (_OBJECT, _STRING8, _UNICODE, _BINARY, 0):
                return
            for number in range(values):
                room.properties -= 1
                (size,) = struct.unpack_from("<I", data, position)
                position += 4
                if position + size > end or room.properties < 0:
                    return
                if name in _WANTED and not number:
                    yield name, kind, data[position : position + size]
                position += _padded(size)
    except struct.error:
        return


def _padded(size: int) -> int:
    return size + (-size % 4)
