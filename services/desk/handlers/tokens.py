"""Access tokens for staff: what their roles grant under the configuration in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.desk.domain.directory import Member
from services.desk.storage import configurations, directory
from shared.clock import Clock, utc_now
from shared.storage import Database
from shared.web.permissions import Grant, combined, grant_of
from shared.web.tokens import TokenSigner


class UnknownUser(Exception):
    """There is no such active member of staff."""


@dataclass(frozen=True, slots=True)
class UserToken:
    """A token, until when it is good, and whom it is for."""

    token: str
    expires_at: datetime
    member: Member
    grant: Grant


class TokenIssuer:
    """Issues tokens to members of staff. Safe for use by many threads."""

    def __init__(self, database: Database, signer: TokenSigner, life: timedelta, clock: Clock = utc_now) -> None:
        self._database = database
        self._signer = signer
        self._life = life
        self._clock = clock
        self._roles: tuple[int, dict[str, Grant]] = (0, {})

    def jwks(self) -> dict[str, Any]:
        """The public keys that tokens are checked by."""
        return self._signer.jwks()

    def issue(self, user: str) -> UserToken:
        """A token for this user with what their roles grant now. Raises `UnknownUser`."""
        with self._database.read() as tx:
            member = directory.member(tx, user)
            version = configurations.newest(tx)
            if version is not None and version.version != self._roles[0]:
                found = configurations.document(tx, version.version)
                self._roles = (version.version, _grants(found[1] if found else {}))
        if member is None or not member.active:
            raise UnknownUser(user)
        grants = self._roles[1]
        grant = combined(grants[role] for role in member.roles if role in grants)
        now = self._clock()
        token = self._signer.user_token(member.user, member.roles, member.unit, grant, now, self._life)
        return UserToken(token, now + self._life, member, grant)


def _grants(document: dict[str, Any]) -> dict[str, Grant]:
    return {role["code"]: grant_of(role["code"], role["permissions"], role["scope"]) for role in document.get("roles", ())}
