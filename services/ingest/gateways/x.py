"""Mentions of a handle on X (COM-4), read by tweepy from X's API v2.

X gives the newest first, page by page, and takes money for each post it gives. The pages are read back to the last post that was taken, and
only then that mark moves on. Each page is given on before the next one is read, its own posts the oldest first. The cursor:

- `since_id`: all up to this post are taken;
- `newest`: on the way back, the newest post that was met: the next `since_id`;
- `next`: on the way back, X's token of the page to go on with; `until`: the oldest post met so far, for when X has forgotten the token;
- `after`: of that page, the posts up to this one are taken;
- `day` (UTC), `reads`: posts read on that day.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import requests
import tweepy  # type: ignore[import-untyped]

from services.ingest.domain.posts import Post, PostFile
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.source import Batch, Cursor, GatewayError
from services.ingest.gateways.x_json import Medium, NotAPage, PageRead, PostRead, read_page
from shared.clock import Clock, utc_now
from shared.fetching import Downloads, GuardedHttps, Unavailable
from shared.schemas.configuration.channels import XAccount

MEDIA_HOSTS = frozenset({"pbs.twimg.com", "video.twimg.com"})
LARGEST_IMAGE = 15 * 1024 * 1024
LARGEST_CLIP = 64 * 1024 * 1024
ENOUGH_BYTES = 64 * 1024 * 1024
"""With so many bytes of files a batch ends. X allows four media a post, so one is at most this and four clips."""
LARGEST_PAGE = 32 * 1024 * 1024
FEWEST, MOST = 5, 100
"""Posts that X lets one ask for at once."""
MOST_PAGES = 10
"""Pages read in one fetch: X may give pages without a post, which cost nothing."""
PATIENCE = timedelta(hours=1)
FEWEST_TRIES = 5
"""After so long and so many tries a medium is given up: the posts behind it must not wait for ever."""

_TWEEPYS_HOST = "https://api.twitter.com"
_FIELDS = {
    "expansions": ["author_id", "attachments.media_keys", "referenced_tweets.id", "referenced_tweets.id.author_id"],
    "tweet_fields": ["created_at", "conversation_id", "note_tweet", "lang", "entities"],
    "media_fields": ["url", "type", "variants", "preview_image_url", "alt_text"],
    "user_fields": ["username", "name"],
}

# At DEBUG it writes the bearer token and whole answers.
logging.getLogger("tweepy").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the reading stands; see the cursor. 0 and empty: not there."""

    since: int = 0
    newest: int = 0
    token: str = ""
    until: int = 0
    after: int = 0

    @classmethod
    def of(cls, cursor: Cursor) -> _Place:
        """Raises `GatewayError`."""
        try:
            since, newest, until, after = [int(cursor.get(key, "0")) for key in ("since_id", "newest", "until", "after")]
        except (TypeError, ValueError) as error:
            raise GatewayError("malformed", "the cursor of an X account cannot be read") from error
        return cls(since, newest, str(cursor.get("next", "")), until, after)

    def cursor(self) -> dict[str, Any]:
        given = {"since_id": self.since, "newest": self.newest, "until": self.until, "after": self.after}
        return {key: str(number) for key, number in given.items() if number} | ({"next": self.token} if self.token else {})


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that was read at `place`. Kept until the cursor is past it: what is paid for is not read again for a repeated fetch."""

    place: _Place
    posts: Sequence[PostRead]
    """Those that can be read, the oldest first."""
    unreadable: Sequence[PostRead]
    newest: int
    token: str

    def begins_at(self, place: _Place) -> bool:
        return (self.place.since, self.place.token, self.place.until) == (place.since, place.token, place.until)

    def following(self, place: _Place) -> _Place:
        """Where to go on when all of it is taken."""
        newest = max(place.newest, place.since, self.newest)
        if not self.token:
            return _Place(since=newest)
        return _Place(place.since, newest, self.token, self.posts[0].number if self.posts else place.until)


class XSource:
    """The mentions of one handle. A `Source` of posts; there is nothing to acknowledge at X.

    One page (at most a hundred posts) is kept in memory, and the files of one batch.
    """

    def __init__(
        self,
        account: XAccount,
        credentials: Credentials,
        *,
        timeout: float = 30.0,
        ca_file: str = "",
        media_hosts: frozenset[str] = MEDIA_HOSTS,
        private_hosts: frozenset[str] = frozenset(),
        clock: Clock = utc_now,
    ) -> None:
        """`timeout`: seconds for an answer of X; see `Downloads` for the hosts. `ca_file`: authorities (PEM) in place of the usual ones."""
        self._account = account
        self._credentials = credentials
        self._timeout = timeout
        self._clock = clock
        self._https = GuardedHttps(_Session(account.endpoint.rstrip("/"), timeout), ca_file)
        self._https.speak("https://", LARGEST_PAGE)
        self._downloads = Downloads(media_hosts, private_hosts=private_hosts, timeout=timeout, ca_file=ca_file)
        self._page: _Page | None = None
        self._day: date | None = None
        self._reads = 0
        self._failing: dict[str, tuple[datetime, int]] = {}

    @property
    def reads_left(self) -> int:
        """Posts that may still be read today (UTC), as far as this source knows."""
        reads = self._reads if self._day == self._clock().date() else 0
        return max(0, self._account.reads_per_day - reads)

    def fetch(self, cursor: Cursor, most: int) -> Batch[Post]:
        """The next posts, those that cannot be read among them. Empty too when the day's reads are used up.

        X gives no fewer than five posts: of fewer the rest is given by the next fetch. The cursor may move on without a post.
        """
        place = _Place.of(cursor)
        self._remember_reads(cursor)
        for _ in range(MOST_PAGES):
            page = self._page if self._page is not None and self._page.begins_at(place) else self._read(place, most)
            if page is None:
                return Batch((), self._cursor(place))
            waiting = [post for post in page.posts if post.number > place.after]
            if waiting or page.unreadable:
                return self._batch(page, place, waiting, most)
            place = page.following(place)
            if not page.token:
                return Batch((), self._cursor(place))
        return Batch((), self._cursor(place), is_more=True)

    def acknowledge(self, batch: Batch[Post]) -> None:
        """X keeps no marks: the cursor says it all."""

    def wait(self, seconds: float) -> None:
        """X tells nobody when something comes."""
        self._https.closed.wait(seconds)

    def close(self) -> None:
        """End what is under way; whoever fetches then gets a `GatewayError`."""
        self._https.close()
        self._downloads.close()

    def _remember_reads(self, cursor: Cursor) -> None:
        """Count on from the cursor, or from our own count if a fetch that paid gave no batch."""
        today = self._clock().date()
        if self._day != today:
            self._day, self._reads = today, 0
        reads = cursor.get("reads", 0)
        if cursor.get("day") == today.isoformat() and isinstance(reads, int):
            self._reads = max(self._reads, reads)

    def _cursor(self, place: _Place) -> Cursor:
        counted = {"day": self._day.isoformat(), "reads": self._reads} if self._day is not None and self._reads else {}
        return place.cursor() | counted

    def _read(self, place: _Place, most: int) -> _Page | None:
        """The page at `place`, from X; None: nothing may be read today any more."""
        # A post may refer to two others, which X gives and counts too. The last pages of a day may exceed it by those.
        left = self.reads_left
        if left < min(FEWEST, self._account.reads_per_day):
            return None
        read = self._ask(place, max(FEWEST, min(most, MOST, left // 3)))
        self._reads += read.paid
        if read.next_token and read.next_token == place.token:
            raise GatewayError("malformed", "X gives the same page again and again")
        posts = sorted([post for post in read.posts if post.number > place.since], key=lambda post: post.number)
        page = _Page(place, posts, [post for post in read.posts if not post.number], read.newest, read.next_token)
        # A page that leads nowhere else, as an empty one does, is not to be seen again.
        self._page, self._failing = None if page.begins_at(page.following(place)) else page, {}
        return page

    def _ask(self, place: _Place, count: int) -> PageRead:
        session = self._https.session
        assert isinstance(session, _Session)  # noqa: S101 - made so above
        client = tweepy.Client(self._token(), return_type=dict, wait_on_rate_limit=False)
        client.session.close()
        client.session = session
        until = None if place.token else place.until or None
        asked = {"since_id": place.since or None, "until_id": until, "pagination_token": place.token or None, "max_results": count}
        with self._https.within(self._timeout, "X"):
            try:
                return read_page(client.get_users_mentions(self._account.user_id, **asked, **_FIELDS))
            except tweepy.BadRequest as error:
                if not place.token:
                    raise GatewayError("refused", "X does not accept the request (HTTP 400)") from error
            except NotAPage as error:
                told = f": {error.told}" if error.told else ""
                raise GatewayError("refused" if told else "malformed", f"X gives no page of posts{told}") from error
            except (tweepy.HTTPException, AttributeError, KeyError, TypeError, ValueError) as error:
                # tweepy reads the documents of errors without looking whether they are as documented.
                raise self._failure(session.answer) from error
        # Tokens do not last for ever, and the day's reads may have kept us waiting: go on by the oldest post that was met.
        return self._ask(replace(place, token=""), count)

    def _token(self) -> str:
        token = self._credentials.read(self._account.secret).strip()
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise GatewayError("credentials", f"credential {self._account.secret} is not a bearer token")
        return token

    def _failure(self, answer: requests.Response | None) -> GatewayError:
        status = answer.status_code if answer is not None else 0
        if answer is None or status == 200:
            return GatewayError("malformed", "X's answer cannot be read")
        text = f"X answers with HTTP {status}"
        if status == 401:
            return GatewayError("credentials", text)
        if status == 429:
            reset = answer.headers.get("x-rate-limit-reset", "")
            seconds = int(reset) - self._clock().timestamp() if reset.isascii() and reset.isdigit() else None
            return GatewayError("throttled", text, None if seconds is None else max(0.0, seconds))
        if status == 402:
            return GatewayError("refused", f"{text}: there are no credits left")
        if status == 408 or status >= 500:
            return GatewayError("unreachable", text)
        return GatewayError("refused" if status in (403, 404) else "malformed", text)

    def _batch(self, page: _Page, place: _Place, waiting: Sequence[PostRead], most: int) -> Batch[Post]:
        """The posts of `waiting` with their files, as many as there is room for."""
        posts: list[Post] = []
        size = 0
        for read in waiting[: max(1, most)]:
            if size >= ENOUGH_BYTES:
                break
            try:
                post = self._with_files(read)
            except GatewayError:
                # What comes before it need not wait for it.
                if not posts:
                    raise
                break
            posts.append(post)
            size += sum(len(file.content) for file in post.files)
        if len(posts) < len(waiting):
            newest = max(place.newest, page.newest)
            place = replace(place, newest=newest, after=waiting[len(posts) - 1].number)
            is_more = True
        else:
            posts += [each.post for each in page.unreadable]
            place = page.following(place)
            is_more = bool(page.token)
        return Batch(tuple(posts), self._cursor(place), is_more, tuple([post.id for post in posts]))

    def _with_files(self, read: PostRead) -> Post:
        post = read.post
        files = [PostFile("post.txt", "text/plain; charset=utf-8", post.text.encode("utf-8", "replace"))] if post.text else []
        below = [post.below] if post.below else []
        for medium in read.media:
            file, note = self._fetch_medium(medium)
            files += [file] if file else []
            below += [note] if note else []
        return replace(post, files=tuple(files), below="\n\n".join(below))

    def _fetch_medium(self, medium: Medium) -> tuple[PostFile | None, str]:
        """The medium's file, if it can be had, and what is to be said of it."""
        told = f"[{medium.name}: {medium.alt_text}]" if medium.alt_text else ""
        missing = Unavailable("X does not say where it is")
        for url in medium.urls:
            try:
                return self._file(medium.name, url, LARGEST_CLIP if medium.is_clip else LARGEST_IMAGE), told
            except Unavailable as error:
                missing = error
                # The next one is the same clip, smaller.
                if not error.too_large:
                    break
        note = " ".join(filter(None, [f"[{medium.name} is missing: {missing}.", *medium.urls[:1]])) + "]"
        told = f"{told}\n{note}".strip()
        if medium.preview:
            try:
                return self._file(f"{medium.name}-preview", medium.preview, LARGEST_IMAGE), told
            except Unavailable:
                return None, told
        return None, told

    def _file(self, name: str, url: str, most: int) -> PostFile:
        """Raises `Unavailable`, and `GatewayError` for one that may be had later."""
        try:
            given = self._downloads.get(url, most)
        except GatewayError as error:
            if self._https.closed.is_set() or not self._is_hopeless(url):
                raise
            raise Unavailable("it could not be fetched for long") from error
        kind, _, form = given.content_type.partition("/")
        if kind not in ("image", "video") or not form.isalnum():
            return PostFile(name, "application/octet-stream", given.content)
        return PostFile(f"{name}.{'jpg' if form == 'jpeg' else form}", given.content_type, given.content)

    def _is_hopeless(self, url: str) -> bool:
        """Count a failure; whether it was often and long enough."""
        now = self._clock()
        since, tries = self._failing.get(url, (now, 0))
        self._failing[url] = (since, tries + 1)
        return tries + 1 >= FEWEST_TRIES and now - since >= PATIENCE


class _Session(requests.Session):
    """What tweepy's client speaks by: the configured endpoint in place of its own, a time-out, no redirects. Keeps the last answer."""

    def __init__(self, endpoint: str, timeout: float) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._timeout = timeout
        self.answer: requests.Response | None = None

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        """One request; `url` as tweepy makes it."""
        self.answer = None
        more |= {"timeout": self._timeout, "allow_redirects": False}
        self.answer = super().request(method, self._endpoint + url.removeprefix(_TWEEPYS_HOST), **more)
        return self.answer
