"""Signing in and out with a local account, and browser sessions."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from services.desk import metrics
from services.desk.domain.throttle import FREE_TRIES_ADDRESS, FREE_TRIES_USER, after_failure, wait_left
from services.desk.handlers import passwords
from services.desk.storage import directory, sessions
from shared.clock import Clock, utc_now
from shared.observability import get_logger
from shared.storage import Database

_log = get_logger("sign-in")
_USER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class SignInRefused(Exception):
    """User and password do not belong together, or there is no such user: which of the two is nobody's business."""


class TooManyTries(Exception):
    """Wait before the next try; `wait` is how long."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


@dataclass(frozen=True, slots=True)
class SessionLife:
    """How long a session lives at most, and without being used."""

    longest: timedelta
    idle: timedelta


class SignIn:
    """Checks passwords, with throttling, and keeps browser sessions."""

    def __init__(self, database: Database, life: SessionLife, clock: Clock = utc_now) -> None:
        self._database = database
        self._life = life
        self._clock = clock

    def check(self, user: str, password: str, address: str) -> str:
        """The user's name as it is known, when the password is theirs. Raises `SignInRefused` or `TooManyTries`.

        A try is counted as failed before the password is looked at, so that parallel guesses cannot slip through, and
        no transaction is open while it is hashed.
        """
        user = user.strip().lower()
        # What cannot be a user is throttled together, and looked up like one that is not there.
        user = user if _USER.fullmatch(user) else ""
        tries = {f"user:{user}": FREE_TRIES_USER, f"address:{address[:64]}": FREE_TRIES_ADDRESS}
        now = self._clock()
        with self._database.transaction() as tx:
            known = sessions.lock_failures(tx, list(tries))
            wait = max((wait_left(known[who], free, now) for who, free in tries.items() if who in known), default=timedelta(0))
            if not wait:
                sessions.save_failures(tx, {who: after_failure(known.get(who), now) for who in tries})
            hashed = directory.password_hash(tx, user)
        if wait:
            metrics.SIGN_INS.labels("throttled").inc()
            raise TooManyTries(wait)
        if not passwords.is_password(password, hashed):
            metrics.SIGN_INS.labels("refused").inc()
            _log.info("sign-in refused")
            raise SignInRefused
        with self._database.transaction() as tx:
            sessions.forget_failures(tx, list(tries))
            if hashed is not None and passwords.should_rehash(hashed):
                directory.set_password_hash(tx, user, passwords.hash_password(password))
        metrics.SIGN_INS.labels("signed_in").inc()
        return user

    def open_session(self, user: str) -> str:
        """Begin a session; what it returns belongs into the browser's cookie and nowhere else."""
        secret = secrets.token_urlsafe(32)
        now = self._clock()
        with self._database.transaction() as tx:
            sessions.drop_old_sessions(tx, now - self._life.longest)
            sessions.open_session(tx, _digest(secret), user, now)
        return secret

    def session_user(self, secret: str, is_present: bool = True) -> str | None:
        """Whose session this is, if it has not ended. Unless somebody `is_present`, it goes on ageing."""
        now = self._clock()
        with self._database.transaction() as tx:
            return sessions.session_user(tx, _digest(secret), now - self._life.longest, now - self._life.idle, now if is_present else None)

    def close_session(self, secret: str) -> None:
        """End the session."""
        with self._database.transaction() as tx:
            sessions.close_session(tx, _digest(secret))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
