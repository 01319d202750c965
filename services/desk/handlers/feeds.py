"""Feeds of closed days: read, and what changed of them made a version of the configuration, by which all reckon.

A feed that cannot be read, or says nothing, keeps the days it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.desk import metrics
from services.desk.domain.closed_days import NotRead, Said, kept, read_feed
from services.desk.domain.feed_text import days_of
from services.desk.handlers.configuration import publish_feed_days
from services.desk.storage import configurations, feeds
from services.desk.storage.feeds import FeedState
from shared.messaging import EventPublisher
from shared.observability import get_logger
from shared.storage import Transaction

SYSTEM = "system"
AT_ONCE = 8
"""Feeds that are fetched side by side."""
AGAIN = timedelta(hours=1)
"""After which a feed that could not be read is tried again, where that is sooner than its next turn."""

_log = get_logger("feeds")
Fetch = Callable[[str], bytes]
"""What is at an address. Raises `NotRead`."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed of a calendar, and what is known of it. `zone`: the calendar's."""

    calendar: str
    url: str
    only: tuple[str, ...]
    zone: str
    days: tuple[date, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.calendar, self.url

    def after(self, said: Said, now: datetime) -> tuple[date, ...]:
        """Its closed days once it was read."""
        return kept(self.days, said.days, now.astimezone(ZoneInfo(self.zone)).date())


@dataclass(frozen=True, slots=True)
class Read:
    """What became of reading a feed."""

    feed: Feed
    days: tuple[date, ...]
    """The closed days after it."""
    notes: tuple[str, ...] = ()
    problem: str = ""
    """Why it was not read; its days are as before."""

    @property
    def added(self) -> tuple[date, ...]:
        """Days that were open before."""
        return tuple(sorted(set(self.days) - set(self.feed.days)))

    @property
    def removed(self) -> tuple[date, ...]:
        """Days that were closed before."""
        return tuple(sorted(set(self.feed.days) - set(self.days)))


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The version in force after it, and whether it is a new one."""

    version: int
    is_new: bool
    reads: tuple[Read, ...]


class NoSuchFeed(Exception):
    """The feed that was named is none of the configuration; the message is for people."""


class Feeds:
    """The feeds of all calendars in force."""

    def __init__(self, publisher: EventPublisher, fetch: Fetch) -> None:
        self._publisher = publisher
        self._fetch = fetch

    def refresh(
        self, by: str, cause: UUID, now: datetime, *, publish: bool = True, handed: tuple[str, str, bytes] | None = None
    ) -> Refreshed:
        """Read every feed; or the one of this calendar and address, from content that was handed in. Without `publish` nothing is kept.

        The address may be empty where the calendar has a single feed. Raises `NoSuchFeed`.
        """
        with self._publisher.database.read() as tx:
            version, found = _configured(tx)
        if handed is None:
            return self._read(version, found, self._fetch, by, cause, now, publish)
        calendar, url, content = handed
        chosen = [feed for feed in found if feed.calendar == calendar and url in ("", feed.url)]
        if len(chosen) != 1:
            why = "has several feeds; say which by its address" if chosen else "has no such feed"
            raise NoSuchFeed(f"The calendar {calendar} {why}.")
        return self._read(version, chosen, lambda _: content, by, cause, now, publish)

    def refresh_due(self, every: timedelta, cause: UUID, now: datetime) -> Refreshed | None:
        """Read the feeds whose turn it is: new and changed ones at once, others so long after they were tried. None: it was nobody's.

        Of several processes that do so, each feed is read by one.
        """
        with self._publisher.database.read() as tx:
            version, found = _configured(tx)
            known = {(state.calendar, state.url): state for state in feeds.states(tx)}
        _show_times(found, known, now)
        gone = known.keys() - {feed.key for feed in found}
        due = [feed for feed in found if _is_due(feed, known.get(feed.key), every, now)]
        if not due and not gone:
            return None
        with self._publisher.database.transaction() as tx:
            for calendar, url in gone:
                feeds.forget(tx, calendar, url)
            mine = [feed for feed in due if feeds.claim(tx, *feed.key, feed.only, _tried(known.get(feed.key)), now)]
        return self._read(version, mine, self._fetch, SYSTEM, cause, now, publish=True) if mine else None

    def states(self) -> list[tuple[Feed, FeedState | None]]:
        """Every feed in force, and how it went with it."""
        with self._publisher.database.read() as tx:
            found = _configured(tx)[1]
            known = {(state.calendar, state.url): state for state in feeds.states(tx)}
        return [(feed, known.get(feed.key)) for feed in found]

    def _read(self, version: int, found: list[Feed], fetch: Fetch, by: str, cause: UUID, now: datetime, publish: bool) -> Refreshed:
        urls = list(dict.fromkeys(feed.url for feed in found))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            contents = dict(zip(urls, pool.map(lambda url: _fetched(fetch, url), urls), strict=True))
        reads, said = [], {}
        for feed in found:
            try:
                what = _understood(contents[feed.url], feed, now)
            except NotRead as error:
                reads.append(Read(feed, feed.days, problem=str(error)))
            else:
                said[feed.key] = (feed.only, what)
                reads.append(Read(feed, feed.after(what, now), what.notes))
        if not publish:
            return Refreshed(version, False, tuple(reads))

        def days(tx: Transaction) -> Mapping[tuple[str, str], tuple[date, ...]]:
            # Of the version that is in force by then.
            return {
                feed.key: feed.after(said[feed.key][1], now)
                for feed in _configured(tx)[1]
                if feed.key in said and said[feed.key][0] == feed.only
            }

        applied = publish_feed_days(self._publisher, days, by, cause, now) if said else None
        with self._publisher.database.transaction() as tx:
            for read in reads:
                self._keep(tx, read, now)
        return Refreshed(applied.version.version if applied else version, bool(applied and applied.is_new), tuple(reads))

    def _keep(self, tx: Transaction, read: Read, now: datetime) -> None:
        feed, read_at = read.feed, None if read.problem else now
        feeds.save(tx, FeedState(feed.calendar, feed.url, feed.only, now, now, read_at, read.problem, read.notes))
        metrics.CALENDAR_FEEDS.labels("failed" if read.problem else "read").inc()
        # Not the address: whoever knows a private one can read all of the calendar.
        if read.problem:
            _log.warning("feed of closed days not read; it keeps the days it had", calendar=feed.calendar, reason=read.problem)
        elif read.added or read.removed:
            _log.info("closed days of a feed changed", calendar=feed.calendar, added=len(read.added), removed=len(read.removed))


def _configured(tx: Transaction) -> tuple[int, list[Feed]]:
    """The version in force, 0 before the first, and the feeds of its calendars."""
    found = configurations.document(tx)
    return (found[0], list(_feeds_of(found[1]))) if found else (0, [])


def _feeds_of(document: Mapping[str, Any]) -> Iterator[Feed]:
    days = days_of(document)
    for calendar in document.get("calendars", ()):
        for feed in calendar.get("feeds", ()):
            key = (calendar["code"], feed["url"])
            yield Feed(*key, tuple(feed.get("only", ())), calendar["time_zone"], days[key])


def _fetched(fetch: Fetch, url: str) -> bytes | NotRead:
    """What is there, or why nothing is, which its calendars are told one by one."""
    try:
        return fetch(url)
    except NotRead as error:
        return error


def _understood(content: bytes | NotRead, feed: Feed, now: datetime) -> Said:
    if isinstance(content, NotRead):
        raise content
    return read_feed(content, feed.only, now.astimezone(ZoneInfo(feed.zone)).date())


def _is_due(feed: Feed, state: FeedState | None, every: timedelta, now: datetime) -> bool:
    if state is None or state.only != feed.only:
        return True
    if not state.problem and not feed.days:  # it was taken out and put back: what it said went with it
        return True
    return now - state.tried_at >= (min(every, AGAIN) if state.problem else every)


def _tried(state: FeedState | None) -> datetime | None:
    return None if state is None else state.tried_at


def _show_times(found: list[Feed], known: Mapping[tuple[str, str], FeedState], now: datetime) -> None:
    """Tell when each calendar's feeds were read, by the one for which that is longest ago."""
    oldest: dict[str, datetime] = {}
    for feed in found:
        state = known.get(feed.key)
        since = (state.read_at or state.known_since) if state else now
        oldest[feed.calendar] = min(oldest.get(feed.calendar, since), since)
    metrics.CALENDAR_FEED_READ.clear()
    for calendar, since in oldest.items():
        metrics.CALENDAR_FEED_READ.labels(calendar).set(since.timestamp())
