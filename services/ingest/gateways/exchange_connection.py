"""The connection to Exchange web services: exchangelib's, made to give up at once, to stay within bounds, and to end when it is told to.

exchangelib keeps its protocols (login, sessions, connections) in a cache of the process, by address and equal credentials; neither the
time-out nor the trusted authorities are part of the key. Here the credentials of every connection are equal to no others, and what it
opened leaves the cache at once, so that no two share anything.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from exchangelib import (  # type: ignore[import-untyped]
    BASIC,
    DELEGATE,
    IMPERSONATION,
    NTLM,
    OAUTH2,
    Account,
    Configuration,
    FailFast,
    OAuth2Credentials,
    Version,
    errors,
)
from exchangelib import UTC as EWS_UTC
from exchangelib import Credentials as LoginCredentials
from exchangelib.protocol import Protocol  # type: ignore[import-untyped]
from exchangelib.util import is_xml  # type: ignore[import-untyped]
from exchangelib.version import EXCHANGE_2013_SP1  # type: ignore[import-untyped]
from oauthlib.oauth2 import OAuth2Error  # type: ignore[import-untyped]
from oauthlib.oauth2.rfc6749.errors import MissingTokenError  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter
from spnego.exceptions import SpnegoError
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.source import GatewayError
from shared.schemas.configuration.channels import ExchangeFetch

CONNECT_SECONDS = 10.0
"""Longest wait for a connection: until it is there, `cut` cannot end the waiting."""
LONGEST_ANSWERS = 10
"""An answer must have come wholly within so many time-outs, however steadily it trickles."""
_CHUNK = 64 * 1024

# They write whole requests and answers, with addresses and mails in them, and tokens.
for _name in ("exchangelib", "oauthlib", "requests_oauthlib", "spnego"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

_UNREACHABLE = (
    errors.ErrorADOperation,
    errors.ErrorADUnavailable,
    errors.ErrorBatchProcessingStopped,
    errors.ErrorConnectionFailed,
    errors.ErrorConnectionFailedTransientError,
    errors.ErrorInternalServerError,
    errors.ErrorInternalServerTransientError,
    errors.ErrorMailboxFailover,
    errors.ErrorMailboxMoveInProgress,
    errors.ErrorMailboxStoreUnavailable,
    errors.ErrorNotEnoughMemory,
    errors.ErrorTimeoutExpired,
)
_THROTTLED = (
    errors.ErrorExceededConnectionCount,
    errors.ErrorExceededFindCountLimit,
    errors.ErrorServerBusy,
    errors.ErrorTooManyObjectsOpened,
    errors.RateLimitError,
)
_CREDENTIALS = (
    errors.ErrorAccountDisabled,
    errors.ErrorPasswordChangeRequired,
    errors.ErrorPasswordExpired,
    errors.UnauthorizedError,
)


class TooMuch(requests.exceptions.ConnectionError):
    """An answer is longer than was allowed."""


class Link:
    """What a connection has open, so that another thread can cut it."""

    def __init__(self) -> None:
        self.is_cut = False
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[HTTPSConnection] = weakref.WeakSet()

    def add(self, connection: HTTPSConnection) -> None:
        """`connection` is open. Raises `OSError` when all is cut already."""
        with self._lock:
            if self.is_cut:
                raise OSError("closed")
            self._connections.add(connection)

    def cut(self) -> None:
        """End whatever is being read or written, and have nothing new begin."""
        with self._lock:
            self.is_cut = True
            for connection in self._connections:
                if isinstance(connection.sock, socket.socket):
                    # Not TLS's own `shutdown`: it forgets that there was TLS, under the feet of the thread that reads.
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Trusts the system's authorities and those of a file; bounds every answer; can be cut."""

    def __init__(self, link: Link, context: ssl.SSLContext, timeout: float, most_bytes: int) -> None:
        self._link = link
        self._context = context
        self._longest = LONGEST_ANSWERS * timeout
        self._most_bytes = most_bytes
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by the parent."""
        super().init_poolmanager(*args, ssl_context=self._context, **options)
        link = self._link

        class Connection(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                link.add(self)

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Called by the parent where the environment names a proxy."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def send(self, *args: Any, **options: Any) -> requests.Response:
        """Called by requests."""
        if self._link.is_cut:
            raise requests.exceptions.ConnectionError("closed")
        return super().send(*args, **{**options, "verify": True})

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Called by the parent, whose own adds the authorities that come with requests."""
        conn.cert_reqs = "CERT_REQUIRED"

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Called by the parent."""
        response = super().build_response(req, resp)
        until = time.monotonic() + self._longest
        parent: Any = response.iter_content

        def iter_content(chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
            size = 0
            # exchangelib asks for single bytes when it reads XML; a large mail would take minutes.
            for chunk in parent(max(chunk_size or 0, _CHUNK), decode_unicode):
                size += len(chunk)
                if size > self._most_bytes or time.monotonic() > until:
                    # Its connection is of no use to anybody else.
                    response.close()
                    raise TooMuch("answer too long") if size > self._most_bytes else requests.exceptions.Timeout("answer too slow")
                yield chunk

        response.iter_content = iter_content  # type: ignore[method-assign]
        return response


class _Policy(FailFast):  # type: ignore[misc]
    """Says what an HTTP status means; exchangelib guesses from it whether to wait, and for how long."""

    def raise_response_errors(self, response: requests.Response) -> None:
        """Raises `GatewayError` unless there is an answer in XML to read."""
        # SOAP 1.1 has faults come with 500.
        if response.status_code != 200 and not (response.status_code == 500 and is_xml(response.content)):
            raise _by_status(response)


class _Protocol(Protocol):  # type: ignore[misc]
    RETRY_WAIT = 0  # what exchangelib takes for the server's wish when the server has told none

    def __init__(self, config: Any, adapter: _Adapter, timeout: float) -> None:
        self.TIMEOUT = (min(timeout, CONNECT_SECONDS), timeout)
        self._adapter = adapter
        super().__init__(config=config)

    def raw_session(self, *args: Any, **options: Any) -> Any:
        """A session whose every request goes through our adapter."""
        session = super().raw_session(*args, **options)
        for prefix in list(session.adapters):
            session.mount(prefix, self._adapter)
        if options.get("oauth2_client") is not None:
            session.register_compliance_hook("access_token_response", _check_token)
        return session

    def retire_session(self, session: Any) -> None:
        """Let go of a session that failed. The parent puts a new one in its place at once, and so asks for another token."""
        self.close_session(session)
        with self._session_pool_lock:
            self._session_pool_size -= 1


class _Login(LoginCredentials):  # type: ignore[misc]
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class _Client(OAuth2Credentials):  # type: ignore[misc]
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, token_url: str, scope: str, **options: Any) -> None:
        super().__init__(**options)
        self._token_url = token_url
        self._scope = scope

    @property
    def token_url(self) -> str:
        """The parent knows Microsoft's only."""
        return self._token_url

    @property
    def scope(self) -> list[str]:
        """The parent knows Microsoft's only."""
        return self._scope.split()

    def session_params(self) -> dict[str, Any]:
        """Without the parent's refreshing: it asks with a refresh token, which client credentials never get. The session is renewed."""
        return {"token": self.access_token}

    def on_token_auto_refreshed(self, access_token: Any) -> None:
        """A new token has come."""
        # exchangelib would ask for tokens without end.
        if access_token.get("expires_in") is not None and float(access_token["expires_in"]) <= 0:
            raise GatewayError("malformed", "the access token had expired when it was issued")
        super().on_token_auto_refreshed(access_token)


def connect(
    address: str, section: ExchangeFetch, credentials: Credentials, link: Link, timeout: float, ca_file: str, most_bytes: int
) -> Any:
    """An exchangelib account for the mailbox with this `address`. Nothing is sent yet.

    `timeout`: seconds that the server may be silent. `most_bytes`: longest answer. Raises `GatewayError`.
    """
    secret = credentials.read(section.secret)
    login: Any
    if section.login == "oauth2":
        if section.oauth is None:
            raise GatewayError("credentials", "login oauth2 needs oauth")
        oauth = section.oauth
        login = _Client(oauth.token_url, oauth.scope, client_id=oauth.client_id, client_secret=secret)
    else:
        login = _Login(section.user, secret)
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise GatewayError("refused", f"the file of authorities cannot be read: {type(error).__name__}") from error
    config = Configuration(
        service_endpoint=section.url,
        credentials=login,
        auth_type={"basic": BASIC, "ntlm": NTLM, "oauth2": OAUTH2}[section.login],
        # Where to begin; the answers tell the server's own. Without, exchangelib asks first, and takes any error for an unknown version.
        version=Version(build=EXCHANGE_2013_SP1),
        retry_policy=_Policy(),
        max_connections=1,
    )
    # Now in the cache, where the account finds it.
    _Protocol(config=config, adapter=_Adapter(link, context, timeout, most_bytes), timeout=timeout)
    try:
        return Account(
            primary_smtp_address=address,
            config=config,
            access_type=IMPERSONATION if section.access == "impersonation" else DELEGATE,
            default_timezone=EWS_UTC,
            locale="en_US",
        )
    finally:
        del Protocol[config]


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Around calls of exchangelib: turns what it raises into `GatewayError`; `TooMuch` is raised as it is."""
    try:
        yield
    except (errors.EWSError, OAuth2Error, SpnegoError, requests.RequestException, OSError) as error:
        if _is_caused_by(error, TooMuch):
            raise TooMuch("answer too long") from error
        raise as_gateway_error(error) from error
    except (AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        # Neither exchangelib nor what it uses checks that what is looked for in an answer is there.
        raise GatewayError("malformed", f"Exchange's answer cannot be understood: {type(error).__name__}") from error


def as_gateway_error(error: Exception) -> GatewayError:
    """What an exception of exchangelib, or of what it uses, means."""
    # Its text may hold addresses; its type does not.
    name = type(error).__name__
    if isinstance(error, _THROTTLED):
        return GatewayError("throttled", f"Exchange: {name}", getattr(error, "back_off", None) or None)
    if isinstance(error, _UNREACHABLE):
        return GatewayError("unreachable", f"Exchange: {name}")
    if isinstance(error, (*_CREDENTIALS, PermissionError)):
        return GatewayError("credentials", f"Exchange refused the login: {name}")
    if isinstance(error, OAuth2Error) and not isinstance(error, MissingTokenError):
        return GatewayError("credentials", f"no access token was issued: {name}")
    if isinstance(error, (requests.RequestException, OSError)) or _is_caused_by(error, requests.RequestException):
        cause = error.__context__ if isinstance(error, errors.TransportError) else None
        return GatewayError("unreachable", f"Exchange cannot be reached: {type(cause or error).__name__}")
    if isinstance(error, errors.ResponseMessageError):
        return GatewayError("refused", f"Exchange refused: {name}")
    return GatewayError("malformed", f"Exchange's answer cannot be understood: {name}")


def _by_status(response: requests.Response) -> GatewayError:
    status = response.status_code
    text = f"Exchange answered with HTTP {status}"
    wait = _retry_after(response)
    if status == 429 or (status == 503 and wait is not None):
        return GatewayError("throttled", text, wait)
    if status == 401:
        return GatewayError("credentials", text)
    if status == 408 or status >= 500:
        return GatewayError("unreachable", text)
    if status >= 300:
        return GatewayError("refused", text)
    return GatewayError("malformed", text)


def _check_token(response: requests.Response) -> requests.Response:
    if response.status_code == 429 or response.status_code >= 500:
        raise _by_status(response)
    return response


def _retry_after(response: requests.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds()) if until.tzinfo else None


def _is_caused_by(error: BaseException, kind: type[Exception]) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return True
        seen = seen.__context__
    return False
