"""The key that signs access tokens on this machine, and the short tokens with which the command line acts."""

from datetime import timedelta
from pathlib import Path

from services.cli.stack.secret_file import write_private

LIFETIME = timedelta(minutes=5)


def ensure_key(path: Path) -> Path:
    """The file with the Ed25519 private key (PEM, PKCS#8), made at the first call, readable by its owner only."""
    if not path.exists():
        from shared.web.tokens import new_signing_key

        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, new_signing_key())
    return path


def machine_token(path: Path, *permissions: str) -> str:
    """A short token for the command line itself, with these permissions."""
    from shared.clock import utc_now
    from shared.web.tokens import TokenSigner

    return TokenSigner(path.read_bytes()).machine_token("casestream-cli", permissions, utc_now(), LIFETIME)
