"""The records of a partition in memory, and the heap of when each is next to be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from services.sla.domain.packing import NEVER, next_at_of

SLACK = 10_000
"""Outdated heap entries that are always tolerated."""


class Timers:
    """Packed records by key, and a heap with one entry for each pending moment.

    A record that moves leaves its old entry behind; it is dropped when it comes up, and the heap is built anew when more than half of
    it is outdated: so it never holds more than about twice as many entries as there are records.
    """

    def __init__(self) -> None:
        self.records: dict[bytes, bytes] = {}
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def load(self, records: dict[bytes, bytes]) -> None:
        """Take over all records at once: building a heap is cheaper than a million pushes."""
        self.records = records
        self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(at, key) for key, packed in self.records.items() if (at := next_at_of(packed)) != NEVER]
        heapify(self._heap)

    def put(self, key: bytes, packed: bytes | None) -> None:
        """Keep a record, or forget it (None)."""
        records = self.records
        if packed is None:
            records.pop(key, None)
            return
        before = records.get(key)
        records[key] = packed
        at = next_at_of(packed)
        if at == NEVER or (before is not None and next_at_of(before) == at):
            return
        heappush(self._heap, (at, key))
        if len(self._heap) > 2 * len(records) + SLACK:
            self._rebuild()

    def next_at(self) -> int | None:
        """The earliest pending moment."""
        heap, records = self._heap, self.records
        while heap:
            at, key = heap[0]
            packed = records.get(key)
            if packed is not None and next_at_of(packed) == at:
                return at
            heappop(heap)
        return None

    def pop_due(self, until: int, limit: int) -> list[bytes]:
        """Take the keys out whose moment is `until` or earlier, the earliest first; `restore` puts back what could not be dealt with."""
        due: list[bytes] = []
        taken: set[bytes] = set()
        heap, records = self._heap, self.records
        while heap and heap[0][0] <= until and len(due) < limit:
            at, key = heappop(heap)
            packed = records.get(key)
            if packed is not None and key not in taken and next_at_of(packed) == at:
                taken.add(key)
                due.append(key)
        return due

    def restore(self, keys: Iterable[bytes]) -> None:
        """Put keys back that `pop_due` took."""
        for key in keys:
            packed = self.records.get(key)
            if packed is not None and (at := next_at_of(packed)) != NEVER:
                heappush(self._heap, (at, key))
