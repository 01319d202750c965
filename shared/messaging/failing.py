"""How much of what came last failed: a release that breaks on most messages is to stop, not to drain its topics into dead letters."""

from __future__ import annotations

from collections import deque

BAD_WINDOW = 1000
BAD_SHARE = 0.5
"""This share of the last `BAD_WINDOW` messages failing stops the process, as a number in a row does (the setting `bad_in_a_row`)."""


class RecentFailures:
    """Which of the last `BAD_WINDOW` messages of a process failed. Not for several threads."""

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=BAD_WINDOW)

    def add(self, failed: int, messages: int) -> None:
        """Note a batch that was taken in: of so many messages, so many failed."""
        self._recent.extend([True] * failed + [False] * (messages - failed))

    def would_be_too_many(self, failed: int, messages: int) -> bool:
        """Whether more than `BAD_SHARE` of the last messages would have failed with this batch; never before there were `BAD_WINDOW`.

        Of a batch nobody knows which came last, so all of it is in the window; only the rest of that was there before.
        """
        before = list(self._recent)[max(0, len(self._recent) + messages - BAD_WINDOW) :]
        seen = len(before) + messages
        return failed > 0 and seen >= BAD_WINDOW and sum(before) + failed > BAD_SHARE * seen
