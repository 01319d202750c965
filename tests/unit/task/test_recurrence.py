"""When recurring rules occur: by the wall clock, over daylight saving, closed days, lead and end."""

# ruff: noqa: DTZ001 - the oracle reckons without zones

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil import tz
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from services.task.domain.recurrence import Occurrence, Schedule, due_occurrences, next_occurrence, occurrences, schedule_of
from shared.calendars import Calendar, due, parse_duration, weekly

OFFICE = Calendar(
    "office",
    "Europe/London",
    weekly({day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}),
    frozenset({date(2026, 5, 20), date(2026, 5, 21), date(2026, 5, 22)}),
    "GB",
    "ENG",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RULES = (
    "FREQ=DAILY",
    "FREQ=WEEKLY;BYDAY=SU,WE",
    "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=MONTHLY;BYDAY=-1SU",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
)


def a_schedule(
    rule: str = "FREQ=DAILY",
    starts: date = date(2026, 1, 1),
    zone: str = "Europe/London",
    at: str = "09:00",
    on_closed: str = "keep",
    lead: str = "0 days",
    excluded: Iterable[date] = (),
) -> Schedule:
    return schedule_of(rule, starts, zone, at, OFFICE, on_closed, lead, excluded)


def held(schedule: Schedule, until: date = date(2027, 12, 31)) -> list[Occurrence]:
    return [each for each in occurrences(schedule, None, until) if not each.skipped]


@pytest.mark.requirement("EDGE-7")
@pytest.mark.requirement("TASK-5")
@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
@pytest.mark.parametrize("at", ["00:00", "00:30", "01:30", "01:45", "02:15", "02:30", "09:00", "23:45"])
@pytest.mark.parametrize("rule", RULES)
def test_a_year_of_a_rule_is_what_dateutil_makes_of_it(rule: str, at: str, zone: str) -> None:
    year = 2028  # a leap year, so that each rule occurs; both changes of each zone are in it
    hour, minute = map(int, at.split(":"))
    oracle = rrulestr(rule, dtstart=datetime(year, 1, 1, hour, minute)).between(
        datetime(year, 1, 1), datetime(year, 12, 31, 23, 59), inc=True
    )
    there = tz.gettz(zone)
    expected = [tz.resolve_imaginary(tz.enfold(wall.replace(tzinfo=there), fold=0)).astimezone(tz.UTC) for wall in oracle]
    found = held(a_schedule(rule, date(year, 1, 1), zone, at), date(year, 12, 31))
    assert [each.at for each in found] == expected
    assert found


@pytest.mark.requirement("EDGE-7")
def test_a_time_that_the_clocks_skip_is_later_and_one_that_they_repeat_is_the_first() -> None:
    spring = a_schedule("FREQ=DAILY;COUNT=1", date(2026, 3, 29), at="01:30")
    assert held(spring)[0].at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 02:30 in London
    autumn = a_schedule("FREQ=DAILY;COUNT=1", date(2026, 10, 25), at="01:30")
    assert held(autumn)[0].at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.requirement("EDGE-7")
def test_closed_days_skip_or_move_an_occurrence_and_two_moved_to_one_day_stay_two() -> None:
    week = ("FREQ=DAILY;COUNT=5", date(2026, 5, 19))  # the three days after the first, and the weekend, are closed
    days = {way: [each.date.day for each in held(a_schedule(*week, on_closed=way))] for way in ("keep", "skip", "next", "previous")}
    # The 25th is a bank holiday in England.
    assert days == {"keep": [19, 20, 21, 22, 23], "skip": [19], "next": [19, 26, 26, 26, 26], "previous": [19] * 5}
    moved = held(a_schedule(*week, on_closed="next"))
    assert len({each.nominal for each in moved}) == 5
    assert [each.moved for each in moved] == [False, True, True, True, True]


@pytest.mark.requirement("EDGE-7")
def test_excluded_days_are_left_out_and_count() -> None:
    found = list(occurrences(a_schedule("FREQ=DAILY;COUNT=3", excluded=[date(2026, 1, 2)]), None, date(2026, 2, 1)))
    assert [(each.nominal.day, each.skipped) for each in found] == [(1, ""), (2, "excluded"), (3, "")]


@pytest.mark.requirement("EDGE-7")
def test_the_end_may_be_a_moment_in_utc() -> None:
    before = a_schedule("FREQ=DAILY;UNTIL=20260703T075959Z", date(2026, 7, 1))  # 09:00 in London is 08:00
    upon = a_schedule("FREQ=DAILY;UNTIL=20260703T080000Z", date(2026, 7, 1))
    assert (len(held(before)), len(held(upon))) == (2, 3)
    assert next_occurrence(upon, date(2026, 7, 3), EPOCH) is None


@pytest.mark.requirement("EDGE-7")
def test_tasks_are_made_the_lead_before_and_none_of_what_was_before_it_was_switched_on() -> None:
    schedule = a_schedule("FREQ=MONTHLY;BYMONTHDAY=20", lead="5 working days")
    switched_on = datetime(2026, 6, 18, tzinfo=UTC)
    first = next_occurrence(schedule, None, switched_on)
    assert first is not None
    assert (first.nominal, first.made_at.date()) == (date(2026, 6, 20), date(2026, 6, 12))  # from the Friday before, the 19th
    assert [each.nominal.month for each in due_occurrences(schedule, None, switched_on, switched_on)] == [6]
    assert list(due_occurrences(schedule, first.nominal, switched_on, switched_on)) == []
    assert [o.nominal.month for o in due_occurrences(schedule, None, switched_on, switched_on + timedelta(days=70))] == [6, 7, 8]


@pytest.mark.requirement("EDGE-7")
@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(RULES[:6]),
    st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    st.sampled_from(("skip", "next", "previous")),
    st.sampled_from(("0 days", "10 days", "1 month", "3 working days")),
    st.sampled_from(("Europe/London", "Australia/Lord_Howe")),
)
def test_whatever_moves_each_occurrence_stays_one_in_order_and_on_an_open_day(
    rule: str, starts: date, on_closed: str, lead: str, zone: str
) -> None:
    until = starts + timedelta(days=500)
    schedule = a_schedule(rule, starts, zone, on_closed=on_closed, lead=lead)
    every, kept = list(occurrences(schedule, None, until)), held(schedule, until)
    plain = [each.nominal for each in occurrences(a_schedule(rule, starts, zone), None, until)]
    assert [each.nominal for each in every] == plain
    assert all(OFFICE.windows_on(each.date) for each in kept)
    assert [each.at for each in kept] == sorted(each.at for each in kept)
    assert [each.made_at for each in kept] == sorted(each.made_at for each in kept)
    for each in every:
        is_open = bool(OFFICE.windows_on(each.nominal))
        assert bool(each.skipped) is (not is_open and on_closed == "skip")
        assert each.moved is (not is_open and on_closed != "skip")
        if each.moved:
            assert (each.date > each.nominal) is (on_closed == "next")
            step = 1 if on_closed == "next" else -1
            between = range(each.nominal.toordinal(), each.date.toordinal(), step)
            assert not any(OFFICE.windows_on(date.fromordinal(day)) for day in between)
        assert each.made_at <= each.at
        if lead.endswith("0 days"):
            assert due(parse_duration(lead), each.made_at, OFFICE) == each.at
