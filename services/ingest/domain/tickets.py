"""Tickets of web forms: what tells somebody who filled a form in from a program that floods it, without asking anybody else.

The page comes with a ticket: when it was made, and a number used once, signed. Sending costs either a second of the browser's computing
(hashcash: an answer whose hash with the ticket begins with zeros) or, without scripts, the time that a person takes to write anyway.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

WORK_BITS = 15
"""Zeros that the hash begins with: some 33,000 tries."""
LEAST_AGE = timedelta(seconds=2)
LEAST_AGE_WITHOUT_WORK = timedelta(seconds=20)
LONGEST_AGE = timedelta(hours=24)
_TICKET = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})")
_ANSWER = re.compile(r"[0-9]{1,10}")


class Ticket(NamedTuple):
    """A ticket of ours."""

    made_at: datetime
    nonce: str
    """32 hexadecimal digits, of one page only."""


def make_ticket(form: str, key: str, nonce: str, now: datetime) -> str:
    """The ticket of a page of `form` as text. `nonce`: 32 random hexadecimal digits."""
    second = int(now.timestamp())
    return f"{second}.{nonce}.{_signature(form, key, second, nonce)}"


def read_ticket(text: str, form: str, key: str, now: datetime) -> Ticket | None:
    """The ticket of `form` that `text` is; None: it is none, or too old to count."""
    found = _TICKET.fullmatch(text)
    if found is None:
        return None
    second, nonce = int(found[1]), found[2]
    if not hmac.compare_digest(found[3], _signature(form, key, second, nonce)):
        return None
    made_at = datetime.fromtimestamp(second, UTC)
    return Ticket(made_at, nonce) if now - made_at <= LONGEST_AGE else None


def is_worked(text: str, answer: str) -> bool:
    """Whether `answer` is the work that the ticket `text` asks for."""
    if not _ANSWER.fullmatch(answer):
        return False
    start = int.from_bytes(hashlib.sha256(f"{text}:{answer}".encode()).digest()[:4])
    return start >> (32 - WORK_BITS) == 0


def wait_left(ticket: Ticket, worked: bool, now: datetime) -> timedelta:
    """How long until a form with this ticket counts; zero: now."""
    least = LEAST_AGE if worked else LEAST_AGE_WITHOUT_WORK
    return max(ticket.made_at + least - now, timedelta(0))


def _signature(form: str, key: str, second: int, nonce: str) -> str:
    return hmac.new(key.encode(), f"{form}\x1f{second}\x1f{nonce}".encode(), hashlib.sha256).hexdigest()
