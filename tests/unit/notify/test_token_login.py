"""Logging in at the mail server with an access token (OAuth 2.0), as Microsoft and Google want it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.notify.domain.message import Written
from services.notify.domain.retry import Outcome
from services.notify.gateways.relay import AnyRelay, connector
from services.notify.gateways.smtp import Answer
from services.notify.settings import SendSettings
from tests.service.notify.mail_server import TokenServer
from tests.support.authority import Authority
from tests.support.token_endpoint import TokenEndpoint, token_endpoint

pytestmark = pytest.mark.requirement("NOTE-2", "EDGE-19")
MESSAGE = Written("notify@housing.example", "ann@mail.example", b"Message-ID: <1@housing.example>\r\n\r\nWe come.\r\n", international=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with token_endpoint(authority) as endpoint:
        yield endpoint


def settings_of(endpoint_url: str, authority: Authority, folder: Path, port: int, **changes: Any) -> SendSettings:
    values = {
        "kafka": "k",
        "database": "d",
        "port": 0,
        "mail_from": "notify@housing.example",
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": "starttls",
        "smtp_ca_file": authority.file,
        "smtp_user": "notify@housing.example",
        "smtp_login": "oauth2",
        "smtp_oauth_endpoint": f"{endpoint_url}/token",
        "smtp_oauth_client_id": "casestream",
        "smtp_oauth_secret_file": folder / "secret",
        "smtp_oauth_scope": "mail",
        "smtp_oauth_ca_file": authority.file,
        "smtp_timeout_seconds": 5.0,
    }
    return SendSettings(**(values | changes))


Connect = Callable[..., Callable[[], AnyRelay]]


@pytest.fixture
def connect(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> Connect:
    """Makes what makes connections; the client's secret is right."""
    (tmp_path / "secret").write_text(endpoint.secret + "\n")
    return lambda port, **changes: connector(settings_of(endpoint.url, authority, tmp_path, port, **changes))


def sent(relay: AnyRelay) -> Answer:
    answer = relay.begin(MESSAGE)
    if answer is None:
        answer = relay.finish()
    relay.close()
    return answer


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_lets_us_in_and_serves_all_connections(
    mechanism: str, endpoint: TokenEndpoint, authority: Authority, connect: Connect
) -> None:
    with TokenServer(endpoint.tokens, mechanism=mechanism, tls_context=authority.context) as server:
        make = connect(server.port)
        assert [sent(make()).outcome for _ in range(3)] == [Outcome.SENT] * 3
    start = "user=notify@housing.example" if mechanism == "XOAUTH2" else "n,a=notify@housing.example,"
    assert server.shown == [f"{start}\x01auth=Bearer token-1\x01\x01"] * 3
    assert [(form["grant_type"], form["scope"]) for form in endpoint.asked] == [("client_credentials", "mail")]


@pytest.mark.parametrize(("mechanism", "acknowledged"), [("XOAUTH2", b""), ("OAUTHBEARER", b"\x01")])
def test_a_token_that_was_withdrawn_is_replaced_once(
    mechanism: str, acknowledged: bytes, endpoint: TokenEndpoint, authority: Authority, connect: Connect
) -> None:
    with TokenServer(endpoint.tokens, mechanism=mechanism, tls_context=authority.context) as server:
        make = connect(server.port)
        assert sent(make()).outcome is Outcome.SENT
        endpoint.tokens.clear()
        assert sent(make()).outcome is Outcome.SENT
    assert [said.split()[1].strip("\x01") for said in server.shown] == ["token-1", "token-1", "token-2"]
    assert server.acknowledged == [acknowledged]


def test_a_server_that_refuses_every_token_is_asked_no_third_time(endpoint: TokenEndpoint, authority: Authority, connect: Connect) -> None:
    with TokenServer(set(), tls_context=authority.context) as server:
        answer = sent(connect(server.port)())
        assert answer.outcome is Outcome.UNREACHABLE
        assert "token-" not in answer.text
        assert not server.senders
    assert (len(server.shown), len(endpoint.asked)) == (2, 2)


def test_without_a_token_nothing_is_sent_and_no_secret_is_told(
    endpoint: TokenEndpoint, authority: Authority, connect: Connect, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    with TokenServer(endpoint.tokens, tls_context=authority.context) as server:
        relay = connect(server.port)()
        for text in ("guessed", ""):
            secret.write_text(text)
            answer = sent(relay)
            assert answer.outcome is Outcome.UNREACHABLE
            assert "guessed" not in answer.text
        secret.unlink()
        assert sent(relay).outcome is Outcome.UNREACHABLE
        assert not server.shown
        # A changed secret works at once.
        secret.write_text(endpoint.secret)
        assert sent(relay).outcome is Outcome.SENT


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (200, b"[]"), (200, b'{"access_token": 7}'), (200, b'{"access_token": "a\\nb"}'), (302, b"")]
)
def test_an_endpoint_without_a_token_is_a_matter_of_ours_and_not_of_the_message(
    status: int, body: bytes, endpoint: TokenEndpoint, authority: Authority, connect: Connect
) -> None:
    endpoint.answers = [(status, {}, body)]
    with TokenServer(endpoint.tokens, tls_context=authority.context) as server:
        relay = connect(server.port)()
        assert sent(relay).outcome is Outcome.UNREACHABLE
        assert sent(relay).outcome is Outcome.SENT


def test_a_token_of_which_nobody_says_how_long_it_lasts_is_used_once(
    endpoint: TokenEndpoint, authority: Authority, connect: Connect
) -> None:
    endpoint.seconds = 0
    with TokenServer(endpoint.tokens, tls_context=authority.context) as server:
        make = connect(server.port)
        assert [sent(make()).outcome for _ in range(2)] == [Outcome.SENT] * 2
    assert len(endpoint.asked) == 2


def test_a_server_that_takes_passwords_only_gets_no_token(endpoint: TokenEndpoint, authority: Authority, connect: Connect) -> None:
    with TokenServer(endpoint.tokens, mechanism="SCRAM", tls_context=authority.context) as server:
        answer = sent(connect(server.port)())
    assert answer.outcome is Outcome.UNREACHABLE
    assert "access tokens" in answer.text
    assert not endpoint.asked


def test_an_endpoint_that_no_known_authority_vouches_for_gets_no_secret(
    endpoint: TokenEndpoint, authority: Authority, connect: Connect
) -> None:
    with TokenServer(endpoint.tokens, tls_context=authority.context) as server:
        assert sent(connect(server.port, smtp_oauth_ca_file=None)()).outcome is Outcome.UNREACHABLE
    assert not endpoint.asked


@pytest.mark.parametrize(
    "changes",
    [
        {"smtp_oauth_endpoint": ""},
        {"smtp_oauth_endpoint": "http://login.example/token"},
        {"smtp_oauth_client_id": ""},
        {"smtp_oauth_secret_file": None},
        {"smtp_security": "none"},
        {"smtp_user": ""},
    ],
)
def test_what_a_token_needs_must_be_set(changes: dict[str, Any], authority: Authority, tmp_path: Path) -> None:
    settings_of("https://login.example", authority, tmp_path, 587)
    with pytest.raises(ValidationError):
        settings_of("https://login.example", authority, tmp_path, 587, **changes)
