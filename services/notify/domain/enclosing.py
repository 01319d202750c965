"""Files that go with a message: it becomes the first part of a multipart/mixed (RFC 2046), whatever it is made of itself."""

from __future__ import annotations

import re
from base64 import b64encode, encodebytes
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_ANY = "application/octet-stream"
_COMPOSITE = ("message/", "multipart/")
"""Kinds that must not be encoded as base64 (RFC 2046 5.2.1), which is how a file stays as it is."""
_QUOTABLE = re.compile(r"[ !#-\[\]-~]{1,70}")
_PIECE = 60


class Enclosed(NamedTuple):
    """A file. `filename` has no line ends."""

    filename: str
    content_type: str
    content: bytes


def enclose(message: bytes, files: Sequence[Enclosed]) -> bytes:
    """The message with these files, always the same bytes for the same ones; without files as it is."""
    if not files:
        return message
    head, _, body = message.partition(b"\r\n\r\n")
    headers = re.split(rb"\r\n(?![ \t])", head)
    of_body = [header for header in headers if header.lower().startswith(b"content-")]
    boundary = _boundary(headers, body)
    parts = [b"\r\n".join(of_body) + b"\r\n\r\n" + body, *map(_part, files)]
    top = [header for header in headers if header not in of_body]
    top.append(b'Content-Type: multipart/mixed; boundary="' + boundary + b'"')
    pieces = [b"\r\n".join(top), b"\r\n"]
    for part in parts:
        pieces += [b"\r\n--", boundary, b"\r\n", part]
    return b"".join([*pieces, b"\r\n--", boundary, b"--\r\n"])


def _part(file: Enclosed) -> bytes:
    kind = file.content_type.lower()
    if not _TYPE.fullmatch(kind) or kind.startswith(_COMPOSITE):
        kind = _ANY
    head = (
        f"Content-Type: {kind}{_name(file.filename)}\r\n"
        f"Content-Disposition: attachment{_filename(file.filename)}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode("ascii") + encodebytes(file.content).replace(b"\n", b"\r\n")


def _name(filename: str) -> str:
    """Where older programs look for the name. By RFC 2047 no encoded word stands there; they all read it all the same."""
    if _QUOTABLE.fullmatch(filename):
        return f'; name="{filename}"'
    words = []
    chunk = b""
    for character in filename:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > _PIECE * 3 // 4:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    joined = "\r\n ".join([f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words])
    return f';\r\n name="{joined}"'


def _filename(filename: str) -> str:
    """The name as a parameter: in pieces where it is long, encoded where it is not ASCII (RFC 2231)."""
    if _QUOTABLE.fullmatch(filename):
        return f'; filename="{filename}"'
    encoded, pieces = "", []
    for character in filename:
        escaped = quote(character.encode("utf-8", "replace"), safe="")
        if len(encoded) + len(escaped) > _PIECE:
            pieces.append(encoded)
            encoded = ""
        encoded += escaped
    pieces.append(encoded)
    named = [f"\r\n filename*{place}*={'' if place else 'utf-8' + chr(39) * 2}{piece}" for place, piece in enumerate(pieces)]
    return "".join([f";{name}" for name in named])


def _boundary(headers: Sequence[bytes], body: bytes) -> bytes:
    """Made from the Message-ID, so that a message sent again is the same. Base64 has no `_`, so only the body can hold it."""
    id = next((header for header in headers if header.lower().startswith(b"message-id:")), b"")
    boundary = b"=_m" + re.sub(rb"[^A-Za-z0-9]", b"", id)[-32:]
    while boundary in body:
        boundary += b"_"
    return boundary
