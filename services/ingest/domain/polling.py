"""When a channel that could not be read is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Pauses:
    """Doubling pauses: `first`, twice that, ... up to `longest`."""

    first: timedelta
    longest: timedelta


PAUSES: Final = {
    "unreachable": Pauses(timedelta(seconds=1), timedelta(minutes=1)),
    "malformed": Pauses(timedelta(seconds=5), timedelta(minutes=5)),
    "throttled": Pauses(timedelta(seconds=5), timedelta(minutes=5)),
    # Providers lock accounts after a few refused logins.
    "credentials": Pauses(timedelta(seconds=30), timedelta(minutes=15)),
    "refused": Pauses(timedelta(seconds=30), timedelta(minutes=15)),
    "intake": Pauses(timedelta(seconds=1), timedelta(seconds=30)),
    "failed": Pauses(timedelta(seconds=5), timedelta(minutes=5)),
}
"""By what went wrong; `intake`: what was fetched could not be made durable; `failed`: a mistake of ours."""
LONGEST_WAIT: Final = timedelta(hours=1)
"""A channel that asks to be left alone for longer is asked again all the same."""


def pause_after(reason: str, failures: int, jitter: float, asked: float | None = None) -> timedelta:
    """How long to leave a channel alone after its `failures`-th failure in a row (from 1).

    `asked`: seconds for which the channel asked; never less than that, up to an hour. `jitter` in 0..1 adds up to a quarter.
    """
    pauses = PAUSES[reason]
    pause = min(pauses.first * 2.0 ** min(max(failures, 1) - 1, 30), pauses.longest)
    if asked is not None:
        pause = max(pause if reason != "throttled" else timedelta(0), min(timedelta(seconds=max(0.0, asked)), LONGEST_WAIT))
    return pause * (1 + jitter / 4)
