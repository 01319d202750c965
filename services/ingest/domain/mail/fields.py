"""Header fields: finding them, their words (RFC 2047) and parameters (RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from services.ingest.domain.mail.charsets import clean_text, decode_base64, decode_quoted_printable, decode_text

# Bounds on what a hostile mail makes us read; no honest mail comes near.
MAX_BLOCK_BYTES = 1_000_000
MAX_FIELDS = 10_000
MAX_LINES = 30_000
MAX_VALUE = 262_144
MAX_WORDS = 2_000
MAX_PARAMETERS = 200

END_OF_HEAD = re.compile(rb"\n\r*+\n")
_FIELD = re.compile(r"([!-9;-~]{1,200})[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)")
_FIELDS = re.compile("^" + _FIELD.pattern, re.MULTILINE)
_ODD_FIELD = re.compile(r"[^ \t\r\n:]{0,200}:")
_TELLTALE = re.compile(
    r"^(?:content-[a-z-]{1,60}|subject|from|to|cc|date|message-id|received|return-path|mime-version|reply-to)[ \t]*+:",
    re.IGNORECASE | re.MULTILINE,
)
# No possessive group around alternatives, here and below: Python before 3.11.5 matches those wrongly. Unrolled is as fast.
_WORD = re.compile(r"=\?([^?\s]{1,80}+)\?([bBqQ])\?([^?=]*(?:(?:=(?!\?(?!=))|\?(?!=))[^?=]*)*)\?=")
_COLON_BELOW = re.compile(r"^([!-9;-~]{1,200})[ \t]*+\r?\n[ \t]++:", re.MULTILINE)
_FOLD = re.compile(r"\r*+\n[ \t]?")
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("[^"\\]*(?:\\.[^"\\]*)*"?|[^;]*+)', re.DOTALL)
_EXTENDED = re.compile(r"([^*]++)(?:\*(\d{1,4}))?(\*)?")
_ESCAPE = re.compile(r'\\(["\\])')

Fields = dict[str, list[str]]
"""Lower-case name -> raw values in order; bytes beyond ASCII as surrogates (PEP 383)."""


def split_head(raw: bytes, start: int, end: int, *, root: bool = False) -> tuple[Fields, int]:
    """Read the header fields at `start`; gives them and where the body begins. A body without a head has none.

    A line that is no field is passed over while fields of a known name follow, else the body begins there.
    """
    if raw[start : start + 1] == b"\n":
        return {}, start + 1
    if raw[start : start + 2] == b"\r\n":
        return {}, start + 2
    found = END_OF_HEAD.search(raw, start, end)
    block_end = found.start() + 1 if found else end
    body = found.end() if found else end
    text = raw[start : min(block_end, start + MAX_BLOCK_BYTES)].decode("ascii", "surrogateescape")
    if "\n :" in text or "\n\t:" in text:
        text = _COLON_BELOW.sub(r"\1:", text)
    lines = text.count("\n")
    if lines > MAX_LINES:
        text = text[: len(text) - len(text.split("\n", MAX_LINES)[-1])]
    fields: Fields = {}
    found_fields = _FIELDS.findall(text) if lines <= MAX_FIELDS else []
    if found and found_fields and len(found_fields) == _count_lines(text):
        fields = {name.lower(): [value] for name, value in found_fields}
        if len(fields) == len(found_fields):
            return fields, body
        fields = {}
        for name, value in found_fields:
            fields.setdefault(name.lower(), []).append(value)
        return fields, body
    position, size, count, odd = 0, len(text), 0, 0
    last_telltale: int | None = None
    while position < size and count < MAX_FIELDS and odd < MAX_FIELDS:
        match = _FIELD.match(text, position)
        if match is None:
            odd += 1
            if odd < MAX_FIELDS and count and _ODD_FIELD.match(text, position):
                # A field whose name holds what no name may.
                line_end = text.find("\n", position)
                position = size if line_end < 0 else line_end + 1
                continue
            if last_telltale is None:
                last_telltale = max((m.start() for m in _TELLTALE.finditer(text, position)), default=-1)
            if last_telltale < position and not (count and text[position] in " \t\r"):
                return fields, start + position
            following = _FIELDS.search(text, position) if last_telltale >= position else None
            line_end = text.find("\n", position)
            position = following.start() if following else size if line_end < 0 else line_end + 1
            continue
        fields.setdefault(match[1].lower(), []).append(match[2])
        position = match.end() + 1
        count += 1
    if found is None and not root and not any(name.startswith("content-") for name in fields):
        return {}, start  # a part's prose that happens to have a colon
    return fields, body


def _count_lines(text: str) -> int:
    """How many unfolded lines a whole block has; -1 for one that does not end with its line."""
    if text[-1:] != "\n" or text[0] in " \t":
        return -1
    return text.count("\n") - text.count("\n ") - text.count("\n\t")


def unfold(value: str) -> str:
    if "\n" in value:
        value = _FOLD.sub(" ", value[:MAX_VALUE])
    return value[:MAX_VALUE].strip(" \t\r")


def first(fields: Fields, name: str) -> str:
    values = fields.get(name)
    return unfold(values[0]) if values else ""


def plain(value: str, charset: str = "") -> str:
    """A raw value's text: unencoded 8-bit is decoded, `charset` is what the mail's body uses."""
    if value.isascii() and "\x1b" not in value:
        return value if "\x00" not in value else clean_text(value)
    data = value.encode("utf-8", "surrogateescape")
    if data.isascii():
        return decode_text(data)  # ISO-2022-JP, unencoded
    try:
        return clean_text(data.decode())
    except UnicodeDecodeError:
        return decode_text(data, charset)


def decode_words(value: str, charset: str = "") -> str:
    """Decode RFC 2047 words wherever they stand, also in quotes or glued to other text, as mailers write them."""
    if "=?" not in value:
        return plain(value, charset)
    out: list[str] = []
    run: list[tuple[str, str, str]] = []
    position = 0
    for match in islice(_WORD.finditer(value), MAX_WORDS):
        between = value[position : match.start()]
        if not run or between.strip(" \t\r\n"):
            _flush(run, out)
            out.append(plain(between, charset))
        run.append((match[1].partition("*")[0].lower(), match[2].lower(), match[3]))
        position = match.end()
    _flush(run, out)
    out.append(plain(value[position:], charset))
    return "".join(out)


def _flush(run: list[tuple[str, str, str]], out: list[str]) -> None:
    """Decode neighbouring words; those of one charset together, since a character may be split between two."""
    index = 0
    while index < len(run):
        charset = run[index][0]
        data: list[bytes] = []
        while index < len(run) and run[index][0] == charset:
            encoding = run[index][1]
            texts = [run[index][2]]
            index += 1
            if encoding == "b":
                # Base64 cut at any letter: the next word goes on where this one broke off.
                while (
                    len(texts[-1].strip()) % 4 and "=" not in texts[-1]
                    and index < len(run) and run[index][:2] == (charset, "b")
                ):  # fmt: skip
                    texts[-1] += run[index][2]
                    index += 1
                data.append(decode_base64(texts[-1].encode("utf-8", "surrogateescape")))
            else:
                text = texts[0].replace("_", " ").encode("utf-8", "surrogateescape")
                data.append(decode_quoted_printable(text))
        out.append(decode_text(b"".join(data), charset))
    run.clear()


def parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """A structured value's first token in lower case, and its parameters (RFC 2045, 2231), decoded."""
    return _cached_parameters(value) if len(value) <= 200 else _parameters(value)


def _parameters(value: str) -> tuple[str, Mapping[str, str]]:
    main = value.partition(";")[0].split()
    if main and "=" in value.partition(";")[0]:
        # The first semicolon is missing, or there is nothing but parameters.
        main, value = ([], f";{value}") if "=" in main[0] else (main[:1], f"{main[0]};{value.strip()[len(main[0]) :]}")
    simple: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(value)):
        if count >= MAX_PARAMETERS:
            break
        name, text = match[1].lower(), match[2]
        if text.startswith('"'):
            text = text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:]
            if "\\" in text:
                text = _ESCAPE.sub(r"\1", text)
        else:
            text = text.strip()
        if "*" in name and (extended := _EXTENDED.fullmatch(name)):
            # Like filename*=, filename*0= and filename*0*=.
            pieces.setdefault(extended[1], []).append((int(extended[2] or 0), bool(extended[3]), text))
        else:
            simple.setdefault(name, text)
    for name, parts in pieces.items():
        simple[name] = _join_extended(parts)
    return (plain(main[0]).lower() if main else ""), MappingProxyType(simple)


_cached_parameters = lru_cache(maxsize=512)(_parameters)


def _join_extended(parts: list[tuple[int, bool, str]]) -> str:
    parts.sort(key=lambda part: part[0])
    charset = ""
    data: list[bytes] = []
    for number, (_, encoded, text) in enumerate(parts):
        if encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        raw = text.encode("utf-8", "surrogateescape")
        data.append(unquote_to_bytes(raw) if encoded else raw)
    return decode_text(b"".join(data), charset)
