"""SQL on what staff chose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import orjson

from services.notify.domain.preferences import DigestTimes, How, Preferences, Quiet
from shared.storage import Transaction, arrays

_COLUMNS = "username, choices, quiet, digest, zone"


def of(tx: Transaction, users: Collection[str]) -> dict[str, Preferences]:
    """What these users chose; those who never did are not in it."""
    if not users:
        return {}
    rows = tx.rows(f"select {_COLUMNS} from preferences where username = any(%b)", (arrays.texts(sorted(users)),))
    return {row[0]: _preferences(*row[1:]) for row in rows}


def one(tx: Transaction, user: str) -> tuple[Preferences, int]:
    """What this user chose, with its revision; nothing, and 0, if they never did."""
    row = tx.row(f"select {_COLUMNS}, revision from preferences where username = %s for update", (user,))
    return (_preferences(*row[1:-1]), int(row[-1])) if row else (Preferences(), 0)


def save(tx: Transaction, user: str, chosen: Preferences, by: str, now: datetime) -> int:
    """Keep what this user chose; its new revision."""
    row = tx.row(
        """insert into preferences (username, choices, quiet, digest, zone, changed_at, changed_by)
           values (%s, %s::jsonb, %s::jsonb, %s::jsonb, %s, %s, %s)
           on conflict (username) do update set choices = excluded.choices, quiet = excluded.quiet, digest = excluded.digest,
               zone = excluded.zone, changed_at = excluded.changed_at, changed_by = excluded.changed_by,
               revision = preferences.revision + 1
           returning revision""",
        (user, _json(dict(chosen.choices)), _part(chosen.quiet), _part(chosen.digest), chosen.zone, now, by),
    )
    return int(row[0]) if row else 0


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _part(value: Quiet | DigestTimes | None) -> str | None:
    return None if value is None else _json(value._asdict())


def _preferences(choices: Mapping[str, str], quiet: Mapping[str, Any] | None, digest: Mapping[str, Any] | None, zone: str) -> Preferences:
    return Preferences(
        {group: How(how) for group, how in choices.items()},
        Quiet(quiet["begins"], quiet["until"], tuple(quiet["days"])) if quiet else None,
        DigestTimes(digest["every"], digest["at"]) if digest else None,
        zone,
    )
