"""Browser sessions and failed sign-ins."""

from __future__ import annotations

from datetime import datetime

from services.desk.domain.throttle import Failures
from shared.storage import Transaction


def open_session(tx: Transaction, digest: bytes, user: str, now: datetime) -> None:
    """Remember a session by the digest of its cookie."""
    tx.execute('insert into sessions (digest, "user", created_at, seen_at) values (%s, %s, %s, %s)', (digest, user, now, now))


def session_user(tx: Transaction, digest: bytes, created_after: datetime, seen_after: datetime, seen_at: datetime | None) -> str | None:
    """Whose session it is, when it has not ended and its user is active; it counts as seen at `seen_at`, if given."""
    row = tx.row(
        """update sessions set seen_at = coalesce(%s, seen_at) from staff
           where digest = %s and created_at > %s and seen_at > %s and staff."user" = sessions."user" and staff.active
           returning sessions."user\"""",
        (seen_at, digest, created_after, seen_after),
    )
    return None if row is None else row[0]


def close_session(tx: Transaction, digest: bytes) -> None:
    """End a session."""
    tx.execute("delete from sessions where digest = %s", (digest,))


def drop_old_sessions(tx: Transaction, created_before: datetime) -> None:
    """Forget sessions that have ended by their age."""
    tx.execute("delete from sessions where created_at < %s", (created_before,))


def lock_failures(tx: Transaction, who: list[str]) -> dict[str, Failures]:
    """The failures of these, locked in sorted order so that parallel guesses count one by one."""
    tx.execute(
        "insert into sign_in_failures (who, count, last_at) select w, 0, '-infinity' from unnest(%s::text[]) as t(w) order by w"
        " on conflict (who) do nothing",
        (sorted(who),),
    )
    rows = tx.rows("select who, count, last_at from sign_in_failures where who = any(%s) and count > 0 order by who for update", (who,))
    return {row[0]: Failures(row[1], row[2]) for row in rows}


def save_failures(tx: Transaction, failures: dict[str, Failures]) -> None:
    """Write how often each of these failed."""
    tx.execute(
        """insert into sign_in_failures (who, count, last_at)
           select w, count, last_at from unnest(%s::text[], %s::int[], %s::timestamptz[]) as t(w, count, last_at) order
           by w
           on conflict (who) do update set count = excluded.count, last_at = excluded.last_at""",
        (list(failures), [f.count for f in failures.values()], [f.last_at for f in failures.values()]),
    )


def forget_failures(tx: Transaction, who: list[str]) -> None:
    """Begin to count anew for these."""
    tx.execute("delete from sign_in_failures where who = any(%s)", (who,))
