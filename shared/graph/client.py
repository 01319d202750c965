"""Microsoft Graph for an application (OAuth 2.0 client credentials by msal)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import msal  # type: ignore[import-untyped]

from shared.graph.credential import AppCredential
from shared.graph.errors import GraphError, error_of
from shared.graph.wire import JSON_BYTES, Reply, Wire

_LATER = frozenset({"temporarily_unavailable", "server_error"})


@dataclass(frozen=True, slots=True)
class Application:
    """The application that asks. `endpoint`: of Graph, with its version. `authority`: where tokens come from, without the tenant."""

    tenant: str
    client_id: str
    endpoint: str = "https://graph.microsoft.com/v1.0"
    authority: str = "https://login.microsoftonline.com"


class GraphClient:
    """Calls with a token that is had when needed. One thread at a time; `close` from any."""

    def __init__(self, application: Application, credential: Callable[[], AppCredential], timeout: float = 30.0, ca_file: str = "") -> None:
        """`credential`: asked before every call, so that a changed one works at once; may raise. `timeout`: seconds without progress.

        `ca_file`: certificates to trust, PEM; empty: the system's.
        """
        self._application = application
        self._credential = credential
        self._endpoint = httpx.URL(application.endpoint.rstrip("/"))
        self._wire = Wire(timeout, ca_file)
        self._used: AppCredential | None = None
        self._msal: Any = None

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._wire.is_closed

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        message: Mapping[str, Any] | None = None,
        most: int = JSON_BYTES,
    ) -> Reply:
        """The answer to a call; any but 2xx raises `GraphError`.

        `url`: a path under the endpoint, or a link that Graph gave. `message`: sent as JSON. `most`: bytes that are read of the answer.
        """
        address = self.check_link(f"{self._endpoint}{url}" if url.startswith("/") else url)
        own = {"Accept": "application/json", **(headers or {})}
        if message is not None:
            content = json.dumps(message).encode()
            own["Content-Type"] = "application/json"
        reply = self._ask(method, address, own, content, most)
        if reply.status == 401:
            # A token may be withdrawn before it ends: one more try with a fresh one tells whether it is the credential.
            self._msal = None
            reply = self._ask(method, address, own, content, most)
        if not 200 <= reply.status < 300:
            raise error_of(reply.status, reply.headers, reply.json_or_none())
        return reply

    def check_link(self, link: str) -> httpx.URL:
        """The address of a link that Graph gave. Raises `GraphError` (malformed) where it leads elsewhere: it would be given our token."""
        try:
            address = httpx.URL(link)
        except (httpx.InvalidURL, ValueError) as error:
            raise GraphError("malformed", "a link that is no URL") from error
        if not _same_origin(address, self._endpoint) or not address.path.startswith(self._endpoint.path.rstrip("/") + "/"):
            raise GraphError("malformed", "a link that leads away from the endpoint")
        return address

    def close(self) -> None:
        """Break off whatever runs and let go of the connections."""
        self._wire.close()

    def _ask(self, method: str, address: httpx.URL, headers: Mapping[str, str], content: bytes | None, most: int) -> Reply:
        authorised = {**headers, "Authorization": f"Bearer {self._token()}"}
        return self._wire.exchange(method, address, headers=authorised, content=content, most=most)

    def _token(self) -> str:
        credential = self._credential()
        if self._msal is None or credential != self._used:
            self._msal = self._authority(credential)
            self._used = credential
        scope = f"{self._endpoint.copy_with(path='/')}.default"
        try:
            answer = self._msal.acquire_token_for_client([scope])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GraphError("malformed", f"the authority's answer cannot be used: {type(error).__name__}") from error
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if isinstance(token, str) and token.isascii() and token.isprintable():
            return token
        raise _token_refused(answer)

    def _authority(self, credential: AppCredential) -> Any:
        application = self._application
        try:
            return msal.ConfidentialClientApplication(
                application.client_id,
                client_credential=credential.for_msal,
                authority=f"{application.authority.rstrip('/')}/{quote(application.tenant, safe='')}",
                # Otherwise an authority of one's own would be looked up at Microsoft's first.
                instance_discovery=False,
                azure_region=False,
                http_client=_AuthorityHttp(self._wire, httpx.URL(application.authority)),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GraphError("malformed", f"the authority cannot be used: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class _AuthorityReply:
    """An answer as msal reads it."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise GraphError("unreachable", f"the authority answered HTTP {self.status_code}", status=self.status_code)


class _AuthorityHttp:
    """msal's way to the authority, over our own wire: the same trust, time-outs and end; and the secret goes to no other host."""

    def __init__(self, wire: Wire, authority: httpx.URL) -> None:
        self._wire = wire
        self._authority = authority

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: object
    ) -> _AuthorityReply:
        reply = self._exchange("GET", url, params, headers, None)
        if reply.status_code != 200:
            raise GraphError("refused", f"the authority does not know the tenant: HTTP {reply.status_code}", status=reply.status_code)
        return reply

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> _AuthorityReply:
        form = {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in (data or {}).items()}
        return self._exchange("POST", url, params, headers, form)

    def close(self) -> None:
        """The wire is closed by its owner."""

    def _exchange(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
    ) -> _AuthorityReply:
        address = httpx.URL(url)
        if params:
            address = address.copy_merge_params(dict(params))
        if not _same_origin(address, self._authority):
            raise GraphError("malformed", "the authority names an endpoint of another host")
        reply = self._wire.exchange(method, address, headers=headers or {}, form=form)
        if reply.status == 429 or reply.status >= 500:
            raise error_of(reply.status, reply.headers, None)
        reply.json()  # msal would log what it cannot read.
        return _AuthorityReply(reply.status, reply.body.decode("utf-8", "replace"), reply.headers)


def _same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port, one.userinfo) == ("https", other.host, other.port, b"")


def _token_refused(answer: Any) -> GraphError:
    error = answer.get("error") if isinstance(answer, dict) else None
    numbers = answer.get("error_codes") if isinstance(answer, dict) else None
    if not isinstance(error, str):
        return GraphError("malformed", "the authority gave neither a token nor an error")
    known = error if error.isascii() and error.replace("_", "").isalnum() and len(error) < 60 else "error"
    named = " ".join(f"AADSTS{number}" for number in numbers[:3] if isinstance(number, int)) if isinstance(numbers, list) else ""
    return GraphError("unreachable" if known in _LATER else "credentials", f"no token: {known} {named}".rstrip(), code=known)
