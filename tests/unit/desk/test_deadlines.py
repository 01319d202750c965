"""Clocks as the desk's pages say them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.desk.domain.deadline_report import Kept, period_of, period_words
from services.desk.domain.deadlines import Entry, Ledger, amount_words, near_words, short_span, till_words
from services.desk.domain.organisation import hours_of
from services.desk.gateways.deadlines import ledgers_of

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_ledger(**changes: Any) -> Ledger:
    given: dict[str, Any] = {
        "kind": "response",
        "state": "running",
        "outcome": "",
        "summary": "Due.",
        "started_at": NOW - 2 * HOUR,
        "due_at": NOW + 2 * HOUR,
        "due_soon_at": NOW + HOUR,
        "budget_seconds": 14_400.0,
        "used_seconds": 7_200.0,
        "calendar": "office",
        "target": "subject",
        "pauses": True,
        "entries": (),
    }
    return Ledger(**given | changes)


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, "running"),
        ({"due_soon_at": NOW}, "soon"),
        ({"state": "suspended"}, "paused"),
        ({"state": "suspended", "used_seconds": 14_401.0}, "overdue"),
        # sla may not have fired yet, or cannot count so long a time.
        ({"due_at": NOW, "used_seconds": None}, "overdue"),
        ({"state": "overdue"}, "overdue"),
        ({"state": "closed", "outcome": "met"}, "met"),
        ({"state": "closed", "outcome": "missed", "used_seconds": 99_999.0}, "missed"),
        ({"state": "closed", "outcome": "cancelled"}, "stopped"),
        ({"state": "closed", "outcome": ""}, "stopped"),
    ],
)
@pytest.mark.requirement("EDGE-8")
def test_how_a_clock_stands(changes: dict[str, Any], standing: str) -> None:
    assert a_ledger(**changes).standing(NOW) == standing


@pytest.mark.requirement("EDGE-8")
def test_a_bar_says_in_words_what_it_shows() -> None:
    half = a_ledger()
    assert (half.used_words, half.bar) == ("2 h used of 4 h of working time", (50.0, 100.0, 0.0))
    over = a_ledger(used_seconds=18_060.0)
    assert over.used_words == "5 h 1 min used of 4 h of working time: 1 h 1 min too much"
    assert over.bar == (79.7, 79.7, 20.3)
    days = a_ledger(budget_seconds=86_400.0, used_seconds=180_000.0)
    assert days.used_words == "50 h used of 24 h of working time: 26 h too much"
    assert replace(days, calendar="").used_words == "2 d 2 h used of 1 d: 1 d 2 h too much"
    assert (a_ledger(used_seconds=None).used_words, a_ledger(used_seconds=None, budget_seconds=0.0).bar) == ("", (0.0, 0.0, 0.0))


@pytest.mark.requirement("EDGE-8")
def test_the_deadlines_that_are_open_come_first_and_what_nobody_can_miss_does_not_count() -> None:
    item = {
        "state": "running",
        "outcome": None,
        "summary": "",
        "started_at": NOW.isoformat(),
        "due_soon_at": None,
        "budget_seconds": 1.0,
        "used_seconds": 0.0,
        "calendar": None,
        "target": "",
        "pauses": False,
        "timeline": [{"at": NOW.isoformat(), "until": None, "kind": "started", "words": "started"}],
    }
    kinds = (("response", 1, "closed"), ("completion", 9, "running"), ("lag", 2, "running"), ("resolution", 5, "running"))
    clocks = [item | {"kind": kind, "due_at": (NOW + n * HOUR).isoformat(), "state": state} for kind, n, state in kinds]
    found = ledgers_of({"clocks": clocks})
    assert [ledger.kind for ledger in found] == ["resolution", "completion", "response"]
    assert found[0].entries == (Entry("started", NOW, None, "started"),)


def test_amounts_and_distances_in_words() -> None:
    assert [amount_words(n) for n in (0, 59, 60, 3_600, 12_060, 360_000)] == ["0 min", "under 1 min", "1 min", "1 h", "3 h 21 min", "100 h"]
    assert [short_span(timedelta(minutes=n)) for n in (0, 45, 120, 1_439, 1_441, 1_620)] == [
        "under 1 min",
        "45 min",
        "2 h",
        "23 h 59 min",
        "1 d",
        "1 d 3 h",
    ]
    assert (near_words(NOW + 2 * HOUR, NOW), near_words(NOW - 27 * HOUR, NOW)) == ("in 2 h", "1 d 3 h over")


def test_the_end_of_a_span_names_its_day_only_where_it_is_another() -> None:
    zone = ZoneInfo("Europe/London")
    assert till_words(Entry("ran", NOW, NOW + HOUR, ""), NOW, zone) == "13:00"
    assert till_words(Entry("paused", NOW - 48 * HOUR, NOW - 24 * HOUR, ""), NOW, zone) == "yesterday 12:00"
    assert till_words(Entry("due", NOW, None, ""), NOW, zone) == ""


def test_hours_of_a_calendar_in_words() -> None:
    week = {"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00", "closes": "17:00"}
    calendar = {"time_zone": "Europe/London", "windows": [week], "holidays": {"country": "GB"}}
    assert hours_of(calendar, "Europe/London") == "Mon to Fri 09:00 to 17:00, not on public holidays"
    saturday = {"days": ["sat"], "opens": "09:00", "closes": "13:00"}
    split = {"time_zone": "Europe/Paris", "windows": [week, {**week, "days": ["mon", "wed"]}, saturday]}
    assert hours_of(split, "Europe/London") == (
        "Mon to Fri 09:00 to 17:00, Mon, Wed 09:00 to 17:00 and Sat 09:00 to 13:00, in the time of Europe/Paris"
    )
    assert hours_of({"round_the_clock": True}, "UTC") == "round the clock"


@pytest.mark.requirement("SLA-1")
def test_a_share_is_never_rounded_to_all() -> None:
    assert [Kept("", 1, 1, 0, 0, share).percent for share in (None, 0.0, 0.333, 0.996, 1.0)] == [None, 0, 33, 99, 100]


@pytest.mark.requirement("SLA-1")
def test_the_days_of_a_report() -> None:
    today = NOW.date()
    assert period_of("", "", today)[:2] == ("2026-02-03", "2026-03-04")
    begins, ends = period_of("2026-03-29", "2026-03-29", today).moments(ZoneInfo("Europe/London"))
    assert ends.astimezone(UTC) - begins.astimezone(UTC) == 23 * HOUR
    wrong = [("yesterday", ""), ("2026-03-05", "2026-03-04"), ("0001-01-01", ""), ("", "0001-01-02"), ("", "9999-12-31")]
    assert all(period_of(first, last, today).error for first, last in wrong)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("2026-03", "March 2026"),
        ("2026-W10", "Week 10 of 2026"),
        ("2026-W05", "Week 5 of 2026"),
        ("2026-03-04", "Wed 4 Mar 2026"),
        ("?", "?"),
    ],
)
def test_periods_in_words(group: str, words: str) -> None:
    assert period_words(group) == words
