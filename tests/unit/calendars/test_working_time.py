"""Arithmetic on working time, against a walk minute by minute."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.calendars import (
    ROUND_THE_CLOCK,
    Calendar,
    CalendarError,
    NoOpenTime,
    OutOfReach,
    Window,
    add,
    between,
    is_open,
    next_open,
    open_spans,
    previous_close,
    subtract,
    weekly,
)

pytestmark = pytest.mark.requirement("SLA-1")

OFFICE_HOURS = weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")})
LONDON = Calendar("office", "Europe/London", OFFICE_HOURS, country="GB", subdivision="ENG")
NIGHTS = Calendar("nights", "Europe/Berlin", weekly({"sat": ["22:00-24:00"], "sun": ["00:00-06:00"]}))
SPLIT = Calendar("split", "Europe/London", weekly({"mon": ["09:00-12:30", "13:30-17:00"]}))
MINUTE = timedelta(minutes=1)

# Days about which something happens: clocks change (London, Berlin, New York, by half an hour on Lord Howe, at midnight
# in Santiago, a whole date skipped in Apia) or holidays fall; and one country, or none, to take holidays from.
PLACES: list[tuple[str, datetime, str | None, str | None]] = [
    ("Europe/London", datetime(2024, 3, 31, tzinfo=UTC), "GB", "ENG"),
    ("Europe/London", datetime(2024, 10, 27, tzinfo=UTC), None, None),
    ("Europe/Berlin", datetime(2024, 3, 31, tzinfo=UTC), "DE", "BE"),
    ("Europe/Berlin", datetime(2024, 10, 27, tzinfo=UTC), "DE", "BY"),
    ("America/New_York", datetime(2024, 3, 10, tzinfo=UTC), None, None),
    ("America/New_York", datetime(2024, 11, 3, tzinfo=UTC), "US", None),
    ("Australia/Lord_Howe", datetime(2024, 4, 6, tzinfo=UTC), "AU", "NSW"),
    ("Australia/Lord_Howe", datetime(2024, 10, 5, tzinfo=UTC), None, None),
    ("America/Santiago", datetime(2024, 9, 8, tzinfo=UTC), None, None),
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC), None, None),
    ("Asia/Kathmandu", datetime(2024, 1, 1, tzinfo=UTC), None, None),
    ("UTC", datetime(2024, 12, 25, tzinfo=UTC), "GB", "SCT"),
    ("UTC", datetime(2023, 12, 31, tzinfo=UTC), None, None),
]
SPAN = timedelta(days=3)


@st.composite
def a_window_list(draw: st.DrawFn) -> tuple[Window, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 1440), max_size=6)))
    return tuple(Window(o, c) for o, c in zip(edges[::2], edges[1::2], strict=False))


@st.composite
def a_place(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    zone, centre, country, region = draw(st.sampled_from(PLACES))
    week = tuple(draw(a_window_list()) for _ in range(7))
    closed = frozenset(draw(st.sets(st.sampled_from([(centre + timedelta(days=n)).date() for n in (-2, 0, 2)]))))
    return Calendar("drawn", zone, week, closed, country, region), centre


def shows_open(calendar: Calendar, at: datetime) -> bool:
    """The rule itself: the wall time lies in a window of the local date, which is not closed."""
    wall = at.astimezone(ZoneInfo(calendar.zone))
    if wall.date() in calendar.closed_days or calendar.is_holiday(wall.date()):
        return False
    minute = wall.hour * 60 + wall.minute
    return any(window.opens <= minute < window.closes for window in calendar.week[wall.weekday()])


def open_minutes(calendar: Calendar, centre: datetime) -> list[datetime]:
    minutes = int(2 * SPAN / MINUTE)
    return [at for n in range(minutes) if shows_open(calendar, at := centre - SPAN + n * MINUTE)]


@settings(max_examples=60, deadline=None)
@given(a_place(), st.data())
def test_every_answer_equals_a_walk_minute_by_minute(place: tuple[Calendar, datetime], data: st.DataObject) -> None:
    calendar, centre = place
    walked = open_minutes(calendar, centre)
    opened = set(walked)
    moments = st.integers(0, int(2 * SPAN / MINUTE) - 1).map(lambda n: centre - SPAN + n * MINUTE)
    for _ in range(8):
        start, end = sorted((data.draw(moments), data.draw(moments)))
        assert is_open(calendar, start) is (start in opened)
        worked = [at for at in walked if start <= at < end]
        assert between(calendar, start, end) == len(worked) * MINUTE
        ahead = [at for at in walked if at >= start]
        if ahead:
            assert next_open(calendar, start) == ahead[0]
            count = data.draw(st.integers(1, len(ahead)))
            assert add(calendar, start, count * MINUTE) == ahead[count - 1] + MINUTE
        behind = [at for at in walked if at < start]
        if behind:
            assert previous_close(calendar, start) == behind[-1] + MINUTE
            count = data.draw(st.integers(1, len(behind)))
            assert subtract(calendar, start, count * MINUTE) == behind[-count]


instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
spans = st.timedeltas(timedelta(0), timedelta(days=400))
calendars = st.sampled_from([LONDON, NIGHTS, SPLIT, ROUND_THE_CLOCK])


@given(calendars, instants, spans)
def test_adding_working_time_and_measuring_it_are_inverse(calendar: Calendar, start: datetime, span: timedelta) -> None:
    span = min(span, timedelta(days=60))
    end = add(calendar, start, span)
    assert end >= start
    assert between(calendar, start, end) == span
    back = subtract(calendar, end, span)
    assert start <= back <= end
    assert between(calendar, back, end) == span


@given(calendars, instants, instants, spans, spans)
def test_later_starts_and_longer_durations_end_no_earlier(
    calendar: Calendar, one: datetime, other: datetime, span: timedelta, more: timedelta
) -> None:
    first, second = sorted((one, other))
    span, more = min(span, timedelta(days=30)), min(more, timedelta(days=30))
    assert add(calendar, first, span) <= add(calendar, second, span)
    assert add(calendar, first, span) <= add(calendar, first, span + more)
    assert subtract(calendar, first, span) <= subtract(calendar, second, span)
    assert add(calendar, add(calendar, first, span), more) == add(calendar, first, span + more)


@given(calendars, instants, instants, instants)
def test_working_time_adds_up_over_neighbouring_spans(calendar: Calendar, a: datetime, b: datetime, c: datetime) -> None:
    assert between(calendar, a, b) + between(calendar, b, c) == between(calendar, a, c)
    assert between(calendar, a, b) == -between(calendar, b, a)


@given(calendars, instants, st.timedeltas(timedelta(0), timedelta(days=500)))
def test_open_spans_hold_exactly_the_working_time(calendar: Calendar, start: datetime, length: timedelta) -> None:
    found = list(open_spans(calendar, start, start + length))
    assert sum((closes - opens for opens, closes in found), timedelta(0)) == between(calendar, start, start + length)
    edges = [edge for span in found for edge in span]
    assert edges == sorted(set(edges))
    assume(found)
    assert found[0][0] >= start
    assert found[-1][1] <= start + length


def test_work_that_ends_at_closing_time_ends_then_and_a_minute_more_the_next_morning() -> None:
    friday = datetime(2024, 6, 7, 8, tzinfo=UTC)  # 09:00 in London
    assert add(LONDON, friday, timedelta(hours=8)) == datetime(2024, 6, 7, 16, tzinfo=UTC)
    assert add(LONDON, friday, timedelta(hours=8, minutes=1)) == datetime(2024, 6, 10, 8, 1, tzinfo=UTC)


def test_a_call_in_the_evening_is_answered_within_working_hours_after_the_holidays() -> None:
    maundy_thursday = datetime(2024, 3, 28, 18, tzinfo=UTC)
    # Good Friday, the weekend, Easter Monday; summer time began on Sunday
    assert add(LONDON, maundy_thursday, timedelta(hours=4)) == datetime(2024, 4, 2, 12, tzinfo=UTC)


def test_holidays_differ_by_region() -> None:
    scotland = Calendar("scotland", "Europe/London", OFFICE_HOURS, country="GB", subdivision="SCT")
    saint_andrews = datetime(2023, 11, 30, 12, tzinfo=UTC)
    assert is_open(LONDON, saint_andrews)
    assert not is_open(scotland, saint_andrews)


def test_a_day_in_lieu_of_a_holiday_at_the_weekend_is_closed() -> None:
    us = Calendar("us", "America/New_York", OFFICE_HOURS, country="US")
    assert not is_open(us, datetime(2021, 12, 31, 17, tzinfo=UTC))  # 1 January 2022 is a Saturday


def test_the_lunch_break_of_a_split_shift_is_no_working_time() -> None:
    monday = datetime(2024, 1, 8, 12, tzinfo=UTC)
    assert add(SPLIT, monday, timedelta(hours=1)) == datetime(2024, 1, 8, 14, tzinfo=UTC)
    assert not is_open(SPLIT, datetime(2024, 1, 8, 12, 30, tzinfo=UTC))
    assert is_open(SPLIT, datetime(2024, 1, 8, 13, 30, tzinfo=UTC))


@pytest.mark.parametrize(("night", "hours"), [(date(2024, 3, 30), 7), (date(2024, 4, 6), 8), (date(2024, 10, 26), 9)])
def test_a_night_shift_over_a_change_of_the_clocks_is_an_hour_shorter_or_longer(night: date, hours: int) -> None:
    dusk = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    assert between(NIGHTS, dusk, dusk + timedelta(days=1)) == timedelta(hours=hours)


def test_a_zero_duration_ends_where_it_starts_even_when_closed() -> None:
    saturday = datetime(2024, 6, 8, 12, tzinfo=ZoneInfo("Europe/London"))
    assert add(LONDON, saturday, timedelta(0)) == saturday
    assert subtract(LONDON, saturday, timedelta(0)) == saturday
    assert add(LONDON, saturday, timedelta(0)).tzinfo is UTC


def test_round_the_clock_every_moment_is_working_time() -> None:
    at = datetime(2024, 12, 25, 3, tzinfo=UTC)
    assert is_open(ROUND_THE_CLOCK, at)
    assert add(ROUND_THE_CLOCK, at, timedelta(hours=30)) == at + timedelta(hours=30)
    assert next_open(ROUND_THE_CLOCK, at) == at


def test_a_calendar_that_never_opens_is_told_so() -> None:
    never = Calendar("never", "UTC")
    at = datetime(2024, 1, 1, tzinfo=UTC)
    for ask in (
        lambda: add(never, at, MINUTE),
        lambda: subtract(never, at, MINUTE),
        lambda: next_open(never, at),
        lambda: previous_close(never, at),
    ):
        with pytest.raises(NoOpenTime, match="calendar never: no open time"):
            ask()
    assert between(never, at, at + timedelta(days=9)) == timedelta(0)
    assert list(open_spans(never, at, at + timedelta(days=9))) == []


def test_more_working_time_than_a_lifetime_holds_is_refused() -> None:
    rare = Calendar("rare", "UTC", weekly({"mon": ["09:00-09:01"]}))
    with pytest.raises(OutOfReach):
        add(rare, datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=9))
    with pytest.raises(OutOfReach):
        add(ROUND_THE_CLOCK, datetime(2024, 1, 1, tzinfo=UTC), timedelta.max)


def test_moments_without_a_time_zone_and_negative_durations_are_refused() -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001
    for calendar in (LONDON, ROUND_THE_CLOCK):
        with pytest.raises(ValueError, match="aware"):
            add(calendar, naive, MINUTE)
        with pytest.raises(ValueError, match="aware"):
            is_open(calendar, naive)
        with pytest.raises(ValueError, match="negative"):
            add(calendar, naive.replace(tzinfo=UTC), -MINUTE)


def test_many_threads_get_the_same_answers_from_one_fresh_calendar() -> None:
    starts = [datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=37 * n) for n in range(400)]
    expected = [add(LONDON, start, timedelta(hours=50)) for start in starts]
    fresh = copy.deepcopy(Calendar("office", "Europe/London", OFFICE_HOURS, country="GB", subdivision="ENG"))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda start: add(fresh, start, timedelta(hours=50)), starts)) == expected


def test_what_a_calendar_keeps_is_bounded_and_does_not_tell_calendars_apart() -> None:
    kept = Calendar("kept", "Europe/London", OFFICE_HOURS)
    for year in range(1910, 2190):
        is_open(kept, datetime(year, 6, 1, tzinfo=UTC))
    assert len(kept.cache) < 60
    fresh = Calendar("kept", "Europe/London", OFFICE_HOURS)
    assert kept == fresh
    assert hash(kept) == hash(fresh)
    assert pickle.loads(pickle.dumps(kept)) == fresh


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Calendar("x", "Europe/Atlantis"), "unknown time zone"),
        (lambda: Calendar("x", "../../etc/passwd"), "unknown time zone"),
        (lambda: Calendar("x", "Europe"), "unknown time zone"),
        (lambda: Calendar("", "UTC"), "code"),
        (lambda: Calendar("x", "UTC", ((),)), "seven days"),
        (lambda: Calendar("x", "UTC", country="XX"), "XX"),
        (lambda: Calendar("x", "UTC", country="GB", subdivision="ZZ"), "ZZ"),
        (lambda: Calendar("x", "UTC", subdivision="ENG"), "country"),
        (lambda: Calendar("x", "UTC", OFFICE_HOURS, round_the_clock=True), "round the clock"),
        (lambda: Calendar("x", "UTC", weekly({"mon": ["09:00-12:00", "11:00-14:00"]})), "overlap"),
        (lambda: weekly({"monday": []}), "expected one of mon"),
        (lambda: Window.parse("22:00-06:00"), "two windows"),
        (lambda: Window.parse("09:00-24:30"), "24:30"),
        (lambda: Window.parse("9-17"), "hours and minutes"),
        (lambda: Window.parse("09:00"), "two times"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_with_the_reason(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(CalendarError, match=message):
        make()
