"""Access tokens by client credentials (RFC 6749, 4.4), for channels whose own library does not get them."""

from __future__ import annotations

import json
import re
import ssl
import time
from typing import Any

import httpx

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.source import GatewayError, Reason
from shared.schemas.configuration.channels import OAuthClient

MARGIN_SECONDS = 300.0
"""A token is not used in its last minutes: it would end in the middle of something, and clocks differ."""
LONGEST_ANSWER = 256 * 1024
_ERROR_CODE = re.compile(r"[a-z_]{1,64}")
_ABOUT_US = frozenset({"invalid_client", "unauthorized_client", "invalid_grant", "access_denied", "invalid_scope"})
"""Errors of a token endpoint (RFC 6749, 5.2) that another secret, or another permission, would mend."""


class AccessTokens:
    """The access token of one account, kept until shortly before it ends. For one thread."""

    def __init__(
        self, client: OAuthClient, credentials: Credentials, secret: str, *, timeout: float = 30.0, context: ssl.SSLContext | None = None
    ) -> None:
        """`secret`: name of the credential that holds the client's secret. `timeout`: seconds. `context`: which certificates to trust."""
        self._client = client
        self._credentials = credentials
        self._secret = secret
        self._timeout = timeout
        self._context = context or ssl.create_default_context()
        self._token = ""
        self._until = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether `get` would give a token without asking for one."""
        return bool(self._token) and time.monotonic() < self._until

    def get(self) -> str:
        """A token that is valid for some time yet. Raises `GatewayError`."""
        if not self.is_kept:
            asked = time.monotonic()
            token, seconds = self._asked()
            self._token = token
            self._until = asked + seconds - min(MARGIN_SECONDS, seconds / 2)
        return self._token

    def forget(self) -> None:
        """The token was refused: the next `get` asks for a new one."""
        self._token = ""

    def _asked(self) -> tuple[str, float]:
        """A new token, and for how many seconds it is valid."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client.client_id,
            "client_secret": self._credentials.read(self._secret),
            "scope": self._client.scope,
        }
        headers = {"Accept": "application/json"}
        try:
            with (
                httpx.Client(timeout=self._timeout, verify=self._context) as http,
                http.stream("POST", self._client.token_url, data=form, headers=headers) as response,
            ):
                body = _bounded(response)
        except httpx.TransportError as error:
            # Its text may hold the address that was asked; the kind is enough.
            raise GatewayError("unreachable", f"the token endpoint cannot be reached: {type(error).__name__}") from None
        except httpx.HTTPError as error:
            raise GatewayError("malformed", f"the token endpoint's answer cannot be read: {type(error).__name__}") from None
        answer = _object(body)
        if response.status_code != httpx.codes.OK:
            raise _refusal(response, answer)
        token, seconds = answer.get("access_token"), answer.get("expires_in", 0)
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise GatewayError("malformed", "the token endpoint gave no token")
        try:
            # Some endpoints write the number as text. Without one, the token is good for once.
            return token, max(0.0, float(seconds))
        except (TypeError, ValueError):
            return token, 0.0


def _bounded(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            raise GatewayError("malformed", "the token endpoint's answer is too long")
    return body


def _object(body: bytes) -> dict[str, Any]:
    """`body` as a JSON object; empty when it is none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _refusal(response: httpx.Response, answer: dict[str, Any]) -> GatewayError:
    code, status = answer.get("error"), response.status_code
    named = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
    reason: Reason = "refused"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        reason = "throttled"
    elif status >= 500:
        reason = "unreachable"
    elif named in _ABOUT_US or status == httpx.codes.UNAUTHORIZED:
        reason = "credentials"
    return GatewayError(reason, f"the token endpoint answered {status} {named}".rstrip(), _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the answer asks to wait; the form with a date is rare here, and counts as none."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
