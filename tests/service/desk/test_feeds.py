"""Feeds of closed days on a real socket, read by a real desk: what they say becomes versions of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from services.desk.api import Desk, desk_app
from services.desk.handlers.feed_rounds import FeedRounds
from services.desk.handlers.feeds import AGAIN, Feeds
from services.desk.metrics import CALENDAR_FEED_READ
from services.desk.storage.feeds import claim
from shared.calendars import is_open
from shared.messaging import Reference
from shared.messaging.topics import create_topics
from shared.schemas.configuration.calendars import calendar_of
from tests.service.desk.conftest import machine
from tests.support import eventually
from tests.support.configuration import CALENDARS
from tests.support.desk import a_configuration_text
from tests.support.web import served
from tests.support.x import FakeX, Scripted, serving_x

pytestmark = pytest.mark.requirement("SLA-1")
PERMISSIONS = ("configuration:read", "configuration:apply")
NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = NOW.year + 1
DAY = timedelta(days=1)


def a_weekday(month: int) -> date:
    """A day of next year that is no holiday, when the office is open."""
    day = date(YEAR, month, 10)
    return day + DAY * (7 - day.weekday() if day.weekday() > 4 else 0)


JUNE, JULY = a_weekday(6), a_weekday(7)


def a_feed(*days: date) -> Scripted:
    """A feed with an all-day event for each day, and an event with times."""
    meeting = f"BEGIN:VEVENT\r\nUID:m\r\nDTSTART:{YEAR}0610T090000Z\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\n"
    events = "".join(f"BEGIN:VEVENT\r\nUID:{day}\r\nDTSTART;VALUE=DATE:{day:%Y%m%d}\r\nSUMMARY:Closed\r\nEND:VEVENT\r\n" for day in days)
    return Scripted(
        200, f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{meeting}{events}END:VCALENDAR\r\n".encode(), {"Content-Type": "text/calendar"}
    )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeX]:
    """Where the feeds are: any files by HTTPS."""
    with serving_x(tmp_path) as served_x:
        served_x.files["/days.ics"] = a_feed(JUNE)
        yield served_x


@pytest.fixture
def desk(make_desk: Callable[..., Desk], host: FakeX) -> Desk:
    return make_desk(feeds_private_hosts="127.0.0.1", feeds_ca_file=host.ca_file)


def a_text(*urls: str, **more: object) -> str:
    """The tests' organisation, whose first calendar, `office`, has these feeds."""
    office = CALENDARS[0] | {"feeds": [{"url": url} | more for url in urls]}
    return "# Ours\n" + a_configuration_text(calendars=[office, *CALENDARS[1:]])


class Told:
    """Calls of the desk's API, with every permission that is needed."""

    def __init__(self, client: httpx.Client, desk: Desk) -> None:
        self._client = client
        self._headers = machine(desk, *PERMISSIONS)

    def apply(self, text: str) -> tuple[int, int]:
        answer = self._client.post("/configuration", content=text.encode(), headers=self._headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.status_code, answer.json()["version"]

    def refresh(self, content: bytes = b"", **params: str) -> httpx.Response:
        return self._client.post("/configuration/feeds/refresh", content=content, params=params, headers=self._headers)

    def refreshed(self, **params: str) -> tuple[int, bool, dict[str, Any]]:
        found = self.refresh(**params).json()
        (feed,) = found["feeds"]
        return found["version"], found["changed"], feed

    def source(self) -> str:
        return self._client.get("/configuration", headers=self._headers).text

    def days(self) -> list[str]:
        """Of the first feed, in the version in force."""
        (feed,) = self._client.get("/configuration/feeds", headers=self._headers).json()["items"]
        return list(feed["days"])

    def feeds(self) -> list[dict[str, Any]]:
        return list(self._client.get("/configuration/feeds", headers=self._headers).json()["items"])


@pytest.fixture
def told(client: httpx.Client, desk: Desk) -> Told:
    return Told(client, desk)


def test_what_a_feed_says_is_a_version_by_which_every_service_reckons(
    make_desk: Callable[..., Desk], host: FakeX, kafka: str, topic_prefix: str
) -> None:
    create_topics(kafka, topic_prefix, replication=1)
    desk = make_desk(topic_prefix=topic_prefix, feeds_private_hosts="127.0.0.1", feeds_ca_file=host.ca_file)
    with served(desk_app(desk), token="") as client:
        told = Told(client, desk)
        assert told.apply(a_text(f"{host.url}/days.ics")) == (201, 1)
        version, changed, feed = told.refreshed()
        assert (version, changed, feed["days"], feed["added"], feed["problem"]) == (2, True, [str(JUNE)], [str(JUNE)], "")
        assert feed["notes"] == ["1 event with times: only all-day events are closed days"]
    reference = Reference(kafka, topic_prefix)
    reference.start()
    eventually(lambda: reference.version == 2)
    noon = datetime(JUNE.year, JUNE.month, JUNE.day, 12, tzinfo=UTC)
    before, after = (calendar_of(reference.configuration(number).calendars[0]) for number in (1, 2))
    assert (is_open(before, noon), is_open(after, noon)) == (True, False)
    reference.close()


def test_a_version_is_made_only_when_days_changed_and_keeps_the_text(told: Told, host: FakeX) -> None:
    text = a_text(f"{host.url}/days.ics")
    told.apply(text)
    assert told.refreshed()[:2] == (2, True)
    assert told.refreshed()[:2] == (2, False)
    assert told.source().startswith("# Ours\n")
    assert yaml.safe_load(told.source())["calendars"][0]["feeds"] == [{"url": f"{host.url}/days.ics", "days": [JUNE]}]
    host.files["/days.ics"] = a_feed(JULY)
    version, changed, feed = told.refreshed(check="true")
    assert (version, changed, feed["added"], feed["removed"]) == (2, False, [str(JULY)], [str(JUNE)])
    assert told.days() == [str(JUNE)]
    assert told.refreshed()[:2] == (3, True)
    assert told.days() == [str(JULY)]
    # The same file as before is nothing new, and another one does not lose what the feed said.
    assert told.apply(text) == (200, 3)
    assert told.apply(text.replace("Test Homes", "Best Homes")) == (201, 4)
    assert told.days() == [str(JULY)]
    assert told.refreshed()[:2] == (4, False)


FAILURES = (
    (Scripted(404, b"gone"), "HTTP 404"),
    (Scripted(503, b"later"), "HTTP 503"),
    (Scripted(200, b"<html>Sign in</html>"), "no iCalendar text"),
    (Scripted(200, b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), "names no closed day"),
    (Scripted(200, a_feed(JULY).body[:-5]), "cut off"),
    (Scripted(200, b"x" * 2_000_000), "over 1 MiB"),
    (Scripted(302, b"", {"Location": "https://169.254.169.254/latest"}), "not on the internet"),
    (Scripted(302, b"", {"Location": "http://127.0.0.1/days.ics"}), "not https"),
    (Scripted(302, b"", {"Location": "/days.ics"}), "moved elsewhere"),
)


def test_a_feed_that_fails_or_is_empty_keeps_the_days_it_had_whatever_another_does(told: Told, host: FakeX) -> None:
    told.apply(a_text(f"{host.url}/days.ics"))
    told.refresh()
    for answer, why in FAILURES:
        host.files["/days.ics"] = answer
        version, changed, feed = told.refreshed()
        assert (version, changed, feed["days"]) == (2, False, [str(JUNE)])
        assert why in feed["problem"]
        (state,) = told.feeds()
        assert (state["problem"], state["days"]) == (feed["problem"], [str(JUNE)])
        assert state["read_at"] < state["tried_at"]
    told.apply(a_text(f"{host.url}/days.ics", f"{host.url}/more.ics"))
    host.files["/more.ics"] = a_feed(JULY)
    found = told.refresh().json()
    assert [(feed["days"], bool(feed["problem"])) for feed in found["feeds"]] == [([str(JUNE)], True), ([str(JULY)], False)]
    assert found["version"] == 4


def test_a_draft_is_not_outdated_by_what_a_feed_said(told: Told, host: FakeX, client: httpx.Client, desk: Desk) -> None:
    text, headers = a_text(f"{host.url}/days.ics"), machine(desk, *PERMISSIONS)
    told.apply(text)
    draft = yaml.safe_load(text) | {"users": [{k: v for k, v in u.items() if k != "password_hash"} for u in yaml.safe_load(text)["users"]]}
    content = yaml.safe_dump(draft).replace("Test Homes", "Best Homes")
    assert client.put("/configuration/drafts/better", content=content, headers=headers).json()["based_on"] == 1
    told.refresh()
    assert client.get("/configuration/drafts/better", headers=headers).json()["is_outdated"] is False
    assert client.post("/configuration/drafts/better/publish", headers=headers).json()["version"] == 3
    assert (told.days(), "Best Homes" in told.source()) == ([str(JUNE)], True)


def test_a_host_in_our_own_network_is_asked_only_where_an_operator_named_it(make_desk: Callable[..., Desk], host: FakeX) -> None:
    desk = make_desk(feeds_ca_file=host.ca_file)
    with served(desk_app(desk), token="") as client:
        told = Told(client, desk)
        told.apply(a_text(f"{host.url}/days.ics"))
        assert told.refreshed()[2]["problem"] == "its host is not on the internet"
    assert host.fetched == []


def test_a_file_stands_in_for_a_feed_that_the_desk_cannot_reach(told: Told, host: FakeX, client: httpx.Client, desk: Desk) -> None:
    told.apply(a_text("https://a.example/1", "https://a.example/2"))
    assert told.refresh(a_feed(JULY).body, calendar="office", url="https://a.example/2").json()["changed"] is True
    assert [feed["days"] for feed in told.feeds()] == [[], [str(JULY)]]
    for params, why in (({"calendar": "office"}, "several feeds"), ({"calendar": "none"}, "no such feed")):
        answer = told.refresh(b"", **params)
        assert (answer.status_code, why in answer.json()["detail"]) == (422, True)
    assert client.post("/configuration/feeds/refresh", headers=machine(desk, "configuration:read")).status_code == 403
    assert client.get("/configuration/feeds").status_code == 401


def test_feeds_have_their_turn_once_a_day_new_ones_at_once_and_failed_ones_sooner(told: Told, desk: Desk, host: FakeX) -> None:
    def turn(now: datetime) -> int:
        """How many are read when it is this late."""
        host.fetched.clear()
        desk.feeds.refresh_due(DAY, uuid4(), now)
        return len(host.fetched)

    assert turn(NOW) == 0
    told.apply(a_text(f"{host.url}/days.ics"))
    assert turn(NOW) == 1
    assert told.days() == [str(JUNE)]
    assert turn(NOW + DAY - timedelta(seconds=1)) == 0
    assert CALENDAR_FEED_READ.labels("office")._value.get() == NOW.timestamp()
    host.files["/days.ics"] = Scripted(500, b"")
    assert turn(NOW + DAY) == 1
    assert turn(NOW + DAY + AGAIN - timedelta(seconds=1)) == 0
    host.files["/days.ics"] = a_feed(JULY)
    assert turn(NOW + DAY + AGAIN) == 1
    assert told.days() == [str(JULY)]
    # Another choice of events is another feed.
    told.apply(a_text(f"{host.url}/days.ics", only=["closed"]))
    assert turn(NOW + DAY + AGAIN) == 1
    assert turn(NOW + DAY + AGAIN) == 0
    # Taken out and put back, it says anew what it said.
    told.apply(a_text())
    assert told.feeds() == []
    told.apply(a_text(f"{host.url}/days.ics", only=["closed"]))
    assert turn(NOW + DAY + AGAIN) == 1
    assert told.days() == [str(JULY)]
    told.apply(a_text())
    assert turn(NOW + 9 * DAY) == 0
    with desk.database.read() as tx:
        assert tx.rows("select 1 from calendar_feeds") == []


def test_of_several_processes_one_reads_a_feed(told: Told, desk: Desk) -> None:
    told.apply(a_text("https://a.example/1"))
    asked = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if len(asked) == 1:
            assert Feeds(desk.publisher, fetch).refresh_due(DAY, uuid4(), NOW) is None
        return a_feed(JUNE).body

    found = Feeds(desk.publisher, fetch).refresh_due(DAY, uuid4(), NOW)
    assert found is not None
    assert (found.version, asked) == (2, ["https://a.example/1"])
    # Two that saw the same state: the second to come finds it changed.
    for seen in (None, NOW + DAY):
        taken = []
        for _ in range(2):
            with desk.database.transaction() as tx:
                taken.append(claim(tx, "office", "https://a.example/2", (), seen, NOW + DAY * (1 if seen is None else 2)))
        assert taken == [True, False]


def test_days_that_a_version_gained_meanwhile_are_not_undone_by_a_reading_begun_before(told: Told, desk: Desk) -> None:
    text = a_text("https://a.example/1", "https://a.example/2")
    told.apply(text)
    past = NOW.date() - 30 * DAY

    def fetch(url: str) -> bytes:
        if url.endswith("1"):
            told.apply(text.replace("Test Homes", "Best Homes"))
            told.refresh(a_feed(JULY).body, calendar="office", url="https://a.example/2")
            told.refresh(a_feed(past, JULY).body, calendar="office", url="https://a.example/1")
        return a_feed(JUNE).body if url.endswith("1") else b"not yet"

    found = Feeds(desk.publisher, fetch).refresh("somebody", uuid4(), NOW)
    assert (found.version, found.is_new) == (5, True)
    assert [feed["days"] for feed in told.feeds()] == [[str(past), str(JUNE)], [str(JULY)]]
    assert "Best Homes" in told.source()


def test_the_clock_has_feeds_read(told: Told, desk: Desk, host: FakeX) -> None:
    told.apply(a_text(f"{host.url}/days.ics"))
    never, rounds = FeedRounds(desk.feeds, timedelta(0), desk.clock), FeedRounds(desk.feeds, DAY, desk.clock, 0.05)
    never.start()
    rounds.start()
    eventually(lambda: told.days() == [str(JUNE)])
    never.close()
    rounds.close()
    assert len(host.fetched) == 1
