"""Where a delta query stands, and what one of its pages says. Pure.

Graph tells what changed in a folder since the last time: what is new, but also what was only marked as read, flagged or edited, without
saying which of them. So the marks of what was acknowledged last are kept, and what they name is not given again. A message that changes
after it was forgotten is given once more, which its id makes harmless; nothing is ever taken for old by its date or by being read, because
people read and move mail in the same mailbox.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from services.ingest.gateways.source import Cursor
from shared.graph import GraphError

REMEMBERED = 1000
"""Acknowledged messages that are remembered."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to go on.

    `folder`: of which this is the place. `link`: the page to ask for; empty: the first. `known`: prints of the messages that were
    acknowledged last, the newest last. `absent`: messages that a page named and that could not be found; they are looked for once more.
    """

    folder: str
    link: str = ""
    known: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @classmethod
    def of(cls, cursor: Cursor, folder: str) -> Place:
        """What `cursor` says; the beginning where it is of another folder or cannot be understood: rather again than skipped."""
        link, known, absent = cursor.get("link"), _texts(cursor.get("known")), _texts(cursor.get("absent"))
        if cursor.get("folder") != folder or not isinstance(link, str) or known is None or absent is None:
            return cls(folder)
        return cls(folder, link, known, absent)

    def cursor(self) -> Cursor:
        """As it is saved."""
        return {"folder": self.folder, "link": self.link, "known": list(self.known), "absent": list(self.absent)}

    def afresh(self) -> Place:
        """From the first page again, remembering what is known."""
        return replace(self, link="")

    def new(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that are not known."""
        known = set(self.known)
        return [one for one in ids if print_of(one) not in known]

    def after(self, done: Sequence[str], absent: Iterable[str], page: Page | None, is_finished: bool) -> Place:
        """The place once `done` is acknowledged. `page`: that they are from; not `is_finished`: it is asked for again, for the rest."""
        seen = {print_of(one) for one in page.ids} if page is not None else set()
        added = [print_of(one) for one in done]
        moved = seen.union(added)
        recent = [one for one in self.known if one in moved and one not in added] + added
        older = [one for one in self.known if one not in moved]
        # A page that is asked for again must find all of it that is done, however many that are.
        kept = older[max(0, len(older) + len(recent) - REMEMBERED) :] if len(recent) < REMEMBERED else []
        if is_finished or page is None:
            recent = recent[-REMEMBERED:]
        link = page.next_link if page is not None and is_finished else self.link
        return replace(self, link=link, known=(*kept, *recent), absent=tuple(dict.fromkeys(absent)))


@dataclass(frozen=True, slots=True)
class Page:
    """What one page of a delta query names: messages, the oldest first. `is_last`: `next_link` is for the next time."""

    ids: tuple[str, ...]
    next_link: str
    is_last: bool


def page_of(answer: dict[str, Any]) -> Page:
    """The page in an answer. Messages that are gone from the folder are not named. Raises `GraphError`."""
    entries, next_link, delta_link = answer.get("value"), answer.get("@odata.nextLink"), answer.get("@odata.deltaLink")
    if not isinstance(entries, list):
        raise GraphError("malformed", "a page of changes without its list")
    link = next_link if next_link is not None else delta_link
    if not isinstance(link, str) or not link:
        raise GraphError("malformed", "a page of changes without the link to go on")
    dates: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
            raise GraphError("malformed", "a page of changes names a message without its id")
        if "@removed" not in entry:
            at = entry.get("receivedDateTime")
            dates[entry["id"]] = at if isinstance(at, str) else ""
    # The order of a delta query is not promised; all dates are in UTC and of one format.
    return Page(tuple(sorted(dates, key=lambda one: dates[one])), link, next_link is None)


def print_of(message: str) -> str:
    """A short name for an id: 96 bits of a digest instead of 150 characters."""
    return urlsafe_b64encode(sha256(message.encode("utf-8", "replace")).digest()[:12]).decode()


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else None
