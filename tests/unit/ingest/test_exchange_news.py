"""Exchange tells of new mail by a stream: it shortens the wait, and nothing depends on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gateways import exchange_news
from services.ingest.gateways.exchange import ExchangeSource
from tests.support.exchange import ExchangeServer
from tests.support.exchange_http import Answer
from tests.support.exchange_sources import Open, exchange_sources
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("COM-3")
FOR_EVER = 600.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ExchangeServer]:
    server = ExchangeServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def open_source(server: ExchangeServer, tmp_path: Path) -> Iterator[Open]:
    with exchange_sources(server, tmp_path) as opened:
        yield opened


def hear(source: ExchangeSource) -> None:
    """Wait until the source has heard something; its own patience is longer than this test's."""
    waiting = threading.Thread(target=source.wait, args=(FOR_EVER,), daemon=True)
    waiting.start()
    waiting.join(20)
    assert not waiting.is_alive(), "it has heard nothing"


def listening(source: ExchangeSource, server: ExchangeServer) -> None:
    """Wait until the source listens; that is itself a reason to look once."""
    hear(source)
    eventually(lambda: "GetStreamingEvents" in server.operations)


def a_mail(number: int) -> bytes:
    return f"From: ann@example.com\r\nSubject: {number}\r\n\r\nHello\r\n".encode()


@pytest.mark.parametrize("folder", ["inbox", "Inbox/Front desk"])
def test_a_new_mail_ends_the_waiting(server: ExchangeServer, open_source: Open, folder: str) -> None:
    server.folders["desk"] = ("in", "Front desk")
    source = open_source(folder=folder, moved_to="Taken")
    cursor = source.fetch({}, 10).cursor
    listening(source, server)
    for number in range(3):
        server.deliver(a_mail(number), "in" if folder == "inbox" else "desk")
        hear(source)
        batch = source.fetch(cursor, 10)
        cursor = batch.cursor
        assert batch.items == [a_mail(number)]


def test_a_stream_that_is_over_is_followed_by_another(server: ExchangeServer, open_source: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_news, "SHORTEST_SECONDS", 0.0)
    source = open_source(timeout=30)
    listening(source, server)
    server.streams_end.set()
    eventually(lambda: server.operations.count("GetStreamingEvents") > 3)
    server.streams_end.clear()
    server.deliver(a_mail(1))
    cursor: Any = {}
    while not (batch := source.fetch(cursor, 10)).items:
        cursor = batch.cursor
        hear(source)
    assert batch.items == [a_mail(1)]
    assert server.operations.count("Subscribe") == 1


@pytest.mark.parametrize(
    "refusal",
    [
        lambda server: server.codes.update(Subscribe="ErrorSubscriptionAccessDenied"),
        lambda server: server.codes.update(GetStreamingEvents="ErrorSubscriptionNotFound"),
        lambda server: server.streams_end.set(),
        lambda server: server.answers.append(Answer(200, b"<html>no</html>", {"Content-Type": "text/xml"})),
        lambda server: server.answers.append(Answer(503)),
        lambda server: server.users.clear(),
    ],
    ids=["subscription", "events", "ends at once", "nonsense", "away", "login"],
)
def test_a_server_that_tells_nothing_is_asked_in_time(
    server: ExchangeServer, open_source: Open, refusal: Callable[[ExchangeServer], None]
) -> None:
    source = open_source()
    source.fetch({}, 10)
    refusal(server)
    source.wait(0.2)
    eventually(lambda: not source._news._thread.is_alive())  # type: ignore[union-attr]
    asked = len(server.operations)
    for _ in range(3):
        source.wait(0.01)
    assert len(server.operations) == asked, "it is left alone for a while"
    server.codes.clear()
    server.users["HOUSING\\reader"] = "secret"
    server.deliver(a_mail(1))
    assert source.fetch({}, 10).items == [a_mail(1)]


def test_closing_ends_the_listening(server: ExchangeServer, open_source: Open) -> None:
    source = open_source(timeout=30)
    listening(source, server)
    source.close()
    eventually(lambda: not source._news._thread.is_alive())  # type: ignore[union-attr]
    hear(source)
