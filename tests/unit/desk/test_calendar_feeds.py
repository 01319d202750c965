"""Fetching feeds: within its time and its size, and from nowhere in our own network unless an operator named it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.desk.domain.closed_days import MOST_BYTES, NotRead
from services.desk.gateways.calendar_feeds import REDIRECTS, CalendarFeeds
from tests.support.x import FakeX, Scripted, serving_x

pytestmark = pytest.mark.requirement("SLA-1")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FakeX]:
    with serving_x(tmp_path) as served:
        yield served


def test_a_feed_is_fetched_also_after_redirects_but_not_after_many(host: FakeX) -> None:
    feeds = CalendarFeeds(["127.0.0.1"], host.ca_file)
    for number in range(REDIRECTS + 1):
        host.files[f"/{number}"] = Scripted(302, b"", {"Location": f"/{number + 1}"})
    host.files[f"/{REDIRECTS + 1}"] = Scripted(200, b"days")
    assert feeds.get(f"{host.url}/1") == b"days"
    with pytest.raises(NotRead, match="moved elsewhere"):
        feeds.get(f"{host.url}/0")


@pytest.mark.parametrize("elsewhere", ["https://localhost:{port}/x", "https://169.254.169.254/x", "http://127.0.0.1:{port}/x", "file:///x"])
def test_our_own_network_is_reached_neither_directly_nor_by_a_redirect(host: FakeX, elsewhere: str) -> None:
    url = elsewhere.format(port=host.url.rpartition(":")[2])
    host.files = {"/x": Scripted(200, b"secret"), "/away": Scripted(302, b"", {"Location": url})}
    feeds = CalendarFeeds(["127.0.0.1"], host.ca_file)
    for asked in (url, f"{host.url}/away"):
        with pytest.raises(NotRead):
            feeds.get(asked)
    assert host.fetched == ["/away"]


def test_what_is_too_long_too_slow_or_not_trusted_is_not_read(host: FakeX) -> None:
    host.files = {"/long": Scripted(200, b"x" * (MOST_BYTES + 1)), "/slow": Scripted(200, b"x" * 100, stalls=10)}
    with pytest.raises(NotRead, match="over 1 MiB"):
        CalendarFeeds(["127.0.0.1"], host.ca_file).get(f"{host.url}/long")
    with pytest.raises(NotRead, match="no whole answer within"):
        CalendarFeeds(["127.0.0.1"], host.ca_file, total=0.3).get(f"{host.url}/slow")
    with pytest.raises(NotRead, match="SSLError"):
        CalendarFeeds(["127.0.0.1"]).get(f"{host.url}/long")


def test_the_end_of_the_process_waits_for_no_feed(host: FakeX) -> None:
    host.files = {"/slow": Scripted(200, b"x" * 100, stalls=10)}
    feeds = CalendarFeeds(["127.0.0.1"], host.ca_file, total=3600)
    told: list[str] = []

    def fetch() -> None:
        try:
            feeds.get(f"{host.url}/slow")
        except NotRead as error:
            told.append(str(error))

    thread = threading.Thread(target=fetch)
    thread.start()
    assert host.stalling.wait(30)
    feeds.close()
    thread.join(30)
    assert "closed by ourselves" in told[0]
    with pytest.raises(NotRead, match="closed by ourselves"):
        feeds.get(f"{host.url}/slow")
