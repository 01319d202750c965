"""What searches and lists read: their indexes, and as much of many records as of few."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import NamedTuple

import pytest

from bench.load_cases import load
from bench.vocabulary import STREET
from services.case.handlers.search import Found, find
from services.case.storage.lists import Sort, Wanted, list_cases
from services.case.storage.search import KINDS
from services.case.storage.views import Rows
from shared.storage import Database
from tests.support.case import NOW, a_case_configuration
from tests.support.explaining import explain, recorded
from tests.support.platform import fresh_databases

FEW, MANY = 2_000, 30_000
FOUND = 20
RANKS = ("low", "normal", "high", "urgent")
LIMIT = 21


@pytest.fixture(scope="module")
def databases(database: str) -> Iterator[tuple[Database, Database]]:
    """Few cases, and fifteen times as many; nothing here writes into them."""
    with fresh_databases(database) as make:
        few, many = (Database(make("case"), service="case") for _ in range(2))
        for loaded, count in ((few, FEW), (many, MANY)):
            load(loaded, a_case_configuration(), count, count // 5, NOW)
        yield few, many
        few.close()
        many.close()


class Reading(NamedTuple):
    """Of some searches: the median of pages touched, by finding and with what is shown; the indexes and tables that were read."""

    pages_to_find: float
    pages: float
    indexes: set[str]
    scanned: set[str]


def read(database: Database, searches: Sequence[str]) -> Reading:
    pages_to_find, pages, indexes, scanned = [], [], set(), set()
    for text in searches:
        with recorded(database) as (tx, statements):
            found: Found = find(tx, text, KINDS, Rows(), None, LIMIT)
        assert len(found.items) in (FOUND, LIMIT), text
        explained = explain(database, statements)
        pages.append(explained.buffers)
        pages_to_find.append(explain(database, [one for one in statements if "from search_" in one.sql]).buffers)
        indexes |= explained.indexes
        scanned |= explained.scanned
    return Reading(statistics.median(pages_to_find), statistics.median(pages), indexes, scanned)


def exchanged(word: str) -> str:
    """The word with two letters exchanged."""
    return word[:4] + word[5] + word[4] + word[6:]


@pytest.mark.requirement("FACE-1")
def test_a_search_reads_its_index_and_as_much_of_many_records_as_of_few(databases: tuple[Database, Database]) -> None:
    streets = []
    for database in databases:
        with database.read() as tx:
            words = "select word from search_words where documents = %s and word ~ %s order by word limit 9"
            streets.append([word for (word,) in tx.rows(words, (FOUND, STREET))])
    assert min(map(len, streets)) >= 5
    for search, index in (
        (lambda word: word, "search_documents_by_words"),
        (lambda word: f"{word} dear", "search_documents_by_words"),
        (exchanged, "search_words_by_slips"),
        (lambda _: "water", "search_documents_by_words"),
        (lambda _: "water all", "search_documents_by_words"),
    ):
        few, many = (read(database, [search(word) for word in words]) for database, words in zip(databases, streets, strict=True))
        assert index in many.indexes, many
        assert "search_words_alike" not in many.indexes, many
        assert not many.scanned, many
        assert many.pages <= few.pages * 1.5, (few, many)
        assert many.pages_to_find <= few.pages_to_find * 1.5, (few, many)
        # Neither a document for each match, nor one after the other.
        assert many.pages_to_find < 150, many


@pytest.mark.requirement("CASE-15")
def test_a_page_of_open_cases_reads_its_index_and_as_much_of_many_cases_as_of_few(databases: tuple[Database, Database]) -> None:
    owner = a_case_configuration().users[0].user
    unit = "repairs"
    lists: list[tuple[Wanted, Rows, Sort, str]] = [
        (Wanted(unit=unit, open=True), Rows(), Sort.DUE, "cases_open_by_unit_and_due"),
        (Wanted(open=True), Rows(unit, owner), Sort.DUE, "cases_open_by_unit_and_due"),
        (Wanted(open=True), Rows(), Sort.DUE, "cases_open_by_due"),
        (Wanted(open=True), Rows(), Sort.PRIORITY_DESCENDING, "cases_open_by_priority"),
        (Wanted(unit=unit, open=True), Rows(), Sort.PRIORITY_DESCENDING, "cases_open_by_unit_and_priority"),
        (Wanted(open=True), Rows(), Sort.OPENED, "cases_open_by_time"),
        (Wanted(), Rows(), Sort.OPENED_DESCENDING, "cases_by_time"),
        (Wanted(unassigned=True, open=True), Rows(), Sort.OPENED, "cases_open_unassigned"),
    ]
    for wanted, rows, sort, index in lists:
        touched = []
        for database in databases:
            with recorded(database) as (tx, statements):
                assert len(list_cases(tx, wanted, rows, sort, RANKS, None, 21, NOW.astimezone(UTC))) == 21
            found = explain(database, statements)
            touched.append(found.buffers)
        assert index in found.indexes, (wanted, sort, found.nodes)
        assert not found.scanned, (wanted, sort, found.nodes)
        # A level more of the tree is a page more for each look into it.
        assert touched[1] <= touched[0] * 1.5 + 8, (wanted, sort, touched)
