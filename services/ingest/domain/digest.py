"""Several raw mails in one request: `multipart/digest` (RFC 2046, 5.1.5), written and read on bytes.

A mail's bytes arrive exactly as they were sent, whatever they are; that is why no part is ever re-encoded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

_MEDIA_TYPE = "multipart/digest"
_BOUNDARY = re.compile(r""";\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))""", re.IGNORECASE)
_PADDING = re.compile(rb"[ \t]*\r\n")
_CLOSING = re.compile(rb"--[ \t]*(?:\r\n|\Z)")
_MAIL_TYPE = re.compile(rb"message/rfc822\s*(?:;|$)", re.IGNORECASE)
_AS_IS = (b"7bit", b"8bit", b"binary")


class BadDigest(Exception):
    """The body is no digest of mails; the text says why."""


class _Line(NamedTuple):
    """A boundary's line in the body: where its hyphens begin, where the line after it begins, whether it ends the digest."""

    start: int
    end: int
    closes: bool


def encode(mails: Sequence[bytes]) -> tuple[str, bytes]:
    """The content type and body that carry `mails`. The same mails always give the same."""
    boundary = _free_boundary(mails)
    delimiter = b"--" + boundary
    pieces: list[bytes] = []
    for mail in mails:
        pieces += (delimiter, b"\r\n\r\n", mail, b"\r\n")
    pieces += (delimiter, b"--\r\n")
    return f'{_MEDIA_TYPE}; boundary="{boundary.decode()}"', b"".join(pieces)


def decode(content_type: str, body: bytes, most: int | None = None) -> list[bytes]:
    """The mails in a digest, in order; reading ends after `most` and one. Raises `BadDigest`, also for a body that was cut off."""
    delimiter = b"--" + _boundary(content_type)
    mails: list[bytes] = []
    line = _boundary_line(body, delimiter, 0)
    while not line.closes and (most is None or len(mails) <= most):
        following = _boundary_line(body, delimiter, line.end)
        # The line end before a boundary belongs to the boundary.
        mails.append(_content(body, line.end, following.start - 2))
        line = following
    return mails


def _free_boundary(mails: Sequence[bytes]) -> bytes:
    """A boundary that occurs in none of the mails. Made from a little of each, so that no sender can foresee it."""
    seed = hashlib.blake2b(digest_size=16)
    for mail in mails:
        seed.update(b"%d:%b:%b" % (len(mail), mail[:64], mail[-64:]))
    while True:
        boundary = b"=_" + seed.hexdigest().encode()
        if not any(boundary in mail for mail in mails):
            return boundary
        seed.update(b"again")


def _boundary(content_type: str) -> bytes:
    if content_type.partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise BadDigest(f"the content type is not {_MEDIA_TYPE}")
    found = _BOUNDARY.search(content_type)
    value = "" if found is None else found[2] or re.sub(r"\\(.)", r"\1", found[1] or "")
    if not 0 < len(value) <= 200 or not value.isascii():
        raise BadDigest("the content type names no boundary, or not a usable one")
    return value.encode()


def _boundary_line(body: bytes, delimiter: bytes, start: int) -> _Line:
    """The next boundary line. Raises `BadDigest` where there is none."""
    position = body.find(delimiter, start)
    while position >= 0:
        if position == 0 or body.endswith(b"\r\n", 0, position):
            after = position + len(delimiter)
            if body.startswith(b"\r\n", after):
                return _Line(position, after + 2, False)
            if closing := _CLOSING.match(body, after):
                return _Line(position, closing.end(), True)
            if padding := _PADDING.match(body, after):
                return _Line(position, padding.end(), False)
        position = body.find(delimiter, position + 1)
    raise BadDigest("the closing boundary is missing: the body was cut off, or it is another boundary's")


def _content(body: bytes, start: int, end: int) -> bytes:
    """A part's content: what follows its fields and an empty line."""
    if body.startswith(b"\r\n", start):
        if start + 2 > end:
            raise BadDigest("a part without the empty line before its content")
        return body[start + 2 : end]
    empty = body.find(b"\r\n\r\n", start, end)
    if empty < 0:
        raise BadDigest("a part without the empty line before its content")
    for line in body[start:empty].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if name == b"content-type" and not _MAIL_TYPE.match(value):
            raise BadDigest("a part that is not message/rfc822")
        if name == b"content-transfer-encoding" and value.lower() not in _AS_IS:
            raise BadDigest("a part in a transfer encoding; send mails as they are")
    return body[empty + 4 : end]
