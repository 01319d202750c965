"""The rich text that Outlook keeps a body as (MS-OXRTFCP, MS-OXRTFEX, RTF 1.9): unpacked, and read as HTML or as text.

Outlook wraps mails in winmail.dat whose only body this is. Read by hand: what libraries there are go byte by byte without a bound.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from services.ingest.domain.mail.charsets import decode_text

MAX_RTF = 256 * 1024
"""Bytes of rich text that are read; tables of fonts and styles stand at its beginning, the rest is body."""
MAX_TOKENS = 30_000
"""Words, signs and pieces of text that are read."""
MAX_RUNS = 8_000
"""Runs of eight that are unpacked: bytes, or references to what was said before."""
MAX_DEPTH = 200
_PACKED, _PLAIN = b"LZFu", b"MELA"
_WINDOW = 4096
_KNOWN = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArial"
    b"Times New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What every packer takes as said already."""
_TOKEN = re.compile(
    rb"\\'(?P<byte>[0-9A-Fa-f]{2})|\\(?P<word>[A-Za-z]{1,32})(?P<number>-?[0-9]{1,10})? ?|\\(?P<sign>[^A-Za-z'])|(?P<open>\{)|(?P<close>\})"
    rb"|(?P<end>[\r\n]+)|(?P<text>[^\\{}\r\n]+)|\\",
    re.DOTALL,
)
_UNSEEN = frozenset(
    {b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"header", b"footer", b"headerl", b"headerr", b"footerl"}
    | {b"footerr", b"footnote", b"listtable", b"listoverridetable", b"rsidtbl", b"generator", b"themedata", b"datastore", b"filetbl"}
)
"""Destinations whose content is no text; so is every one that is marked as to be left by who does not know it."""
_WORDS = {
    b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t", b"emdash": "\u2014",
    b"endash": "\u2013", b"bullet": "\u2022", b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c", b"rdblquote": "\u201d",
    b"emspace": "\u2003", b"enspace": "\u2002",
}  # fmt: skip
_SIGNS = {b"~": "\u00a0", b"_": "\u2011", b"-": "", b"{": "{", b"}": "}", b"\\": "\\", b"\n": "\n", b"\r": "\n"}


@dataclass(frozen=True, slots=True)
class RichText:
    """A body; one of both is empty."""

    text: str = ""
    html: str = ""


def read_rtf(data: bytes) -> RichText:
    """The body in a value of PidTagRtfCompressed; empty where it is none."""
    return _read(unpack(data))


def unpack(data: bytes) -> bytes:
    """The rich text that is packed in `data`, or the beginning of it; empty where it is none."""
    if len(data) < 16:
        return b""
    size, kind = struct.unpack_from("<I4s", data, 4)
    if kind == _PLAIN:
        return data[16 : 16 + min(size, MAX_RTF)]
    if kind != _PACKED:
        return b""
    # Places count from the window's beginning, which is the known text with blanks behind it.
    out = bytearray(_KNOWN)
    begin, most = len(_KNOWN), len(_KNOWN) + min(size, MAX_RTF)
    position, end = 16, len(data)
    for _ in range(MAX_RUNS):
        if position >= end or len(out) >= most:
            break
        control = data[position]
        position += 1
        if not control:
            out += data[position : position + 8]
            position += 8
            continue
        for bit in range(8):
            if not control >> bit & 1:
                out += data[position : position + 1]
                position += 1
                continue
            if position + 2 > end:
                return bytes(out[begin:most])
            reference = data[position] << 8 | data[position + 1]
            position += 2
            back = (len(out) - (reference >> 4)) % _WINDOW
            if not back:
                return bytes(out[begin:most])
            length, start = (reference & 15) + 2, len(out) - back
            if start < 0:
                # Before anything was said the window holds blanks.
                blanks = min(length, -start)
                out += b" " * blanks
                length -= blanks
                start = 0
            if length <= back:
                out += out[start : start + length]
            else:
                piece = bytes(out[start:])
                out += (piece * (length // max(1, len(piece)) + 1))[:length]
    return bytes(out[begin:most])


class _Reader:
    """What was read so far. A group's state is (is it unseen, how many signs stand in for a character, is it markup)."""

    def __init__(self, is_html: bool) -> None:
        self.is_html = is_html
        self.charset = "cp1252"
        self.said: list[str] = []
        self.bytes = bytearray()
        self.groups: list[tuple[bool, int, bool]] = []
        self.unseen, self.stand_ins, self.markup = False, 1, False
        self.is_rtf_only = False
        self.to_skip = 0
        self.is_optional = False

    def say(self, text: str) -> None:
        self.flush()
        self.said.append(text if self.markup or not self.is_html else escape(text, quote=False))

    def flush(self) -> None:
        if self.bytes:
            text = decode_text(bytes(self.bytes), self.charset)
            self.bytes.clear()
            self.said.append(text if self.markup or not self.is_html else escape(text, quote=False))

    @property
    def is_silent(self) -> bool:
        return self.unseen or (self.is_rtf_only and not self.markup)


def _read(rtf: bytes) -> RichText:
    if not rtf.lstrip().startswith(b"{\\rtf"):
        return RichText()
    is_html = b"\\fromhtml" in rtf[:4096]
    reader = _Reader(is_html)
    position = 0
    match = _TOKEN.match
    for _ in range(MAX_TOKENS):
        found = match(rtf, position)
        if found is None:
            break
        position = found.end()
        kind = found.lastgroup
        if kind == "text":
            _text(reader, found["text"])
        elif kind == "byte":
            _text(reader, bytes.fromhex(found["byte"].decode()))
        elif kind == "open":
            reader.flush()
            if len(reader.groups) >= MAX_DEPTH:
                break
            reader.groups.append((reader.unseen, reader.stand_ins, reader.markup))
            reader.to_skip = 0
        elif kind == "close":
            reader.flush()
            reader.unseen, reader.stand_ins, reader.markup = reader.groups.pop()
            if not reader.groups:
                break
            reader.to_skip = 0
        elif kind == "sign":
            _sign(reader, found["sign"])
        elif kind in ("word", "number"):
            word, number = found["word"], int(found["number"] or 1)
            if word == b"bin":
                position += max(0, number)
            else:
                _word(reader, word, number, has_number=found["number"] is not None)
    reader.flush()
    said = "".join(reader.said)
    return RichText(html=said) if is_html else RichText(text=said.strip())


def _text(reader: _Reader, text: bytes) -> None:
    if reader.to_skip:
        skipped = min(reader.to_skip, len(text))
        reader.to_skip -= skipped
        text = text[skipped:]
    if not reader.is_silent:
        reader.bytes += text
    reader.is_optional = False


def _sign(reader: _Reader, sign: bytes) -> None:
    if sign == b"*":
        reader.is_optional = True
    elif reader.to_skip:
        reader.to_skip -= 1
    elif not reader.is_silent:
        reader.say(_SIGNS.get(sign, ""))


def _word(reader: _Reader, word: bytes, number: int, *, has_number: bool) -> None:
    is_optional, reader.is_optional = reader.is_optional, False
    if act := _ACTS.get(word):
        act(reader, number, has_number)
    elif word in _UNSEEN or is_optional:
        reader.flush()
        reader.unseen = True
    elif word in _WORDS and not reader.is_silent:
        reader.say(_WORDS[word])


def _html_tag(reader: _Reader, _number: int, _has_number: bool) -> None:
    reader.flush()
    reader.markup = True
    reader.unseen = not reader.is_html


def _html_rtf(reader: _Reader, number: int, has_number: bool) -> None:
    reader.flush()
    reader.is_rtf_only = reader.is_html and not (has_number and number == 0)


def _unicode(reader: _Reader, number: int, _has_number: bool) -> None:
    reader.to_skip = reader.stand_ins
    if not reader.is_silent:
        code = number % 0x10000
        # A pair of surrogates comes as two words; which they are is seen once they are side by side.
        reader.flush()
        if 0xDC00 <= code < 0xE000 and reader.said and "\ud800" <= reader.said[-1][-1:] < "\udc00":
            first = ord(reader.said[-1])
            reader.said[-1] = chr(0x10000 + ((first - 0xD800) << 10) + (code - 0xDC00))
        else:
            reader.say(chr(code))


def _stand_ins(reader: _Reader, number: int, _has_number: bool) -> None:
    reader.stand_ins = min(max(number, 0), 16)


def _codepage(reader: _Reader, number: int, _has_number: bool) -> None:
    if number > 0:
        reader.charset = "utf-8" if number == 65001 else f"cp{number}"


_ACTS: dict[bytes, Callable[[_Reader, int, bool], None]] = {
    b"htmltag": _html_tag,
    b"htmlrtf": _html_rtf,
    b"u": _unicode,
    b"uc": _stand_ins,
    b"ansicpg": _codepage,
}
