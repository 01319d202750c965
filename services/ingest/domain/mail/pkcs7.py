"""The mail within an opaque S/MIME signature (RFC 8551, 3.5.2), in BER. Nothing is verified: it is read, as any other mail is."""

from __future__ import annotations

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_SEQUENCE, _SET, _INTEGER, _OID, _TAGGED, _OCTETS, _PARTS_OF_OCTETS = 0x30, 0x31, 0x02, 0x06, 0xA0, 0x04, 0x24


class _Unreadable(Exception):
    """It is not what it should be at this place."""


def signed_content(data: bytes) -> bytes | None:
    """What was signed; None where `data` is no signed data, is encrypted, or has its content elsewhere."""
    try:
        at, end = _enter(data, 0, len(data), _SEQUENCE)
        if not data.startswith(_SIGNED_DATA, at):
            return None
        at, end = _enter(data, at + len(_SIGNED_DATA), end, _TAGGED)
        at, end = _enter(data, at, end, _SEQUENCE)
        at = _after(data, _after(data, at, end, _INTEGER), end, _SET)
        at, end = _enter(data, at, end, _SEQUENCE)
        at, end = _enter(data, _after(data, at, end, _OID), end, _TAGGED)
        tag, start, stop = _element(data, at, end)
        if tag == _OCTETS:
            return data[start : end if stop is None else stop]
        return b"".join(_pieces(data, start, end if stop is None else stop)) if tag == _PARTS_OF_OCTETS else None
    except _Unreadable:
        return None


def _pieces(data: bytes, at: int, end: int) -> list[bytes]:
    pieces: list[bytes] = []
    while at < end and not data.startswith(b"\0\0", at):
        tag, start, stop = _element(data, at, end)
        if tag != _OCTETS or stop is None:
            raise _Unreadable
        pieces.append(data[start:stop])
        at = stop
    return pieces


def _enter(data: bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    """Where the content of the element at `at` lies; one of no told length ends somewhere before `end`."""
    tag, start, stop = _element(data, at, end)
    if tag != wanted:
        raise _Unreadable
    return start, end if stop is None else stop


def _after(data: bytes, at: int, end: int, wanted: int) -> int:
    tag, _, stop = _element(data, at, end)
    if tag != wanted or stop is None:
        raise _Unreadable
    return stop


def _element(data: bytes, at: int, end: int) -> tuple[int, int, int | None]:
    """Tag, and the place of the content; the end is None where the length is not told."""
    if at + 2 > end:
        raise _Unreadable
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length == 0x80:
        return tag, start, None
    if length > 0x80:
        size = length - 0x80
        if size > 4 or start + size > end:
            raise _Unreadable
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > end:
        raise _Unreadable
    return tag, start, start + length
