"""Access tokens by client credentials, from an authorization server over HTTPS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.oauth import AccessTokens
from services.ingest.gateways.source import GatewayError
from shared.schemas.configuration.channels import OAuthClient
from tests.support.authority import Authority
from tests.support.token_endpoint import TokenEndpoint, token_endpoint

pytestmark = pytest.mark.requirement("COM-3", "EDGE-19")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with token_endpoint(authority) as endpoint:
        yield endpoint


def a_client(endpoint: TokenEndpoint, authority: Authority | None, folder: Path, path: str = "/token") -> AccessTokens:
    client = OAuthClient(token_url=f"{endpoint.url}{path}", client_id=endpoint.client_id, scope="mail")
    context = ssl.create_default_context(cafile=str(authority.file)) if authority else None
    return AccessTokens(client, Credentials(str(folder)), "client", timeout=20, context=context)


@pytest.fixture
def tokens(endpoint: TokenEndpoint, authority: Authority, tmp_path: Path) -> AccessTokens:
    (tmp_path / "client").write_text(endpoint.secret)
    return a_client(endpoint, authority, tmp_path)


def test_a_token_is_kept_until_it_is_forgotten(endpoint: TokenEndpoint, tokens: AccessTokens) -> None:
    assert [tokens.get(), tokens.get()] == ["token-1", "token-1"]
    tokens.forget()
    assert tokens.get() == "token-2"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("lifetime", ['"expires_in": 0', '"expires_in": "soon"', '"token_type": "Bearer"'])
def test_a_token_of_which_nobody_says_how_long_it_lasts_is_used_once(lifetime: str, endpoint: TokenEndpoint, tokens: AccessTokens) -> None:
    endpoint.answers = [(200, {}, f'{{"access_token": "once", {lifetime}}}'.encode())]
    assert [tokens.get(), tokens.get()] == ["once", "token-2"]


def test_a_token_is_not_used_in_its_last_minutes(endpoint: TokenEndpoint, tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("services.ingest.gateways.oauth.time.monotonic", lambda: now)
    assert tokens.get() == "token-1"
    now += 3600 - 301
    assert tokens.get() == "token-1"
    now += 2
    assert tokens.get() == "token-2"


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "wait"),
    [
        (401, {}, b'{"error": "invalid_client"}', "credentials", None),
        (400, {}, b'{"error": "unauthorized_client"}', "credentials", None),
        (401, {}, b"<html>", "credentials", None),
        (400, {}, b'{"error": "invalid_request"}', "refused", None),
        (404, {}, b"", "refused", None),
        (302, {"Location": "https://elsewhere.example/"}, b"", "refused", None),
        (429, {"Retry-After": "17"}, b"", "throttled", 17.0),
        (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"", "throttled", None),
        (503, {"Retry-After": "5"}, b"{}", "unreachable", 5.0),
        (500, {}, b'{"error": ["hush"]}', "unreachable", None),
        (200, {}, b"[]", "malformed", None),
        (200, {}, b'{"access_token": 1}', "malformed", None),
        (200, {}, b'{"access_token": "a\\nb", "expires_in": 9}', "malformed", None),
        (200, {}, b"[" * 100_000, "malformed", None),
        (200, {}, b" " * 300_000, "malformed", None),
        (200, {"Content-Encoding": "gzip"}, b"not gzip", "malformed", None),
    ],
)
def test_an_answer_that_holds_no_token_is_understood(
    status: int, headers: dict[str, str], body: bytes, reason: str, wait: float | None, endpoint: TokenEndpoint, tokens: AccessTokens
) -> None:
    endpoint.answers = [(status, headers, body)]
    with pytest.raises(GatewayError) as caught:
        tokens.get()
    assert (caught.value.reason, caught.value.retry_after) == (reason, wait)
    assert "hush" not in str(caught.value)
    assert tokens.get() == "token-2"


def test_a_wrong_secret_is_told_without_it(endpoint: TokenEndpoint, tokens: AccessTokens, tmp_path: Path) -> None:
    (tmp_path / "client").write_text("guessed")
    with pytest.raises(GatewayError) as caught:
        tokens.get()
    assert caught.value.reason == "credentials"
    assert "guessed" not in str(caught.value)


def test_an_endpoint_that_no_known_authority_vouches_for_gets_no_secret(endpoint: TokenEndpoint, tmp_path: Path) -> None:
    (tmp_path / "client").write_text(endpoint.secret)
    with pytest.raises(GatewayError) as caught:
        a_client(endpoint, None, tmp_path).get()
    assert caught.value.reason == "unreachable"
    assert not endpoint.asked
