"""Issuing access tokens (RFC 9068). Whoever holds the private key can: the desk, and the platform for its own
machines.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.web.auth import AUDIENCE
from shared.web.permissions import Grant, unknown_permissions


def new_signing_key() -> bytes:
    """A fresh Ed25519 private key as PEM (PKCS 8). Keep it in a file that only its owner can read."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class TokenSigner:
    """Signs tokens with one key. Raises ValueError when `pem` holds no Ed25519 private key."""

    def __init__(self, pem: bytes, issuer: str = "casestream") -> None:
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the signing key is not an Ed25519 private key")  # noqa: TRY004 - the content of a file, not a type
        self._key = key
        self._issuer = issuer
        self._public = _base64url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        # RFC 7638: the thumbprint of the key's required members in alphabetical order.
        thumbprint = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{self._public}"}}'.encode()).digest()
        self.key_id = _base64url(thumbprint)

    def jwks(self) -> dict[str, Any]:
        """The public key as a JWKS document."""
        key = {"kty": "OKP", "crv": "Ed25519", "x": self._public, "kid": self.key_id, "use": "sig", "alg": "EdDSA"}
        return {"keys": [key]}

    def user_token(self, user: str, roles: Iterable[str], unit: str, grant: Grant, now: datetime, life: timedelta) -> str:
        """A token for a member of staff."""
        claims = {"roles": list(roles), "unit": unit, "rows": grant.scope}
        return self._token(user, grant.permissions, now, life, claims)

    def machine_token(self, name: str, permissions: Iterable[str], now: datetime, life: timedelta) -> str:
        """A token for a program, with the scopes given and nothing else; it reaches all rows."""
        return self._token(name, permissions, now, life, {"machine": True, "rows": "all"})

    def _token(self, subject: str, permissions: Iterable[str], now: datetime, life: timedelta, more: dict[str, Any]) -> str:
        scope = sorted(set(permissions))
        if unknown := unknown_permissions(scope):
            raise ValueError(f"no such permission: {', '.join(unknown)}")
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + life,
            "jti": uuid4().hex,
            "client_id": "casestream",
            "scope": " ".join(scope),
        }
        return jwt.encode(claims | more, self._key, algorithm="EdDSA", headers={"kid": self.key_id, "typ": "at+jwt"})


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
