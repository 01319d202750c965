"""Durations as text, and the moments they lead to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendars import (
    ROUND_THE_CLOCK,
    Calendar,
    Duration,
    DurationError,
    NoOpenTime,
    OutOfReach,
    Unit,
    add,
    before,
    due,
    due_micros,
    is_open,
    parse_duration,
    previous_close,
    weekly,
)
from shared.calendars import durations as durations_module
from shared.calendars.openings import micros, moment

pytestmark = pytest.mark.requirement("SLA-1")

OFFICE_HOURS = weekly({day: ["09:00-12:30", "13:30-17:00"] for day in ("mon", "tue", "wed", "thu")} | {"fri": ["09:00-12:30"]})
LONDON = Calendar("office", "Europe/London", OFFICE_HOURS, country="GB", subdivision="ENG")
PLAIN_LONDON = Calendar("plain", "Europe/London", OFFICE_HOURS)


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)


durations = st.builds(Duration, st.integers(0, 1000), st.sampled_from(Unit)) | st.builds(
    Duration, st.integers(0, 1000), st.sampled_from([Unit.SECOND, Unit.MINUTE, Unit.HOUR, Unit.DAY]), st.just(True)
)
instants = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(durations)
def test_a_duration_written_out_reads_back_the_same(duration: Duration) -> None:
    assert parse_duration(str(duration)) == duration
    assert Duration.parse(f"  {str(duration).upper()} ") == duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 minutes", Duration(30, Unit.MINUTE)),
        ("3 seconds", Duration(3, Unit.SECOND)),
        ("90 working seconds", Duration(90, Unit.SECOND, business=True)),
        ("1 hour", Duration(1, Unit.HOUR)),
        ("4 working hours", Duration(4, Unit.HOUR, business=True)),
        ("2 working days", Duration(2, Unit.DAY, business=True)),
        ("3 weeks", Duration(3, Unit.WEEK)),
        ("1 month", Duration(1, Unit.MONTH)),
        ("10 years", Duration(10, Unit.YEAR)),
    ],
)
def test_durations_are_read_in_minutes_to_years(text: str, expected: Duration) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "5", "hours", "-1 hours", "1.5 hours", "4  working", "2 working weeks", "1 working month",
     "٣ hours", "99999999999999999999 days", "2000000 days", "1 hour 30 minutes", "4 workinghours"],
)  # fmt: skip
def test_text_that_is_no_duration_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(DurationError, match=r"expected|must be|working time is given"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "start", "end"),
    [
        # clocks went forward on 31 March 2024: a day is the same wall time, 24 hours are 24 hours
        ("1 day", "2024-03-30T12:00", "2024-03-31T12:00"),
        ("24 hours", "2024-03-30T12:00", "2024-03-31T13:00"),
        ("1 week", "2024-03-26T09:15", "2024-04-02T09:15"),
        ("1 day", "2024-03-30T01:30", "2024-03-31T02:30"),  # 01:30 was skipped
        ("1 day", "2024-10-26T01:30", "2024-10-27T01:30"),  # shown twice: the first
        ("1 month", "2024-01-31T10:00", "2024-02-29T10:00"),
        ("1 month", "2023-01-31T10:00", "2023-02-28T10:00"),
        ("13 months", "2024-12-31T10:00", "2026-01-31T10:00"),
        ("1 year", "2024-02-29T10:00", "2025-02-28T10:00"),
        # working hours: the afternoon of Friday is off
        ("4 working hours", "2024-06-07T10:00", "2024-06-10T10:30"),
        # working days
        ("1 working day", "2024-06-03T10:00", "2024-06-04T10:00"),
        ("5 working days", "2024-06-03T10:00", "2024-06-10T10:00"),
        ("1 working day", "2024-06-03T07:00", "2024-06-04T09:00"),  # before opening: at the opening
        ("1 working day", "2024-06-03T13:00", "2024-06-04T13:30"),  # over lunch: after it
        ("1 working day", "2024-06-03T17:00", "2024-06-04T17:00"),  # at closing: at closing
        ("1 working day", "2024-06-03T20:00", "2024-06-04T17:00"),  # in the evening: at closing
        ("1 working day", "2024-06-06T16:00", "2024-06-07T12:30"),  # into a short day: at its closing
        ("1 working day", "2024-06-07T20:00", "2024-06-10T17:00"),
        ("1 working day", "2024-06-08T10:00", "2024-06-10T17:00"),  # Saturday counts as Friday's end
        ("2 working days", "2024-06-09T23:00", "2024-06-11T17:00"),
        ("1 working day", "2024-03-28T11:00", "2024-04-02T11:00"),  # over Easter
        ("20 working days", "2023-12-15T11:00", "2024-01-17T11:00"),  # over Christmas and New Year
    ],
)
def test_due_is_as_people_count(duration: str, start: str, end: str) -> None:
    assert due(parse_duration(duration), london(start), LONDON) == london(end)


@pytest.mark.parametrize(
    ("duration", "end", "start"),
    [
        ("24 hours", "2024-03-31T13:00", "2024-03-30T12:00"),
        ("1 day", "2024-04-01T01:30", "2024-03-31T00:30"),  # 01:30 was skipped: earlier rather than later
        ("1 month", "2024-03-31T10:00", "2024-02-29T10:00"),
        ("2 working hours", "2024-06-10T10:00", "2024-06-07T11:30"),
        ("1 working day", "2024-06-04T10:00", "2024-06-03T10:00"),
        ("1 working day", "2024-06-10T15:00", "2024-06-07T12:30"),
        ("1 working day", "2024-06-09T10:00", "2024-06-06T12:30"),  # Sunday counts as Friday's closing
        ("3 working days", "2024-04-03T11:00", "2024-03-27T11:00"),
    ],
)
def test_a_set_time_before_the_end_mirrors_due(duration: str, end: str, start: str) -> None:
    moved = before(parse_duration(duration), london(end), LONDON)
    assert moved == london(start)
    assert due(parse_duration(duration), moved, LONDON) <= london(end)


@given(durations, instants)
def test_a_due_moment_is_in_utc_and_never_before_its_start(duration: Duration, start: datetime) -> None:
    if duration.business:
        duration = Duration(min(duration.amount, 300), duration.unit, business=True)
    end = due(duration, start, PLAIN_LONDON)
    assert end.tzinfo is UTC
    assert end >= start
    assert before(duration, start, PLAIN_LONDON) <= start
    if duration.amount == 0:
        assert end == start


@given(st.integers(1, 60), instants)
def test_working_days_end_in_working_time_each_a_date_after_the_last(count: int, start: datetime) -> None:
    ends = [due(Duration(n, Unit.DAY, business=True), start, LONDON) for n in (count, count + 1)]
    for end in ends:
        assert is_open(LONDON, end) or previous_close(LONDON, end) == end
    dates = [end.astimezone(LONDON.tz).date() for end in ends]
    assert start.astimezone(LONDON.tz).date() < dates[0] < dates[1]


@given(st.integers(1, 30), instants, instants)
def test_what_comes_later_is_due_no_earlier_in_working_days(count: int, one: datetime, other: datetime) -> None:
    duration = Duration(count, Unit.DAY, business=True)
    first, second = sorted((one, other))
    assert due(duration, first, LONDON) <= due(duration, second, LONDON)


@given(st.integers(1, 300), instants)
def test_working_hours_are_added_on_the_calendar(count: int, start: datetime) -> None:
    hours = Duration(count, Unit.HOUR, business=True)
    assert due(hours, start, LONDON) == add(LONDON, start, timedelta(hours=count))


@given(st.integers(1, 300), instants)
def test_round_the_clock_a_working_day_is_a_day(count: int, start: datetime) -> None:
    day = Duration(count, Unit.DAY, business=True)
    assert due(day, start, ROUND_THE_CLOCK) == start + timedelta(days=count)
    assert before(day, start, ROUND_THE_CLOCK) == start - timedelta(days=count)


def test_a_date_that_the_zone_skipped_is_no_working_day() -> None:
    apia = Calendar("apia", "Pacific/Apia", weekly({day: ["09:00-17:00"] for day in ("thu", "fri", "sat")}))
    thursday = datetime(2011, 12, 29, 10, tzinfo=ZoneInfo("Pacific/Apia"))
    saturday = datetime(2011, 12, 31, 10, tzinfo=ZoneInfo("Pacific/Apia"))
    assert due(parse_duration("1 working day"), thursday, apia) == saturday


def test_working_days_on_a_calendar_that_never_opens_are_refused() -> None:
    with pytest.raises(NoOpenTime):
        due(parse_duration("1 working day"), london("2024-01-01T10:00"), Calendar("never", "UTC"))
    with pytest.raises(NoOpenTime):
        before(parse_duration("1 working day"), london("2024-01-01T10:00"), Calendar("never", "UTC"))


@pytest.mark.parametrize("text", ["1000000 years", "1000000 months", "1000000 working days", "1000000 working hours"])
def test_a_duration_past_the_end_of_dates_is_refused(text: str) -> None:
    with pytest.raises(OutOfReach):
        due(parse_duration(text), london("2024-01-01T10:00"), LONDON)


def test_durations_that_cannot_be_compared_are_not_called_longer() -> None:
    parse = parse_duration
    assert parse("2 days").is_surely_longer_than(parse("30 hours"))
    assert parse("3 working days").is_surely_longer_than(parse("2 working days"))
    assert not parse("2 days").is_surely_longer_than(parse("48 hours"))
    assert not parse("2 working days").is_surely_longer_than(parse("1 working hour"))
    assert not parse("2 days").is_surely_longer_than(parse("1 working day"))
    assert not parse("1 month").is_surely_longer_than(parse("29 days"))


NIGHTS = weekly({day: ["00:00-06:00", "22:00-24:00"] for day in ("mon", "tue", "thu", "fri", "sat")} | {"wed": ["00:00-24:00"]})
ZONES = ("Europe/London", "Africa/Cairo", "Australia/Lord_Howe", "America/Asuncion", "Asia/Kolkata")


@given(
    st.sampled_from([Calendar(f"{zone} {len(week[0])}", zone, week) for zone in ZONES for week in (OFFICE_HOURS, NIGHTS)]),
    st.integers(1, 40),
    instants,
    st.lists(st.integers(0, 2 * 86_400_000_000) | st.sampled_from([0, 86_399_999_999, 86_400_000_000]), min_size=1, max_size=5),
)
def test_dates_asked_about_again_lead_where_the_wall_clock_leads(calendar: Calendar, count: int, start: datetime, later: list[int]) -> None:
    midnight = start.astimezone(calendar.tz).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    for at in (start, midnight, *[midnight + timedelta(microseconds=step) for step in later]):
        by_the_wall = durations_module._after_working_days_by_the_wall(calendar, at, count)
        assert due(Duration(count, Unit.DAY, business=True), at, calendar) == by_the_wall


@given(durations, instants)
def test_microseconds_lead_where_moments_lead(duration: Duration, start: datetime) -> None:
    assert moment(due_micros(duration, micros(start), LONDON)) == due(duration, start, LONDON)
