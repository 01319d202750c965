"""Feeds of closed days in a configuration."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml

from shared.calendars import is_open
from shared.schemas.configuration.calendars import calendar_of
from shared.schemas.configuration.check import check_configuration
from tests.support.configuration import CALENDARS, a_configuration, a_document

pytestmark = pytest.mark.requirement("SLA-1")


def problems(index: int, *feeds: Any) -> list[tuple[str, str]]:
    """What is wrong when a calendar (0: with hours, 1: round the clock) has these feeds."""
    calendars = [calendar | ({"feeds": list(feeds)} if number == index else {}) for number, calendar in enumerate(CALENDARS)]
    found = check_configuration(yaml.safe_dump(a_document(calendars=calendars))).problems
    return [(problem.path, problem.message) for problem in found]


def test_days_of_feeds_are_closed_beside_those_listed() -> None:
    feeds = [{"url": "https://a.example/x.ics", "days": ["2027-06-09"]}, {"url": "https://b.example", "only": ["Bank holiday"]}]
    configuration = a_configuration(calendars=[CALENDARS[0] | {"closed_days": ["2027-06-08"], "feeds": feeds}, CALENDARS[1]])
    calendar = calendar_of(configuration.calendars[0])
    assert calendar.closed_days == {date(2027, 6, 8), date(2027, 6, 9)}
    assert [is_open(calendar, datetime(2027, 6, day, 12, tzinfo=UTC)) for day in (7, 8, 9, 10)] == [True, False, False, True]
    assert problems(0, *feeds) == []


NO_ADDRESSES = r"""
http://a.example/x webcal://a.example/x https://user:word@a.example/x https://a.example/x#y https:///x file:///etc
https://a.example/é https://a.example?x https://a.example\@b.example/x https:// //a.example/x
"""


@pytest.mark.parametrize("url", [*NO_ADDRESSES.split(), "", "https://a.example/a b"])
def test_an_address_is_https_to_a_host_and_names_no_user(url: str) -> None:
    ((path, message),) = problems(0, {"url": url})
    assert (path, "https://, a host" in message) == ("calendars[0].feeds[0].url", True)


def test_a_feed_is_there_once_and_never_round_the_clock() -> None:
    feed = {"url": "https://a.example:8443/x.ics?token=1"}
    assert problems(0, feed, feed) == [("calendars[0].feeds[1]", "this feed is there before; put all texts into one `only`")]
    assert problems(1, feed)[0][1].startswith("a calendar round the clock has no closed days")
    assert problems(0, feed | {"days": ["2027-02-30"]})
    assert problems(0, feed | {"day": []}) == [("calendars[0].feeds[0].day", "there is no such key here; did you mean 'days'?")]
