"""Access tokens by client credentials (RFC 6749, 4.4), shared by the connections to the relay."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import httpx

from shared.graph import GraphError, Reply, Wire

MARGIN_SECONDS = 300.0
"""A token is not used in its last minutes: clocks differ."""
LONGEST_ANSWER = 256 * 1024
_ERROR_CODE = re.compile(r"[a-z_]{1,64}")


class NoToken(OSError):
    """The token endpoint gave none. The text is for operators, without secrets."""


class AccessTokens:
    """The access token, kept until shortly before it ends. For several threads."""

    def __init__(self, url: str, client_id: str, scope: str, secret: Callable[[], str], timeout: float = 30.0, ca_file: str = "") -> None:
        """`secret`: asked whenever a token is. `timeout`: seconds. `ca_file`: certificates to trust, PEM; empty: the system's."""
        self._url = httpx.URL(url)
        self._client_id = client_id
        self._scope = scope
        self._secret = secret
        self._wire = Wire(timeout, ca_file)
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def get(self) -> str:
        """A token that is valid for some time yet. Raises `NoToken`. Blocks while one is asked for, whoever asks."""
        with self._lock:
            if not self._token or time.monotonic() >= self._until:
                asked = time.monotonic()
                self._token, seconds = self._asked()
                self._until = asked + seconds - min(MARGIN_SECONDS, seconds / 2)
            return self._token

    def forget(self, token: str) -> None:
        """This token was refused; one that another connection has had since is kept."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _asked(self) -> tuple[str, float]:
        """A new token, and for how many seconds it is valid."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._read_secret(),
        }
        if self._scope:
            form["scope"] = self._scope
        headers = {"Accept": "application/json"}
        try:
            reply = self._wire.exchange("POST", self._url, headers=headers, form=form, most=LONGEST_ANSWER)
        except GraphError as error:
            raise NoToken(f"the token endpoint: {error}") from None
        answer = reply.json_or_none() or {}
        if reply.status != 200:
            raise NoToken(_refusal(reply, answer.get("error")))
        token = answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise NoToken("the token endpoint gave no token")
        try:
            # Some endpoints write the number as text. Without one, the token is good for once.
            return token, max(0.0, float(answer.get("expires_in", 0)))
        except (TypeError, ValueError):
            return token, 0.0

    def _read_secret(self) -> str:
        try:
            secret = self._secret()
        except (OSError, UnicodeDecodeError) as error:
            raise NoToken(f"the client's secret cannot be read: {type(error).__name__}") from None
        if not secret:
            raise NoToken("the client's secret is empty")
        return secret


def _refusal(reply: Reply, code: object) -> str:
    named = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
    return f"the token endpoint answered {reply.status} {named}".rstrip()
