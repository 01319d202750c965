"""What an application proves itself with: a secret, or a certificate with its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from shared.graph.errors import GraphError


@dataclass(frozen=True, slots=True)
class AppCredential:
    """A credential as msal takes it, and when it ends, where that is known."""

    for_msal: str | dict[str, str] = field(repr=False)
    ends: datetime | None


def client_secret(text: str, ends: date | None = None) -> AppCredential:
    """A client's secret. `ends`: as the portal shows it; taken as the beginning of that day, which is the earliest that can be meant."""
    return AppCredential(text, datetime(ends.year, ends.month, ends.day, tzinfo=UTC) if ends else None)


def certificate(pem: str) -> AppCredential:
    """The certificate in `pem` that belongs to the RSA key in `pem`; others, like the issuer's, are passed over. Raises `GraphError`.

    msal computes the thumbprint (SHA-256) from the certificate that it is given.
    """
    content = pem.encode()
    try:
        key = serialization.load_pem_private_key(content, password=None)
        certificates = x509.load_pem_x509_certificates(content)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Without the cause: its text may quote the key.
        raise GraphError("credentials", f"no certificate with an open private key in PEM: {type(error).__name__}") from None
    if not isinstance(key, RSAPrivateKey):
        raise GraphError("credentials", "the certificate's key is not an RSA key")
    public = key.public_key()
    own = next((one for one in certificates if one.public_key() == public), None)
    if own is None:
        raise GraphError("credentials", "no certificate belongs to the private key beside it")
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    shown = own.public_bytes(serialization.Encoding.PEM).decode()
    return AppCredential({"private_key": private, "public_certificate": shown}, own.not_valid_after_utc)


class KeptCredential:
    """Reads the credential whenever it is called, and takes it apart again only when it has changed."""

    def __init__(self, kind: Literal["secret", "certificate"], read: Callable[[], str], ends: date | None = None) -> None:
        """`ends`: of a secret; a certificate tells by itself."""
        self._kind = kind
        self._read = read
        self._ends = ends
        self._last: tuple[str, AppCredential] | None = None

    def __call__(self) -> AppCredential:
        """The credential as it is now. Raises `GraphError`, and what reading raises."""
        text = self._read()
        if self._last is None or self._last[0] != text:
            self._last = text, client_secret(text, self._ends) if self._kind == "secret" else certificate(text)
        return self._last[1]
