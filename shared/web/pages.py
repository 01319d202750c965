"""Keyset pages: `{"items": [...], "next": cursor or null}`. A page never skips or repeats a row because others came or
went.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import BaseModel

from shared.web.problems import Problem

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` goes into `cursor` of the next request."""

    items: list[Item]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for. `after` are the key values of the last row seen, as they were given to `page_of`."""

    limit: int
    after: tuple[Any, ...] | None

    def keys(self, count: int) -> tuple[Any, ...] | None:
        """`after`, when it has this many values; a cursor of another list is a problem of the caller's."""
        if self.after is not None and len(self.after) != count:
            raise _bad_cursor()
        return self.after

    def place(self) -> tuple[datetime, UUID] | None:
        """`after` of a list by time and id; what is none of that kind is a problem of the caller's, and never reaches the database."""
        keys = self.keys(2)
        if keys is None:
            return None
        try:
            return datetime.fromisoformat(str(keys[0])), UUID(str(keys[1]))
        except ValueError as error:
            raise _bad_cursor() from error

    def following(self, found: int, shown: Sequence[Item], keys: Callable[[Item], tuple[Any, ...]]) -> str | None:
        """The next page's cursor, when of `limit + 1` rows asked for all were `found`; `keys` of the last one `shown`."""
        return _encoded(keys(shown[-1])) if found > self.limit and shown else None


async def page_request(
    limit: Annotated[int, Query(ge=1, le=500, description="Most items on the page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")] = None,
) -> PageRequest:
    """A dependency: the query parameters `limit` and `cursor`."""
    return page_behind(cursor, limit)


def page_behind(cursor: str | None, limit: int) -> PageRequest:
    """The page behind this cursor, of routes that call it otherwise. Raises a problem for what is no cursor."""
    return PageRequest(limit, None if not cursor else _decoded(cursor))


def page_of(items: Sequence[Item], limit: int, keys: Callable[[Item], tuple[Any, ...]]) -> Page[Item]:
    """The page of `items`, of which `limit + 1` were asked from the database: the one too many says that there is a
    next page.

    `keys` gives the values that the list is ordered by, the last of them unique; strings, numbers, times or UUIDs.
    """
    shown = list(items[:limit])
    return Page(items=shown, next=PageRequest(limit, None).following(len(items), shown, keys))


def _encoded(values: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).rstrip(b"=").decode()


def _decoded(cursor: str) -> tuple[Any, ...]:
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _bad_cursor() from error
    if not isinstance(values, list) or not all(_may_be_key(value) for value in values):
        raise _bad_cursor()
    return tuple(values)


def _may_be_key(value: Any) -> bool:
    # PostgreSQL cannot hold a NUL in text, so no key of ours has one.
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and "\x00" not in value)


def _bad_cursor() -> Problem:
    return Problem(400, "The cursor is not one that this list gave; start without it.")
