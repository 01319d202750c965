"""Which days a recurrence rule falls on, and which rules are refused."""

# ruff: noqa: DTZ001 - the oracle reckons without zones

from datetime import date, datetime

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.recurrence import RecurrenceError, parse

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@pytest.mark.requirement("EDGE-7")
@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("", "is no part of a rule"),
        ("BYDAY=MO", "FREQ is missing"),
        ("FREQ=HOURLY", "none of DAILY"),
        ("FREQ=DAILY;FREQ=DAILY", "given twice"),
        ("FREQ=DAILY;BYHOUR=9", "say the time of day with `at`"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "makes no sense with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYYEARDAY=3", "makes no sense with FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYDAY=2TU", "only months and years"),
        ("FREQ=MONTHLY;BYDAY=6TU", "at most 5"),
        ("FREQ=MONTHLY;BYDAY=TUE", "expected weekdays"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "but 0"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "from -31 to 31"),
        ("FREQ=DAILY;INTERVAL=0", "from 1 to 1000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "both its end"),
        ("FREQ=DAILY;UNTIL=20270230", "no such date"),
        ("FREQ=DAILY;UNTIL=20270201T090000", "in UTC"),
        ("FREQ=MONTHLY;BYSETPOS=1", "add one"),
        ("FREQ=DAILY;BYEASTER=1", "no part 'BYEASTER'"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "it never happens"),
        ("FREQ=DAILY;UNTIL=20251231", "it never happens"),
        ("FREQ=DAILY;BYMONTH=" + ",".join(["1"] * 300), "longer than 500"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_the_reason(rule: str, word: str) -> None:
    with pytest.raises(RecurrenceError) as refused:
        parse(rule, date(2026, 1, 1))
    assert word in str(refused.value)


@pytest.mark.requirement("EDGE-7")
def test_an_end_is_the_last_of_its_days() -> None:
    assert [day.day for day in parse("FREQ=DAILY;UNTIL=20260103", date(2026, 1, 1)).days(None, date(2027, 1, 1))] == [1, 2, 3]
    assert [day.day for day in parse("FREQ=DAILY;COUNT=3", date(2026, 1, 1)).days(date(2026, 1, 1), date(2027, 1, 1))] == [2, 3]


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 5))}"]
    if draw(st.booleans()):
        parts.append("BYMONTH=" + ",".join(map(str, draw(st.sets(st.integers(1, 12), min_size=1, max_size=6)))))
    ordinal = st.sampled_from(("", "1", "2", "-1")) if frequency in ("MONTHLY", "YEARLY") else st.just("")
    if draw(st.booleans()):
        parts.append("BYDAY=" + ",".join(draw(ordinal) + day for day in draw(st.sets(st.sampled_from(DAYS), min_size=1))))
        if draw(st.booleans()):
            parts.append(f"BYSETPOS={draw(st.sampled_from((1, 2, -1)))}")
    elif frequency != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={draw(st.sampled_from((1, 15, 28, 29, 31, -1, -3)))}")
    return ";".join(parts)


@pytest.mark.requirement("EDGE-7")
@settings(deadline=None, max_examples=100)
@given(rules(), st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(0, 2000))
def test_random_rules_fall_on_the_days_that_dateutil_says(rule: str, starts: date, later: int) -> None:
    until = date(starts.year + 8, 12, 31)
    after = date.fromordinal(starts.toordinal() + later)
    oracle = rrulestr(rule, dtstart=datetime(starts.year, starts.month, starts.day))
    expected = [
        each.date() for each in oracle.between(datetime(starts.year, starts.month, starts.day), datetime(until.year, 12, 31), inc=True)
    ]
    try:
        found = parse(rule, starts)
    except RecurrenceError:
        assert expected == []
        return
    assert list(found.days(None, until)) == expected
    assert list(found.days(after, until)) == [day for day in expected if day > after]
