"""How long somebody who failed to sign in has to wait: nothing at first, then ever longer, never for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FREE_TRIES_USER = 5
FREE_TRIES_ADDRESS = 30
"""Many people may share an address."""
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed tries in a row, and when the last one was."""

    count: int
    last_at: datetime


def wait_left(failures: Failures, free_tries: int, now: datetime) -> timedelta:
    """How long to wait until the next try counts; zero: now. The wait doubles with each failure after the free ones."""
    if failures.count < free_tries or now - failures.last_at >= FORGOTTEN_AFTER:
        return timedelta(0)
    doublings = min(failures.count - free_tries, 10)
    wait: timedelta = min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
    return max(failures.last_at + wait - now, timedelta(0))


def after_failure(failures: Failures | None, now: datetime) -> Failures:
    """The failures with one more."""
    if failures is None or now - failures.last_at >= FORGOTTEN_AFTER:
        return Failures(1, now)
    return Failures(failures.count + 1, now)
