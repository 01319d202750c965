"""The deadlines of a case, task or lead on its page, and why they are overdue (EDGE-8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from services.desk.api.browser import Visitor
from services.desk.domain.deadlines import Ledger, near_words, till_words
from services.desk.domain.organisation import Organisation
from services.desk.gateways.asking import Away
from services.desk.gateways.deadlines import Deadlines
from shared.clock import Clock


class DeadlinesOf:
    """Reads the clocks of an item for its page, as `deadlines_of.html` takes them."""

    def __init__(self, deadlines: Deadlines, organisation: Callable[[], Organisation], clock: Clock) -> None:
        self._deadlines = deadlines
        self._organisation = organisation
        self._clock = clock

    def __call__(self, visitor: Visitor, item: UUID) -> Mapping[str, Any]:
        """`ledgers` None: they cannot be read just now. `till`: when an entry of one ends, in words; `near`: how far off a time is."""
        now, zone = self._clock(), self._organisation().zone
        return {
            "ledgers": self._read(visitor, item),
            "till": lambda entry: till_words(entry, now, zone),
            "near": lambda at: near_words(at, now),
        }

    def _read(self, visitor: Visitor, item: UUID) -> tuple[Ledger, ...] | None:
        if not visitor.may("clock:read"):
            return ()
        try:
            return self._deadlines.of_item(visitor.token.token, item)
        except Away:
            return None
