"""Whatever X, Microsoft Graph, Exchange and IMAP servers answer, a channel gives mails, or a `GatewayError` that says why not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.exchange import ExchangeSource
from services.ingest.gateways.imap import ImapSource
from services.ingest.gateways.source import GatewayError, Source
from services.ingest.gateways.x import XSource
from shared.schemas.configuration.channels import ExchangeFetch, ImapFetch, XAccount
from tests.support.exchange import ExchangeServer
from tests.support.exchange_http import Answer as ExchangeAnswer
from tests.support.graph import GraphServer
from tests.support.graph_https import Answer as GraphAnswer
from tests.support.graph_sources import sources
from tests.support.imap_script import ImapScript, imap_script
from tests.support.x import ACCOUNT, TENANT, TOKEN, FakeX, Scripted, a_post, serving_x

EXAMPLES = settings(max_examples=25, deadline=None)
TEXT = st.text(max_size=12) | st.sampled_from(
    ["", "\x00", "9" * 5_000, "-1", "2026-13-40T99:99Z", "https://", "https://127.0.0.1:9/x", "{"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
DAMAGES = st.lists(st.tuples(st.integers(0, 200), VALUES), min_size=1, max_size=3)
CUTS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=8) | st.sampled_from([b"<", b"{9}", b")", b"\r\n", b'"'])), max_size=4
)
"""Where, how many bytes go, and what comes instead."""


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or object within `value` with each of its places."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()):
        yield value, key
        yield from places_in(inner)


def damaged_json(body: bytes, damages: list[tuple[int, Any]]) -> bytes:
    """The JSON with some of its values exchanged."""
    document = copy.deepcopy(json.loads(body))
    for number, value in damages:
        places = list(places_in(document))
        if places:
            holder, key = places[number % len(places)]
            holder[key] = value
    return json.dumps(document).encode()


def damaged(body: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    """The bytes with some of them exchanged."""
    for where, dropped, instead in cuts:
        place = int(where * len(body))
        body = body[:place] + instead + body[place + dropped :]
    return body


def read(source: Source[Any]) -> None:
    """Fetch and acknowledge as the worker does; only what is declared may go wrong."""
    with suppress(GatewayError):
        source.acknowledge(source.fetch({}, 5))


@pytest.fixture(scope="module")
def x(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeX, Callable[[], XSource]]]:
    folder = tmp_path_factory.mktemp("x")
    with serving_x(folder) as server:
        (folder / "x-token").write_text(TOKEN)
        account = XAccount(
            handle="HousingHelp", user_id=ACCOUNT, method="x-post", secret="x-token", reads_per_day=1_000_000, endpoint=server.url
        )

        def made() -> XSource:
            return XSource(
                account,
                Credentials(str(folder)),
                timeout=5.0,
                ca_file=server.ca_file,
                private_hosts=frozenset({"127.0.0.1"}),
                media_hosts=frozenset({server.host}),
            )

        server.media = [{"media_key": "3_1", "type": "photo", "url": f"https://{server.host}/a.jpg"}]
        server.posts = [a_post(7, attachments={"media_keys": ["3_1"]}, referenced_tweets=[{"type": "replied_to", "id": "3"}])]
        server.others = [a_post(3, author_id=TENANT["id"])]
        yield server, made


@pytest.mark.requirement("COM-4")
@EXAMPLES
@given(DAMAGES, CUTS, st.sampled_from([200, 200, 200, 301, 400, 429]))
def test_any_answer_of_x_is_read_or_refused(
    x: tuple[FakeX, Callable[[], XSource]], damages: list[tuple[int, Any]], cuts: list[tuple[float, int, bytes]], status: int
) -> None:
    server, made = x
    server.scripted = []
    sound = server.mentions({"max_results": "5", "expansions": "author_id,attachments.media_keys,referenced_tweets.id"})
    for body in (damaged_json(sound.body, damages), damaged(sound.body, cuts)):
        server.scripted = [Scripted(status, body, sound.headers)]
        source = made()
        read(source)
        source.close()


@pytest.mark.requirement("COM-3")
@EXAMPLES
@given(DAMAGES, CUTS, st.sampled_from(["openid", "token", "messages", "batch", "value", "delta"]))
def test_any_answer_of_graph_is_read_or_refused(
    graph: tuple[GraphServer, Callable[[], Source[Any]]], damages: list[tuple[int, Any]], cuts: list[tuple[float, int, bytes]], where: str
) -> None:
    server, made = graph
    for is_json in (True, False):

        def spoil(answer: GraphAnswer, call: str, is_json: bool = is_json) -> GraphAnswer:
            if where not in call:
                return answer
            is_text = is_json and "json" in answer.content_type and answer.body
            answer.body = damaged_json(answer.body, damages) if is_text else damaged(answer.body, cuts)
            return answer

        server.spoil = spoil
        read(made())


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GraphServer, Callable[[], Source[Any]]]]:
    folder = tmp_path_factory.mktemp("graph")
    with GraphServer(folder) as server, ExitStack() as stack:
        server.add("leak")
        make = stack.enter_context(sources(server, folder))
        yield server, make


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ExchangeServer, ExchangeSource]]:
    folder = tmp_path_factory.mktemp("exchange")
    server = ExchangeServer(folder)
    server.deliver(b"From: ann@example.com\r\nSubject: one\r\n\r\nHello\r\n")
    (folder / "mailbox").write_text("secret\n")
    section = {"by": "exchange", "url": server.url, "user": "HOUSING\\reader", "login": "basic", "secret": "mailbox"}
    source = ExchangeSource(
        server.address, ExchangeFetch.model_validate(section), Credentials(str(folder)), timeout=5, ca_file=server.ca_file
    )
    yield server, source
    source.close()
    server.close()


@pytest.mark.requirement("COM-3")
@EXAMPLES
@given(CUTS, st.integers(0, 4))
def test_any_answer_of_exchange_is_read_or_refused(
    exchange: tuple[ExchangeServer, ExchangeSource], cuts: list[tuple[float, int, bytes]], which: int
) -> None:
    server, source = exchange
    count = 0

    def spoil(answer: ExchangeAnswer) -> ExchangeAnswer:
        nonlocal count
        count += 1
        return replace(answer, body=damaged(answer.body, cuts)) if count - 1 == which else answer

    server.spoil = spoil
    read(source)


@pytest.fixture(scope="module")
def imap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ImapScript, ImapSource]]:
    folder = tmp_path_factory.mktemp("imap")
    (folder / "office").write_text("secret")
    with imap_script() as script:
        given = {"host": "127.0.0.1", "port": script.port, "security": "none", "user": "office", "secret": "office"}
        source = ImapSource(ImapFetch(by="imap", **given), Credentials(str(folder)), timeout=1.0)
        yield script, source
        source.close()


@pytest.mark.requirement("COM-3")
@EXAMPLES
@given(CUTS, st.sampled_from(["CAPABILITY", "SELECT", "UID SEARCH", "UID FETCH"]))
def test_any_answer_of_imap_is_read_or_refused(
    imap: tuple[ImapScript, ImapSource], cuts: list[tuple[float, int, bytes]], where: str
) -> None:
    script, source = imap

    def spoilt(given: str) -> bytes:
        answer = script.usual(where, given)
        # The line that ends an answer stays: without it the wait for the rest is what would be tested.
        told, end, rest = (answer.encode() if isinstance(answer, str) else answer).rpartition(b"TAG ")
        script.cut_after = True
        return damaged(told, cuts) + b"\r\n" + end + rest

    script.answers = {where: spoilt}
    read(source)
