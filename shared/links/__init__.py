"""Links by which somebody answers without a login (EDGE-14): what one says, signed; who holds the key makes and reads them.

A link is `version | key id | record | issued | expires | purpose`, or `purpose:user` where it is for a member of staff, followed by its
HMAC-SHA256, in base64url: about 110 characters. It says nothing secret, cannot be guessed or changed, and is good for one purpose on one
record until it expires. That it works once only is for whoever takes the answer to keep. Nothing is stored when one is made: the same words
make the same link (docs/decisions/0010).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from struct import Struct
from uuid import UUID

_VERSION = 1
_HEAD = Struct(">B4s16sqq")
_MAC_BYTES = 32
_CONTEXT = b"casestream customer link\x00"
"""Signed with every link, so that nothing else that the key may ever sign is one."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LONGEST = 400
"""Characters of a link; a longer one is none."""
SHORTEST_KEY = 32


class BadKeys(Exception):
    """The file of keys cannot be used; the text says why, without a key."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: what for, on which record, since and until when (aware; to the microsecond)."""

    purpose: str
    record: UUID
    issued_at: datetime
    expires_at: datetime
    user: str = ""
    """The member of staff whom it was sent to; empty: a customer."""


@dataclass(frozen=True, slots=True)
class Read:
    """A link that a key of ours signed. `id`: SHA-256 of what is signed, the same for every spelling of the link."""

    link: Link
    id: bytes


class LinkKeys:
    """The keys of one installation: the first signs, all of them read, so that a new one can come before the old ones go."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises `BadKeys`."""
        if not keys:
            raise BadKeys("it holds no key")
        if any(len(key) < SHORTEST_KEY for key in keys):
            raise BadKeys(f"a key in it is shorter than {SHORTEST_KEY} characters; make one with `openssl rand -hex 32`")
        self._keys = {_key_id(key): key.encode() for key in keys}
        self._first = _key_id(keys[0])

    def token(self, link: Link) -> str:
        """The link as it stands in an address."""
        head = _HEAD.pack(_VERSION, self._first, link.record.bytes, _micros(link.issued_at), _micros(link.expires_at))
        signed = head + (f"{link.purpose}:{link.user}" if link.user else link.purpose).encode("ascii")
        return base64.urlsafe_b64encode(signed + _mac(self._keys[self._first], signed)).rstrip(b"=").decode()

    def read(self, token: str) -> Read | None:
        """What it says, whether it has expired or not; None: no key of ours signed it."""
        if len(token) > LONGEST or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signed, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(signed) <= _HEAD.size or signed[0] != _VERSION:
            return None
        _, key_id, record, issued, expires = _HEAD.unpack_from(signed)
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(mac, _mac(key, signed)):
            return None
        purpose, _, user = signed[_HEAD.size :].decode("ascii").partition(":")
        link = Link(purpose, UUID(bytes=record), _moment(issued), _moment(expires), user)
        return Read(link, hashlib.sha256(signed).digest())


class LinkKeyFile:
    """A file of keys, one a line; empty lines and those that begin with `#` say nothing. Read again when it was changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[tuple[int, int, int], LinkKeys] | None = None

    def keys(self) -> LinkKeys:
        """The keys as they are now. Raises `BadKeys`."""
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self._read is None or self._read[0] != seen:
                self._read = (seen, LinkKeys(_lines(self._path.read_text(encoding="utf-8"))))
        except (OSError, UnicodeDecodeError) as error:
            raise BadKeys(f"{self._path} cannot be read: {type(error).__name__}") from error
        return self._read[1]


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _key_id(key: str) -> bytes:
    return hashlib.sha256(_CONTEXT + b"key\x00" + key.encode()).digest()[:4]


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + signed, "sha256")


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
