"""Who is calling: access tokens (JWT, RFC 9068, signed with EdDSA) checked against the published keys, and
permissions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import jwt
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from shared.observability import get_logger
from shared.web.permissions import PERMISSIONS, Grant, Scope, combined, grant_of
from shared.web.problems import Forbidden, Problem

AUDIENCE = "casestream"
LEEWAY_SECONDS = 30
"""How far the clocks of two hosts may differ."""
_REFRESH_SECONDS = 10
"""Least time between two fetches of the keys, so that forged key ids cannot make us hammer the issuer."""
_RETRY_SECONDS = 1
"""The same while there are no keys at all."""
_KEYS_LIFE_SECONDS = 3600
_VERIFIED_LIMIT = 2048
_log = get_logger("auth")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a member of staff, or a machine (`user` is then its name)."""

    user: str
    roles: tuple[str, ...]
    unit: str
    permissions: frozenset[str]
    scope: Scope
    machine: bool = False

    def may(self, permission: str) -> bool:
        """Whether this permission was granted; whose rows it reaches is `scope`'s matter."""
        return permission in self.permissions


class NotAuthentic(Exception):
    """The token does not prove who is calling; the text says why, without the token."""


class KeysUnavailable(Exception):
    """The keys cannot be fetched just now, so no token can be judged."""


Keys = Callable[[], dict[str, Any]]
"""Fetches the issuer's key set: a JWKS document as parsed JSON."""


def keys_at(url: str) -> Keys:
    """Keys fetched over HTTP."""

    def fetch() -> dict[str, Any]:
        response = httpx.get(url, timeout=5.0, trust_env=False)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    return fetch


class TokenVerifier:
    """Checks tokens. Keeps the keys for an hour, and fetches them again early when a token names one it does not know.

    Safe for use by many threads.
    """

    def __init__(self, keys: Keys, issuer: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = keys
        self._issuer = issuer
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = threading.Lock()
        self._verified: dict[str, tuple[float, Principal]] = {}

    def known(self, token: str) -> Principal | None:
        """Who holds a token that was checked within the last minute; at once, without asking anybody."""
        found = self._verified.get(token)
        return found[1] if found is not None and time.time() < found[0] else None

    def principal(self, token: str) -> Principal:
        """Who holds this token. Raises `NotAuthentic`, or `KeysUnavailable` when nobody could say."""
        now = time.time()
        if (known := self.known(token)) is not None:
            return known
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "EdDSA":
                raise NotAuthentic("the token is not signed with EdDSA")
            claims = jwt.decode(
                token,
                self._key(str(header.get("kid", ""))),
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise NotAuthentic(_reason(error)) from error
        principal = principal_of(claims)
        if len(self._verified) >= _VERIFIED_LIMIT:
            self._verified = {}
        # A verified token stays good until it expires; a key that is withdrawn is forgotten with the hourly refresh.
        self._verified[token] = (min(float(claims["exp"]), now + 60), principal)
        return principal

    def _key(self, kid: str) -> jwt.PyJWK:
        with self._lock:
            now = self._monotonic()
            wait = _REFRESH_SECONDS if self._keys else _RETRY_SECONDS
            wanted = kid not in self._keys or now - self._fetched_at > _KEYS_LIFE_SECONDS
            if wanted and now - self._tried_at > wait:
                self._tried_at = now
                self._refresh(now)
            if not self._keys:
                raise KeysUnavailable
            key = self._keys.get(kid)
        if key is None:
            raise NotAuthentic("the token's key is not among the issuer's")
        return key

    def _refresh(self, now: float) -> None:
        try:
            document = self._fetch()
            keys = {str(key["kid"]): jwt.PyJWK(key) for key in document["keys"] if key.get("crv") == "Ed25519"}
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
            # Keys we have still serve: an issuer that is away must not lock everybody out.
            _log.warning("the keys of access tokens cannot be fetched", error=type(error).__name__)
            return
        self._keys = keys
        self._fetched_at = now


def principal_of(claims: dict[str, Any]) -> Principal:
    """The caller that these verified claims describe. Raises `NotAuthentic` when they have not the right shape.

    A token of our own lists its permissions (`scope`) and its reach (`rows`). An organisation's identity provider may
    know only roles: then the standard roles say what they grant.
    """
    subject, roles = claims["sub"], claims.get("roles", [])
    if not isinstance(subject, str) or not isinstance(roles, list):
        raise NotAuthentic("the token's claims have not the shape of an access token")
    names = tuple(str(role) for role in roles)
    scope, rows = claims.get("scope"), claims.get("rows")
    if isinstance(scope, str):
        listed = frozenset(scope.split()) & PERMISSIONS.keys()
        grant = Grant(listed, rows if rows in ("own", "unit", "all") else "own")
    else:
        grant = combined(grant_of(role) for role in names)
    machine = claims.get("machine") is True
    return Principal(subject, names, str(claims.get("unit", "")), grant.permissions, grant.scope, machine)


def _reason(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.ExpiredSignatureError):
        return "the token has expired"
    if isinstance(error, jwt.InvalidAudienceError | jwt.InvalidIssuerError):
        return "the token was not issued for this service"
    return "the token is not valid"


# These two are coroutines so that they run at once: a change of thread costs more than all they do.
async def authenticated(request: Request) -> Principal:
    """The caller, from `Authorization: Bearer`; a dependency of every route that is not public."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _challenge("Send an access token: Authorization: Bearer ...", "")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        principal = verifier.known(token.strip())
        if principal is None:
            principal = await run_in_threadpool(verifier.principal, token.strip())
    except NotAuthentic as error:
        raise _challenge(f"This access token does not do: {error}.", 'error="invalid_token"') from error
    except KeysUnavailable as error:
        raise Problem(503, "The keys of access tokens cannot be read just now; try again shortly.", headers={"Retry-After": "5"}) from error
    request.state.principal = principal
    return principal


def _challenge(detail: str, parameters: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": f"Bearer {parameters}".strip()})


def requires(permission: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that lets only callers with this permission in, and gives the caller. Unknown permissions raise at
    once.
    """
    if permission not in PERMISSIONS:
        raise ValueError(f"no permission {permission!r} in the table")

    async def check(principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
        if not principal.may(permission):
            raise Forbidden(f"This needs the permission {permission}.")
        return principal

    check.permission = permission  # type: ignore[attr-defined]  # read by the contract test of the table
    return check
