"""Passwords of local accounts: argon2id, in its recommended strength."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
MAX_LENGTH = 200
"""Of a password; hashing a longer one would only cost time."""


def hash_password(password: str) -> str:
    """A hash to keep instead of the password."""
    return _hasher.hash(password)


def is_password(password: str, hashed: str | None) -> bool:
    """Whether this is the password. Without a hash it takes as long as with one, so that time tells nobody who exists."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        return _hasher.verify(hashed or _nobodys_hash(), password) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def should_rehash(hashed: str) -> bool:
    """Whether the hash is weaker than the ones that are made today."""
    return _hasher.check_needs_rehash(hashed)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("the password of nobody")
