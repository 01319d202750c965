"""Clocks follow the calendars: when those change, what was reckoned by the old ones is reckoned anew, a few at a time."""

from __future__ import annotations

from collections.abc import Collection

from services.sla.handlers.policies import Policies
from services.sla.stream.partition import Partition
from shared.messaging import ReferenceData

AT_ONCE = 500
"""Most cases of a partition that are reckoned anew in one transaction."""


class Reckoning:
    """Sees to it that all clocks are reckoned by the calendars of the newest configuration version."""

    def __init__(self, reference: ReferenceData, policies: Policies) -> None:
        self._reference = reference
        self._policies = policies
        self._version = -1

    def step(self, partitions: Collection[Partition], now: int) -> None:
        """Look at some of what may have to be reckoned anew: of a partition that has just come, everything."""
        if self._reference.version != self._version:
            self._policies.refresh()
            self._version = self._reference.version
        for partition in partitions:
            if not partition.is_reckoned_by(self._policies.mark):
                partition.recalculate(self._policies.mark, now, AT_ONCE)
