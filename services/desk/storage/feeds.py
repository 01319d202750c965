"""Feeds of closed days: when each was tried and read. What they said is in the configuration's versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class FeedState:
    """How it went with the feed of a calendar. `only`: the texts that its events had to hold when it was last tried."""

    calendar: str
    url: str
    only: tuple[str, ...]
    known_since: datetime
    tried_at: datetime
    read_at: datetime | None
    problem: str
    """Why it was not read when it was last tried; empty: it was."""
    notes: tuple[str, ...]


_COLUMNS = "calendar, url, only_with, known_since, tried_at, read_at, problem, notes"


def states(tx: Transaction) -> list[FeedState]:
    """All of them."""
    rows = tx.rows(f"select {_COLUMNS} from calendar_feeds order by calendar, url")
    return [FeedState(row[0], row[1], tuple(row[2]), row[3], row[4], row[5], row[6], tuple(row[7])) for row in rows]


def claim(tx: Transaction, calendar: str, url: str, only: Sequence[str], seen: datetime | None, now: datetime) -> bool:
    """Take the reading of a feed upon oneself: whether nobody else did since it was last tried at `seen` (None: never)."""
    row = tx.row(
        "insert into calendar_feeds (calendar, url, only_with, known_since, tried_at, problem, notes)"
        " values (%s, %s, %s, %s, %s, 'it is being read', '{}') on conflict (calendar, url) do update"
        " set tried_at = excluded.tried_at, problem = excluded.problem, notes = '{}', only_with = excluded.only_with"
        " where calendar_feeds.tried_at = %s::timestamptz returning 1",
        (calendar, url, list(only), now, now, seen),
    )
    return row is not None


def save(tx: Transaction, state: FeedState) -> None:
    """Keep how it went. `known_since` is as it was, if it was known; so is `read_at`, if it was not read now."""
    tx.execute(
        f"insert into calendar_feeds ({_COLUMNS}) values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (calendar, url) do update"
        " set only_with = excluded.only_with, tried_at = excluded.tried_at, read_at = coalesce(excluded.read_at, calendar_feeds.read_at),"
        " problem = excluded.problem, notes = excluded.notes",
        (
            state.calendar,
            state.url,
            list(state.only),
            state.known_since,
            state.tried_at,
            state.read_at,
            state.problem,
            list(state.notes),
        ),
    )


def forget(tx: Transaction, calendar: str, url: str) -> None:
    """Let go of one that is in no calendar any more."""
    tx.execute("delete from calendar_feeds where calendar = %s and url = %s", (calendar, url))
