"""When a resource is free. Spans are half open: what ends at ten does not touch what begins at ten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from typing import NamedTuple


class Span(NamedTuple):
    """From `start` until just before `end`, both with their zone."""

    start: datetime
    end: datetime

    def overlaps(self, other: Span) -> bool:
        """Whether the two have a moment in common."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        """Whether all of `other` lies in this one."""
        return self.start <= other.start and other.end <= self.end


def free_stretches(openings: Iterable[Span], bookings: Iterable[Span], span: Span) -> Iterator[Span]:
    """What of `openings` within `span` no booking touches, in order, as long as can be.

    `openings`: in order, none touching the next. `bookings`: in any order; they may overlap.
    """
    taken = sorted(booking for booking in bookings if booking.start < booking.end)
    at = 0
    for opening in openings:
        start, end = max(opening.start, span.start), min(opening.end, span.end)
        # A booking that ends before this opening ends before all that follow, unless a longer one stands beside it: that is seen below.
        while at < len(taken) and taken[at].end <= start:
            at += 1
        position = at
        while start < end:
            while position < len(taken) and taken[position].end <= start:
                position += 1
            if position == len(taken) or taken[position].start >= end:
                yield Span(start, end)
                break
            if taken[position].start > start:
                yield Span(start, taken[position].start)
            start = taken[position].end


def free_slots(openings: Iterable[Span], bookings: Iterable[Span], span: Span, minutes: int) -> Iterator[Span]:
    """Free times of `minutes` each, in order: every free stretch cut into as many as it holds. What is left over is no slot."""
    length = timedelta(minutes=minutes)
    for start, end in free_stretches(openings, bookings, span):
        while end - start >= length:
            yield Span(start, start + length)
            start += length


def slots_of_lanes(openings: Sequence[Span], lanes: Sequence[Sequence[Span]], span: Span, minutes: int) -> Iterator[Span]:
    """Slots in which at least one lane of the resource is free throughout, in order, each once. `lanes`: the bookings of each."""
    before: Span | None = None
    for slot in merge(*(free_slots(openings, bookings, span, minutes) for bookings in lanes)):
        if slot != before:
            yield slot
        before = slot


def nearest(slots: Iterable[Span], wanted: datetime, most: int) -> list[Span]:
    """The `most` slots that begin nearest to `wanted`, in order of time. `slots`: in order."""
    found: list[Span] = []
    for slot in slots:
        if len(found) == most:
            if abs(slot.start - wanted) >= abs(found[0].start - wanted):
                break
            found.pop(0)
        found.append(slot)
    return found
