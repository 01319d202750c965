"""Mail by Microsoft Graph: credentials, and what goes wrong with calls, links and connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.graph import GraphSource
from services.ingest.gateways.graph.source import TRIES
from services.ingest.gateways.source import GatewayError
from shared.schemas.configuration.channels import GraphFetch
from tests.support.graph import CLIENT, MAILBOX, SECRET, TENANT, GraphServer
from tests.support.graph_https import client_certificate
from tests.support.graph_sources import MakeSource, all_of, failure, sources, subjects


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[GraphServer]:
    with GraphServer(tmp_path) as server:
        yield server


@pytest.fixture
def source_of(graph: GraphServer, tmp_path: Path) -> Iterator[MakeSource]:
    with sources(graph, tmp_path) as make:
        yield make


@pytest.fixture
def source(source_of: MakeSource) -> GraphSource:
    return source_of()


@pytest.mark.requirement("EDGE-19")
def test_a_certificate_serves_in_place_of_a_secret(graph: GraphServer, source_of: MakeSource, tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
    pem, graph.certificate = client_certificate(ends)
    (tmp_path / "graph-certificate").write_text(pem)
    source = source_of(credential="certificate", secret="graph-certificate")
    graph.add("leak")
    assert all_of(source, {})[0] == ["leak"]
    assert source.credential_ends() == ends
    other, _ = client_certificate(ends)
    (tmp_path / "graph-certificate").write_text(other)
    assert failure(lambda: source.fetch({}, 5)).reason == "credentials"
    begins = pem.index("-----BEGIN CERT")
    (tmp_path / "graph-certificate").write_text(pem[:begins] + other[other.index("-----BEGIN CERT") :] + pem[begins:])
    graph.add("among others")
    assert "among others" in all_of(source_of(credential="certificate", secret="graph-certificate"), {})[0]
    for broken in ("nothing of the kind", pem[:begins], pem[begins:], pem[:begins] + other[other.index("-----BEGIN CERT") :]):
        (tmp_path / "graph-certificate").write_text(broken)
        assert failure(lambda: source.fetch({}, 5)).reason == "credentials"


@pytest.mark.requirement("EDGE-19")
def test_the_end_of_a_secret_is_told_as_configured(source_of: MakeSource) -> None:
    assert source_of().credential_ends() is None
    assert source_of(secret_ends=date(2027, 3, 31)).credential_ends() == datetime(2027, 3, 31, tzinfo=UTC)
    assert failure(source_of(secret="graph-missing").credential_ends).reason == "credentials"


@pytest.mark.requirement("EDGE-19")
def test_a_refused_secret_is_told_and_a_new_one_works_at_once(graph: GraphServer, source: GraphSource, tmp_path: Path) -> None:
    graph.add("leak")
    graph.secret_has_ended = True
    error = failure(lambda: source.fetch({}, 5))
    assert (error.reason, str(error)) == ("credentials", "no token: invalid_client AADSTS7000222")
    graph.secret_has_ended, graph.secret = False, "another~one"
    assert failure(lambda: source.fetch({}, 5)).reason == "credentials"
    (tmp_path / "graph-secret").write_text("another~one")
    assert all_of(source, {})[0] == ["leak"]


def test_a_withdrawn_token_is_had_anew_and_a_refused_one_is_told(graph: GraphServer, source: GraphSource) -> None:
    graph.add("leak")
    batch = source.fetch({}, 5)
    graph.tokens.clear()
    source.acknowledge(batch)
    assert graph.granted == 2
    graph.fail("delta", 401, "InvalidAuthenticationToken")
    assert failure(lambda: source.fetch({}, 5)).reason == "credentials"


@pytest.mark.parametrize(
    ("pattern", "status", "code", "headers", "reason", "wait"),
    [
        ("delta", 429, "ApplicationThrottled", {"Retry_After": "7"}, "throttled", 7.0),
        ("delta", 503, "ServiceUnavailable", {"Retry_After": "3"}, "throttled", 3.0),
        ("delta", 503, "ServiceUnavailable", {}, "unreachable", None),
        ("delta", 500, "ErrorInternalServerError", {}, "unreachable", None),
        ("delta", 403, "ErrorAccessDenied", {}, "refused", None),
        ("delta", 404, "MailboxNotEnabledForRESTAPI", {}, "refused", None),
        ("delta", 302, "", {"Location": "https://elsewhere.example/"}, "malformed", None),
        (r"\$value", 429, "ApplicationThrottled", {"Retry_After": "2"}, "throttled", 2.0),
        (r"\$value", 404, "ErrorInvalidUser", {}, "refused", None),
        ("oauth2/v2.0/token", 429, "", {"Retry_After": "11"}, "throttled", 11.0),
        ("oauth2/v2.0/token", 500, "", {}, "unreachable", None),
        ("openid-configuration", 400, "invalid_tenant", {}, "refused", None),
        ("openid-configuration", 504, "", {}, "unreachable", None),
    ],
)
def test_errors_are_told_by_their_reason(
    graph: GraphServer, source: GraphSource, pattern: str, status: int, code: str, headers: dict[str, str], reason: str, wait: float | None
) -> None:
    graph.add("leak")
    graph.fail(pattern, status, code, **headers)
    error = failure(lambda: source.fetch({}, 5))
    assert (error.reason, error.retry_after) == (reason, wait)
    graph.heal()
    assert all_of(source, {})[0] == ["leak"]


def test_a_wait_may_be_a_date(graph: GraphServer, source: GraphSource) -> None:
    graph.fail("delta", 429, Retry_After=(datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert 3500 < (failure(lambda: source.fetch({}, 5)).retry_after or 0) <= 3600
    graph.heal()
    graph.fail("delta", 429, Retry_After="soon")
    assert failure(lambda: source.fetch({}, 5)).retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"value": []}',
        b'{"value": [{}], "@odata.deltaLink": "x"}',
        b'{"value": 1, "@odata.deltaLink": "x"}',
        b"[" * 100_000,
        b'{"value": [], "@odata.nextLink": "https://elsewhere.example/v1.0/users"}',
        b'{"value": [], "@odata.deltaLink": "http://127.0.0.1/v1.0/users"}',
        b'{"value": [], "@odata.deltaLink": "//elsewhere.example/v1.0/x"}',
        b'{"value": [], "@odata.deltaLink": "https://[/"}',
    ],
)
def test_nonsense_and_links_to_other_places_are_malformed(graph: GraphServer, source: GraphSource, body: bytes) -> None:
    graph.fail("delta", 200, body=body)
    assert failure(lambda: source.fetch({}, 5)).reason == "malformed"


def test_links_are_followed_only_under_the_endpoint(graph: GraphServer, source: GraphSource) -> None:
    for link in (
        f"{graph.origin}/other/users",
        f"{graph.endpoint}/../other/users",
        f"{graph.endpoint}x/users",
        graph.endpoint.replace("https://", "https://user@") + "/users",
        graph.endpoint.replace("127.0.0.1", "127.0.0.2") + "/users",
    ):
        graph.fail("delta", 200, body=f'{{"value": [], "@odata.nextLink": "{link}"}}'.encode(), times=1)
        assert failure(lambda: source.fetch({}, 5)).reason == "malformed", link
    assert graph.called("/other|elsewhere") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"<html>",
        b'{"token_endpoint": "https://elsewhere.example/t/token", "authorization_endpoint": "https://elsewhere.example/a", "issuer": "i"}',
    ],
)
def test_an_authority_that_talks_nonsense_or_of_other_hosts_gets_no_secret(graph: GraphServer, source: GraphSource, body: bytes) -> None:
    graph.fail("openid-configuration", 200, body=body)
    assert failure(lambda: source.fetch({}, 5)).reason == "malformed"


def test_a_token_answer_without_a_token_is_malformed(graph: GraphServer, source: GraphSource) -> None:
    for body in (b"{}", b"<html>", b"[1]", b'{"access_token": 7}'):
        graph.heal()
        graph.fail("v2.0/token", 200, body=body)
        assert failure(lambda: source.fetch({}, 5)).reason == "malformed"


def test_an_untrusted_or_absent_server_is_unreachable(graph: GraphServer, tmp_path: Path) -> None:
    (tmp_path / "graph-secret").write_text(SECRET)
    for endpoint, ca_file in ((graph.origin, ""), ("https://127.0.0.1:9", str(graph.ca_file)), (graph.origin, str(tmp_path / "none.pem"))):
        section = GraphFetch(by="graph", tenant=TENANT, client_id=CLIENT, secret="graph-secret", endpoint=endpoint, authority=endpoint)
        source = GraphSource(MAILBOX, section, Credentials(str(tmp_path)), timeout=5, ca_file=ca_file)
        assert failure(lambda source=source: source.fetch({}, 5)).reason == "unreachable"
        source.close()


def test_throttling_in_the_middle_keeps_what_was_had(graph: GraphServer, source: GraphSource) -> None:
    for number in range(4):
        graph.add(f"mail {number}", id=f"m{number}")
    graph.fail("messages/m2/", 429, "ApplicationThrottled", Retry_After="9")
    batch = source.fetch({}, 10)
    assert (subjects(batch), batch.is_more) == (["mail 0", "mail 1"], True)
    source.acknowledge(batch)
    assert failure(lambda: source.fetch(batch.cursor, 10)).retry_after == 9.0
    graph.heal()
    assert all_of(source, batch.cursor)[0] == ["mail 2", "mail 3"]


def test_throttled_calls_of_a_batch_go_in_again(graph: GraphServer, source: GraphSource) -> None:
    messages = [graph.add(f"mail {number}") for number in range(20)]
    graph.fail("PATCH", 429, "ApplicationThrottled", times=7, Retry_After="0")
    batch = source.fetch({}, 20)
    source.acknowledge(batch)
    assert all(message.is_read for message in messages)
    assert graph.called("PATCH") == 27, "only those that were throttled"
    assert graph.called("batch") == 2


@pytest.mark.parametrize(
    ("status", "code", "headers", "reason", "wait"),
    [
        (429, "ApplicationThrottled", {"Retry_After": "120"}, "throttled", 120.0),
        (401, "InvalidAuthenticationToken", {}, "credentials", None),
        (403, "ErrorAccessDenied", {}, "refused", None),
        (500, "ErrorInternalServerError", {}, "unreachable", None),
        (400, "ErrorInvalidIdMalformed", {}, "refused", None),
    ],
)
def test_what_becomes_of_each_call_of_a_batch_counts(
    graph: GraphServer, source: GraphSource, status: int, code: str, headers: dict[str, str], reason: str, wait: float | None
) -> None:
    messages = [graph.add(f"mail {number}", id=f"m{number}") for number in range(3)]
    batch = source.fetch({}, 5)
    graph.fail("PATCH .*m1", status, code, **headers)
    error = failure(lambda: source.acknowledge(batch))
    assert (error.reason, error.retry_after) == (reason, wait)
    assert [message.is_read for message in messages] == [True, False, True]
    graph.heal()
    source.acknowledge(batch)
    assert messages[1].is_read
    assert graph.called("PATCH .*m0") == 1, "what is done is not done again"


def test_a_message_that_cannot_be_moved_is_left_in_the_end(graph: GraphServer, source_of: MakeSource) -> None:
    source = source_of(moved_to="archive")
    stuck, other = graph.add("stuck", id="stuck"), graph.add("other")
    graph.fail("messages/stuck/move", 409, "ErrorIrresolvableConflict")
    batch = source.fetch({}, 5)
    for _ in range(TRIES - 1):
        assert failure(lambda: source.acknowledge(batch)).reason == "refused"
    source.acknowledge(batch)
    assert (stuck.folder, other.folder) == ("inbox", "archive")
    graph.touch(stuck)
    assert all_of(source, batch.cursor)[0] == []


def test_a_folder_to_move_to_that_is_not_there_is_refused(graph: GraphServer, source_of: MakeSource) -> None:
    graph.add("leak")
    source = source_of(moved_to="nowhere")
    batch = source.fetch({}, 5)
    assert failure(lambda: source.acknowledge(batch)).reason == "refused"
    assert failure(lambda: source_of(folder="nowhere").fetch({}, 5)).reason == "refused"


def test_a_batch_answer_that_leaves_something_out_is_malformed(graph: GraphServer, source: GraphSource) -> None:
    graph.add("leak")
    batch = source.fetch({}, 5)
    for body in (b'{"responses": []}', b"{}", b'{"responses": [{"id": "0", "status": "200"}]}', b"nonsense"):
        graph.heal()
        graph.fail("batch", 200, body=body)
        assert failure(lambda: source.acknowledge(batch)).reason == "malformed"


def test_close_ends_a_wait_and_a_call_that_hangs(graph: GraphServer, source: GraphSource, source_of: MakeSource) -> None:
    graph.hold("delta")
    errors: list[GatewayError] = []

    def fetch() -> None:
        try:
            source.fetch({}, 5)
        except GatewayError as error:
            errors.append(error)

    fetching = threading.Thread(target=fetch, daemon=True)
    fetching.start()
    assert graph.holding.wait(10)
    idle = source_of()
    waiting = threading.Thread(target=idle.wait, args=(3600,), daemon=True)
    waiting.start()
    source.close()
    idle.close()
    fetching.join(5)
    waiting.join(5)
    assert not fetching.is_alive()
    assert not waiting.is_alive()
    assert [(error.reason, str(error)) for error in errors] == [("unreachable", "the connection was closed")]
    assert failure(lambda: source.fetch({}, 5)).reason == "unreachable"
    source.close()


def test_a_connection_that_breaks_is_made_anew(graph: GraphServer, source: GraphSource) -> None:
    graph.add("leak")
    batch = source.fetch({}, 5)
    graph.drop_connections()
    # Whether the client notices before it asks again is a matter of microseconds.
    with suppress(GatewayError):
        source.acknowledge(batch)
    source.acknowledge(batch)
    assert graph.messages[batch.marks[0]].is_read
