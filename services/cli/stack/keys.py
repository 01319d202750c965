"""The key that signs access tokens on this machine, and the short tokens with which the command line acts."""

import secrets
from datetime import timedelta
from pathlib import Path

from services.cli.stack.secret_file import write_private

LIFETIME = timedelta(minutes=5)
SWITCHBOARD, WEB_FORM = "switchboard", "web-form"
LINK_KEYS = "link-keys"
"""The file with the keys of customers' links, beside the signing key."""
SAMPLE_CREDENTIALS = (SWITCHBOARD, WEB_FORM)
"""As `config/housing.yaml` names them."""


def ensure_key(path: Path) -> Path:
    """The file with the Ed25519 private key (PEM, PKCS#8), made at the first call, readable by its owner only."""
    if not path.exists():
        from shared.web.tokens import new_signing_key

        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, new_signing_key())
    return path


def prepare(signing_key: Path) -> None:
    """The signing key, and beside it the key of customers' links and what the sample organisation has no supplier for.

    Each is made at the first call.
    """
    ensure_key(signing_key)
    link_keys = signing_key.parent / LINK_KEYS
    if not link_keys.exists():
        write_private(link_keys, secrets.token_hex(32).encode())
    for name in SAMPLE_CREDENTIALS:
        path = signing_key.parent / "credentials" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, secrets.token_hex(32).encode())


def machine_token(path: Path, *permissions: str) -> str:
    """A short token for the command line itself, with these permissions."""
    from shared.clock import utc_now
    from shared.web.tokens import TokenSigner

    return TokenSigner(path.read_bytes()).machine_token("casestream-cli", permissions, utc_now(), LIFETIME)
