"""X's JSON (API v2) read as posts. Tolerant: what is missing or not as documented is left out; the raw JSON keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.ingest.domain.posts import Post

LONGEST_ID = 19
"""Digits of X's ids; sent as text, since JavaScript's numbers cannot hold them."""
_QUOTING = ("quoted", "retweeted")
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
"""What X escapes in texts. The ampersand last: `&amp;lt;` is somebody's `&lt;`."""


@dataclass(frozen=True, slots=True)
class Medium:
    """An image or clip of a post. `name`: what its file shall be called, without its ending. `urls`: the best first."""

    name: str
    is_clip: bool
    urls: tuple[str, ...]
    preview: str = ""
    alt_text: str = ""


@dataclass(frozen=True, slots=True)
class PostRead:
    """A post without its files, and the media that are to be fetched for it. `number`: its id; 0: it could not be read."""

    number: int
    post: Post = field(repr=False)
    media: tuple[Medium, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of posts as X gives it, the newest first. `newest`: the highest id in it. `paid`: posts in it, and those they refer to."""

    posts: tuple[PostRead, ...]
    newest: int
    next_token: str
    paid: int


class NotAPage(Exception):
    """The answer is no page of posts. `told`: what X says instead, its kind of problem, or nothing."""

    def __init__(self, told: str = "") -> None:
        super().__init__(told)
        self.told = told


def read_page(answer: object) -> PageRead:
    """A page of posts. Raises `NotAPage`."""
    if not isinstance(answer, dict):
        raise NotAPage
    data, meta = answer.get("data", []), answer.get("meta")
    if not isinstance(data, list) or not isinstance(meta, dict):
        problems = [_text(_table(each), "title") for each in _list(answer, "errors")]
        raise NotAPage(next(filter(None, problems), "")[:80])
    includes = _Includes.of(answer.get("includes"))
    posts = tuple([_post(each, includes) for each in data])
    newest = max([number_of(_text(meta, "newest_id")), *[post.number for post in posts]])
    return PageRead(posts, newest, _text(meta, "next_token"), len(data) + len(includes.posts))


def number_of(id: str) -> int:
    """The number that an id of X is; 0: it is none."""
    return int(id) if len(id) <= LONGEST_ID and id.isascii() and id.isdigit() else 0


@dataclass(frozen=True, slots=True)
class _Includes:
    """What a page tells beside its posts, by X's own keys."""

    users: Mapping[str, dict[str, Any]]
    media: Mapping[str, dict[str, Any]]
    posts: Mapping[str, dict[str, Any]]

    @classmethod
    def of(cls, given: object) -> _Includes:
        tables = _table(given)
        return cls(
            {_text(each, "id"): each for each in _tables(tables, "users")},
            {_text(each, "media_key"): each for each in _tables(tables, "media")},
            {_text(each, "id"): each for each in _tables(tables, "tweets")},
        )


def _post(given: object, includes: _Includes) -> PostRead:
    entry = _table(given)
    id = _text(entry, "id")
    if not number_of(id):
        return PostRead(0, Post("", "", "", "", "", "", "", None, (), _json(given)), ())
    author = includes.users.get(_text(entry, "author_id"), {})
    keys = [key for key in _list(_table(entry.get("attachments")), "media_keys") if isinstance(key, str)]
    media = tuple([_medium(includes.media.get(key, {}), number) for number, key in enumerate(keys, 1)])
    references = [_table(each) for each in _list(entry, "referenced_tweets")]
    quoted = [_text(each, "id") for each in references if _text(each, "type") in _QUOTING]
    post = Post(
        id=id,
        conversation=_text(entry, "conversation_id"),
        author_id=_text(entry, "author_id"),
        handle=_text(author, "username"),
        name=_text(author, "name"),
        text=_words(entry),
        below="\n\n".join([_quote(each, includes) for each in quoted]),
        at=_moment(_text(entry, "created_at")),
        files=(),
        raw=_raw(entry, keys, [_text(each, "id") for each in references], includes),
    )
    return PostRead(number_of(id), post, media)


def _words(entry: Mapping[str, Any]) -> str:
    """The author's words: of a long post the whole; links as they were written, not as X shortens them."""
    note = _table(entry.get("note_tweet"))
    # A long post's `text` is only its beginning.
    whole = note if _text(note, "text") else entry
    text = _text(whole, "text")
    for escape, letter in _ESCAPES:
        text = text.replace(escape, letter)
    for link in _tables(_table(whole.get("entities")), "urls"):
        short, meant = _text(link, "url"), _text(link, "expanded_url")
        if short and meant:
            text = text.replace(short, meant)
    return text


def _quote(id: str, includes: _Includes) -> str:
    entry = includes.posts.get(id)
    if entry is None:
        return "[It quotes a post that cannot be read any more.]"
    author = includes.users.get(_text(entry, "author_id"), {})
    lines = [f"@{_text(author, 'username')} wrote:", *_words(entry).splitlines()]
    return "\n".join([f"> {line}".rstrip() for line in lines])


def _medium(entry: Mapping[str, Any], number: int) -> Medium:
    is_clip = _text(entry, "type") in ("video", "animated_gif")
    urls = [_text(entry, "url")]
    if is_clip:
        # Others are playlists for streaming, which name no single file.
        clips = [each for each in _tables(entry, "variants") if _text(each, "content_type") == "video/mp4"]
        urls = [_text(each, "url") for each in sorted(clips, key=_bit_rate, reverse=True)]
    name = f"clip-{number}" if is_clip else f"image-{number}"
    return Medium(name, is_clip, tuple(filter(None, urls)), _text(entry, "preview_image_url"), _text(entry, "alt_text"))


def _bit_rate(variant: Mapping[str, Any]) -> int:
    rate = variant.get("bit_rate")
    return rate if isinstance(rate, int) else 0


def _raw(entry: Mapping[str, Any], media: Sequence[str], references: Sequence[str], includes: _Includes) -> bytes:
    """The post as X would have answered if asked for it alone."""
    posts = [includes.posts[id] for id in references if id in includes.posts]
    authors = dict.fromkeys(_text(each, "author_id") for each in (entry, *posts))
    users = [includes.users[id] for id in authors if id in includes.users]
    shown = {"users": users, "tweets": posts, "media": [includes.media[key] for key in media if key in includes.media]}
    whole = {"data": entry, "includes": {name: each for name, each in shown.items() if each}}
    return _json(whole)


def _json(value: object) -> bytes:
    # Not by orjson: what came in may hold halves of surrogate pairs, and integers of any length.
    return json.dumps(value, indent=2, sort_keys=True).encode()


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _tables(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return [each for each in _list(table, key) if isinstance(each, dict)]


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
