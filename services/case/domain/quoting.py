"""Case numbers: how they are made, and which ones a subject line quotes (EDGE-1)."""

from __future__ import annotations

import re
from typing import NamedTuple
from uuid import UUID

MOST_QUOTED = 5
"""Of more numbers in one subject line, those behind are not looked at."""

_NUMBER = re.compile(r"(?<![0-9A-Z-])C-[0-9]{4}-[0-9]{6,12}(?![0-9])", re.IGNORECASE | re.ASCII)


class QuotedCase(NamedTuple):
    """A case whose number somebody quotes. `is_known`: they are its contact, or have sent or received a communication of it."""

    id: UUID
    contact_id: UUID | None
    is_known: bool
    is_closed: bool = False


def case_number(year: int, count: int) -> str:
    """The number of the case that is this one in the count of all, opened in this year (UTC)."""
    return f"C-{year}-{count:06d}"


def quoted_numbers(subject_line: str) -> tuple[str, ...]:
    """The case numbers in a subject line, each once, in its order; in brackets or not, in small letters too."""
    if "-" not in subject_line:
        return ()
    return tuple(dict.fromkeys(number.upper() for number in _NUMBER.findall(subject_line)))[:MOST_QUOTED]
