"""Searching: correct what is misspelt, find, and keep to what the caller may see."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.spelling import meant, slips
from services.case.storage import search
from services.case.storage.search import Match
from services.case.storage.search_newest import Newest
from services.case.storage.views import Rows
from shared.storage import Transaction

MOST_WORDS = 12
"""Words of a query; what comes after them is left out."""
MOST_EXAMINED = 2_000
"""Matches that one request looks at whether the caller may see them."""
CHUNK = 100
"""Matches whose records are read at once, where a page's worth did not fill it."""

_BEGINNING = re.compile(r"(?<!\S)([^\W_]{3,})\*(?!\S)")


class Place(NamedTuple):
    """After which match a page begins. `rank`: None where matches are not ranked."""

    rank: float | None
    at: datetime
    id: UUID


class PlaceLost(ValueError):
    """The list that a place is of has ended."""


@dataclass(slots=True)
class Found:
    """A page. It may be shorter than asked although `following` leads on: what is frequent is looked through a piece at a time."""

    items: list[dict[str, Any]] = field(default_factory=list)
    following: Place | None = None
    corrected: dict[str, list[str]] = field(default_factory=dict)
    """Words that no document has, with what was searched for in their stead."""
    is_ranked: bool = True


def find(tx: Transaction, text: str, kinds: Sequence[str], rows: Rows, after: Place | None, limit: int) -> Found:
    """A page of what has every word of the text, of these kinds and within these rows. Raises `PlaceLost`."""
    found = Found()
    wanted = _wanted(tx, text, found)
    if not wanted or not kinds:
        return found
    choices, documents = zip(*wanted, strict=True)
    query = search.query_of(choices)
    expected = _expected(documents, search.sizes(tx), kinds)
    is_ranked = after.rank is not None if after is not None else expected <= search.MOST_RANKED
    fewest, rarest = min(zip(documents, choices, strict=True))
    looked_up = search.query_of([rarest]) if fewest <= search.MOST_READ else query
    matches = search.ranked(tx, query, looked_up, kinds) if is_ranked else None
    if matches is not None:
        _page_of_ranked(tx, found, matches, query, rows, after, limit)
    elif after is not None and after.rank is not None:
        raise PlaceLost("there have come so many matches that they are not ranked any more")
    else:
        found.is_ranked = False
        place = (after.at, after.id) if after is not None else None
        _page_of_newest(tx, found, Newest(tx, query, kinds, place, expected, limit), query, rows, limit)
    return found


def _wanted(tx: Transaction, text: str, found: Found) -> list[tuple[list[str], int]]:
    """For each word of the text those of which a match has one, and how many documents have one, about."""
    beginnings = list(dict.fromkeys(_BEGINNING.findall(text)))
    known = search.terms(tx, _BEGINNING.sub(" ", text))[:MOST_WORDS]
    unknown = [term.word for term in known if term.documents == 0]
    instead: dict[str, list[tuple[str, int]]] = {}
    if unknown:
        candidates = _candidates(tx, unknown)
        found.corrected = {word: near for word in unknown if (near := meant(word, candidates.get(word, [])))}
        instead = {word: [(one, n) for one, n in candidates[word] if one in near] for word, near in found.corrected.items()}
    words = [(found.corrected.get(term.word, [term.word]), _documents(tx, term, instead.get(term.word, []))) for term in known]
    return words + [search.beginning(tx, start) for start in beginnings[: MOST_WORDS - len(words)]]


def _candidates(tx: Transaction, unknown: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Known words that these may have been meant as, with how many documents have each: those one slip away, if there are any."""
    near = {
        word: [(other, documents) for other, documents in others if slips(word, other, 1) <= 1]
        for word, others in search.nearly(tx, unknown).items()
    }
    others = [word for word in unknown if not near.get(word)]
    return near | search.alike(tx, others) if others else near


def _expected(documents: Sequence[int], sizes: Mapping[str, int], kinds: Sequence[str]) -> float:
    """About how many records of these kinds have all of some words, each of which stands in so many documents.

    As if words knew neither of each other nor of kinds.
    """
    size = max(1, sum(sizes.values()))
    matches = min(min(documents), math.prod(min(1.0, number / size) for number in documents) * size)
    return matches * sum(sizes[kind] for kind in kinds) / size


def _documents(tx: Transaction, term: search.Term, meant_by: Sequence[tuple[str, int]]) -> int:
    """How many documents have this word, about; `meant_by`: the words that are searched for instead, with theirs."""
    if term.documents is None:
        return search.expected(tx, term.word)
    return term.documents or sum(documents for _, documents in meant_by)


def pieces(text: str) -> list[dict[str, Any]]:
    """A snippet as pieces of plain text; `match`: it is a word of the query."""
    found = []
    for number, piece in enumerate(text.split(search.START)):
        inside, _, outside = piece.partition(search.STOP) if number else ("", "", piece)
        found += [{"text": inside, "match": True}] if inside else []
        found += [{"text": outside, "match": False}] if outside else []
    return found


def _page_of_ranked(tx: Transaction, found: Found, matches: list[Match], query: str, rows: Rows, after: Place | None, limit: int) -> None:
    if after is not None and after.rank is not None:
        place = (after.rank, after.at, after.id)
        matches = [match for match in matches if (match.rank, match.at, match.id) < place]
    for chunk in _chunks(matches, limit):
        last = _add(tx, found, chunk, query, rows, limit)
        if last is not None:
            if last is not matches[-1]:
                found.following = Place(last.rank, last.at, last.id)
            return


def _page_of_newest(tx: Transaction, found: Found, newest: Newest, query: str, rows: Rows, limit: int) -> None:
    examined = 0
    while True:
        matches = newest.read()
        for chunk in _chunks(matches, limit):
            last = _add(tx, found, chunk, query, rows, limit)
            examined += len(chunk)
            if last is None and examined >= MOST_EXAMINED:
                last = chunk[-1]
            if last is not None:
                if last is not matches[-1] or not newest.is_over:
                    found.following = Place(None, last.at, last.id)
                return
        if newest.is_over:
            return
        if newest.is_long and newest.place is not None:
            found.following = Place(None, *newest.place)
            return


def _chunks(matches: Sequence[Match], limit: int) -> Iterator[Sequence[Match]]:
    # As a rule the caller may see all, and the first chunk fills the page.
    if matches:
        yield matches[:limit]
    yield from (matches[start : start + CHUNK] for start in range(limit, len(matches), CHUNK))


def _add(tx: Transaction, found: Found, matches: Sequence[Match], query: str, rows: Rows, limit: int) -> Match | None:
    """Add those of these that the caller may see; the one that filled the page."""
    seen = search.shown(tx, matches, rows, query)
    for match in matches:
        row = seen.get((match.kind, match.id))
        if row is None:
            continue
        item = {"kind": match.kind, "rank": match.rank if found.is_ranked else None} | row
        if match.kind == "communication":
            item["snippet"] = pieces(item["snippet"])
        found.items.append(item)
        if len(found.items) == limit:
            return match
    return None
