"""Text messages: how many parts one takes, and what a gateway's word means (NOTE-2)."""

from __future__ import annotations

from collections.abc import Iterable

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
"""The alphabet that telephones have (3GPP TS 23.038): the second kind takes two places. A text with any other letter is sent as UTF-16."""
_GSM, _GSM_JOINED = 160, 153
_UCS, _UCS_JOINED = 70, 67
"""Places in a message alone, and in each of several that are joined."""


class TooLong(Exception):
    """The text would take more parts than are allowed; the text of this says how many."""


def segments(text: str) -> int:
    """How many messages `text` is sent as, each of which is paid for. No letter is cut in two."""
    if _BASIC.issuperset(text) or all(letter in _BASIC or letter in _EXTENDED for letter in text):
        places = [1 if letter in _BASIC else 2 for letter in text]
        return _parts(places, _GSM, _GSM_JOINED)
    return _parts([2 if ord(letter) > 0xFFFF else 1 for letter in text], _UCS, _UCS_JOINED)


def _parts(places: Iterable[int], alone: int, joined: int) -> int:
    sizes = list(places)
    if sum(sizes) <= alone:
        return 1
    parts, room = 1, joined
    for size in sizes:
        if size > room:
            parts, room = parts + 1, joined
        room -= size
    return parts


def checked(text: str, most: int) -> str:
    """`text` as it is sent, without space around it. Raises `TooLong` beyond `most` parts."""
    trimmed = text.strip()
    count = segments(trimmed)
    if count > most:
        raise TooLong(f"the text takes {count} messages ({len(trimmed)} characters); the most is {most}")
    return trimmed
