"""Which changes of calendars have clocks reckoned anew: those by which they come out differently."""

from __future__ import annotations

from typing import Any

import pytest

from services.sla.handlers.policies import Policies
from shared.messaging import StaticReference
from tests.support.configuration import CALENDARS, a_configuration

pytestmark = pytest.mark.requirement("SLA-1", "EDGE-8")
FEED = {"url": "https://days.example/x.ics", "days": ["2027-06-09"]}


def mark(**changes: Any) -> int:
    """Of the tests' organisation, whose first calendar is changed."""
    policies = Policies(StaticReference(a_configuration(calendars=[CALENDARS[0] | changes, *CALENDARS[1:]])))
    policies.get(0)
    return policies.mark


def test_hours_holidays_and_closed_days_count_whether_they_are_listed_or_a_feed_named_them() -> None:
    marks = [
        mark(),
        mark(closed_days=["2027-06-08"]),
        mark(feeds=[FEED]),
        mark(feeds=[FEED | {"days": ["2027-06-10"]}]),
        mark(holidays={"country": "GB", "region": "SCT"}),
        mark(time_zone="Europe/Dublin"),
        mark(windows=[{"days": ["mon"], "opens": "09:00", "closes": "17:00"}]),
    ]
    assert len(set(marks)) == len(marks)


def test_names_and_where_a_closed_day_comes_from_do_not() -> None:
    assert mark(name="Other", description="words", feeds=[FEED | {"days": []}]) == mark()
    assert mark(closed_days=["2027-06-09"]) == mark(feeds=[FEED]) == mark(feeds=[FEED | {"url": "https://b.example", "only": ["x"]}])
