"""A calendar's year, as operators check it."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.calendar_year import year_of
from shared.schemas.configuration.models import CalendarSection

pytestmark = pytest.mark.requirement("SLA-1")
OFFICE: dict[str, Any] = {
    "code": "office",
    "name": "Office hours",
    "time_zone": "Europe/London",
    "windows": [
        {"days": ["mon", "tue", "wed", "thu"], "opens": "13:30", "closes": "17:00"},
        {"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00", "closes": "12:30"},
    ],
    "holidays": {"country": "GB", "region": "ENG"},
    "closed_days": ["2027-12-24", "2028-12-22"],
    "feeds": [{"url": "https://days.example/x.ics", "days": ["2027-06-05", "2027-12-24", "2027-12-29"]}],
}


def lines(year: int, **changes: Any) -> list[str]:
    return [line.strip() for line in year_of(CalendarSection.model_validate(OFFICE | changes), year).lines()]


def test_hours_closed_days_with_their_reasons_and_changes_of_the_clocks_are_told() -> None:
    found = lines(2027)
    assert found[:4] == [
        "office: Office hours, Europe/London",
        "mon-thu: 09:00-12:30, 13:30-17:00",
        "fri: 09:00-12:30",
        "sat-sun: closed",
    ]
    assert "Fri 2027-03-26 closed: Good Friday" in found
    assert "Sat 2027-06-05 closed: feed https://days.example/x.ics (no hours on that weekday)" in found
    assert "Fri 2027-12-24 closed: closed day; feed https://days.example/x.ics" in found
    assert "Wed 2027-12-29 closed: feed https://days.example/x.ics" in found
    assert not any("2028" in line for line in found)
    assert found[-3:-1] == ["Sun 2027-03-28 clocks go forward by 1:00", "Sun 2027-10-31 clocks go back by 1:00"]


def test_the_year_adds_up() -> None:
    # 2026 begins on a Thursday: 52 weeks of 31:30 hours and a Thursday more, less nothing.
    plain = lines(2026, holidays=None, closed_days=[], feeds=[])
    assert plain[-1] == "2026: open on 261 days, 1645:00 hours in all"
    # The night on which clocks go back is an hour longer, and the other an hour shorter.
    nights = [{"days": ["sun"], "opens": "00:00", "closes": "03:00"}]
    assert lines(2026, windows=nights, holidays=None, closed_days=[], feeds=[])[-1] == "2026: open on 52 days, 156:00 hours in all"


def test_round_the_clock_has_every_hour_and_half_an_hour_is_told_as_such() -> None:
    always = {"windows": [], "holidays": None, "closed_days": [], "feeds": [], "round_the_clock": True}
    assert lines(2028, **always)[1] == "every day: round the clock"
    assert lines(2028, **always)[-1] == "2028: open on 366 days, 8784:00 hours in all"
    assert "Sun 2027-04-04 clocks go back by 0:30" in lines(2027, **(always | {"time_zone": "Australia/Lord_Howe"}))


def test_programs_get_the_same_as_data() -> None:
    found = year_of(CalendarSection.model_validate(OFFICE), 2027).as_data()
    assert found["clock_changes"] == [{"day": "2027-03-28", "minutes": 60}, {"day": "2027-10-31", "minutes": -60}]
    assert {"day": "2027-12-25", "why": "Christmas Day", "otherwise_open": False} in found["closed"]
    assert (found["year"], found["hours"][1]) == (2027, {"days": "fri", "windows": "09:00-12:30"})
