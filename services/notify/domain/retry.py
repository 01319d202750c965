"""When a message that did not get through is tried again, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt to send a message ended."""

    SENT = "sent"
    REFUSED = "refused"
    """For good: the server answered 5xx, or the message cannot be sent at all."""
    DEFERRED = "deferred"
    """For now: the server answered 4xx."""
    UNREACHABLE = "unreachable"
    """The server could not be reached, broke off, or does not accept us (login, TLS): nothing to do with this message."""
    RETURNED = "returned"
    """It was not tried: the process is stopping, or its lease ran out first."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Doubling pauses: `first`, twice that, ... up to `longest`."""

    first: timedelta
    longest: timedelta

    def pause(self, attempt: int, jitter: float) -> timedelta:
        """The pause after the attempt of this number (from 1). `jitter` in 0..1 moves it within plus and minus a fifth."""
        doubled = self.first * 2.0 ** min(max(attempt - 1, 0), 30)
        return min(doubled, self.longest) * (0.8 + 0.4 * jitter)


BACK_OFF = {
    # Greylisting wants minutes; RFC 5321 (4.5.4.1) wants half-hour intervals in the long run.
    Outcome.DEFERRED: BackOff(timedelta(seconds=20), timedelta(minutes=30)),
    Outcome.UNREACHABLE: BackOff(timedelta(seconds=1), timedelta(minutes=2)),
}
GIVE_UP_AFTER = timedelta(days=4)
"""How long a message is tried for, from when it was queued (RFC 5321 4.5.4.1: at least four to five days)."""


def next_attempt(outcome: Outcome, attempt: int, age: timedelta, jitter: float, faster: float = 1.0) -> timedelta | None:
    """How long to wait before the next attempt; None: no more attempts.

    `age` is the time since the message was queued. `faster` divides the pause (a setting, for installations with their own relay nearby).
    """
    if outcome is Outcome.RETURNED:
        return timedelta(0)
    back_off = BACK_OFF.get(outcome)
    if back_off is None or age >= GIVE_UP_AFTER:
        return None
    return back_off.pause(attempt, jitter) / faster
