"""When a resource is free: never what is taken, never outside its hours, and all that is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.task.domain.resources.slots import Span, free_slots, free_stretches, nearest, slots_of_lanes

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def at(minute: int) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def span(start: int, end: int) -> Span:
    return Span(at(start), at(end))


@st.composite
def openings_of(draw: st.DrawFn) -> list[Span]:
    """Spans in order, none touching the next."""
    edges = sorted(draw(st.sets(st.integers(0, 400), max_size=12)))
    return [span(*pair) for pair in zip(edges[::2], edges[1::2], strict=False)]


spans = st.tuples(st.integers(0, 400), st.integers(0, 120)).map(lambda found: span(found[0], found[0] + found[1]))
bookings_of = st.lists(spans, max_size=10)


@pytest.mark.requirement("TASK-10")
@given(openings=openings_of(), bookings=bookings_of, asked=spans)
def test_free_is_exactly_what_is_open_and_asked_for_and_not_taken(openings: list[Span], bookings: list[Span], asked: Span) -> None:
    free = list(free_stretches(openings, bookings, asked))
    assert all(one.end <= following.start for one, following in pairwise(free))
    for minute in range(-1, 525):
        moment = Span(at(minute), at(minute + 1))
        is_open = any(opening.contains(moment) for opening in openings) and asked.contains(moment)
        is_taken = any(booking.overlaps(moment) for booking in bookings)
        assert any(stretch.contains(moment) for stretch in free) is (is_open and not is_taken)


@pytest.mark.requirement("TASK-10")
@given(openings=openings_of(), bookings=bookings_of, asked=spans, minutes=st.integers(1, 90))
def test_a_slot_is_as_long_as_asked_for_and_can_be_booked(openings: list[Span], bookings: list[Span], asked: Span, minutes: int) -> None:
    slots = list(free_slots(openings, bookings, asked, minutes))
    assert slots == sorted(slots)
    for slot in slots:
        assert slot.end - slot.start == timedelta(minutes=minutes)
        assert asked.contains(slot)
        assert any(opening.contains(slot) for opening in openings)
        assert not any(booking.overlaps(slot) for booking in bookings if booking.start < booking.end)
    # None is missing: another one fits into no stretch.
    for stretch in free_stretches(openings, bookings, asked):
        held = sum(stretch.contains(slot) for slot in slots)
        assert held == (stretch.end - stretch.start) // timedelta(minutes=minutes)


@pytest.mark.requirement("TASK-10")
@given(openings=openings_of(), lanes=st.lists(bookings_of, min_size=1, max_size=4), minutes=st.integers(1, 90))
def test_a_slot_of_a_room_is_free_in_one_lane_throughout(openings: list[Span], lanes: list[list[Span]], minutes: int) -> None:
    asked = span(0, 520)
    slots = list(slots_of_lanes(openings, lanes, asked, minutes))
    assert slots == sorted(set(slots))
    of_each = [set(free_slots(openings, lane, asked, minutes)) for lane in lanes]
    assert set(slots) == set().union(*of_each)


@pytest.mark.requirement("TASK-10")
def test_what_ends_as_another_begins_does_not_touch_it() -> None:
    free = list(free_slots([span(0, 120)], [span(30, 60), span(60, 90)], span(0, 120), 30))
    assert free == [span(0, 30), span(90, 120)]


@pytest.mark.requirement("TASK-10")
@given(starts=st.sets(st.integers(0, 200), max_size=20), wanted=st.integers(0, 200), most=st.integers(1, 5))
def test_nearest_are_those_that_begin_nearest(starts: set[int], wanted: int, most: int) -> None:
    slots = [span(start, start + 5) for start in sorted(starts)]
    found = nearest(slots, at(wanted), most)
    assert found == sorted(found)
    assert sorted(abs(slot.start - at(wanted)) for slot in found) == sorted(abs(slot.start - at(wanted)) for slot in slots)[:most]
