"""Finding records by words: which words there are, what few matches are worth, and what is shown of them.

Few matches are ranked, all of them. Of many, the newest come first, and nobody counts them (`search_newest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.case.storage.search_index import COUNTED
from services.case.storage.views import Conditions, Rows
from shared.storage import Transaction
from shared.storage.database import Row

MOST_RANKED = 1_000
"""Matches that are put into the order of their rank; each has its words read."""
MOST_READ = 100
"""Documents with the rarest word up to which only that word is looked up: the places of a frequent one are on many pages of its index."""
MOST_BEGUN = 100
"""Words with the same beginning up to which each is looked up."""
MOST_ALIKE = 300
"""Words that a misspelt one is compared with, letter by letter."""
ALIKE = 0.2
"""Share of trigrams in common from which words are compared: little, for two exchanged letters change most trigrams of a short word."""
MOST_SHOWN_FROM = 10_000
"""Characters of a text from which a piece is shown."""
_LONGEST_NEARLY = 21
"""Letters of a word that can be one slip away from those that the index of slips has."""
START, STOP = "\x02", "\x03"
_WEIGHTS = "{0.1, 0.2, 0.4, 1.0}"

_TABLES = {"case": "cases", "contact": "contacts", "communication": "communications"}
KINDS = tuple(_TABLES)


class Term(NamedTuple):
    """A word of a query. `documents`: how many have it, about; None: nobody counts such words."""

    word: str
    documents: int | None


class Beginning(str):
    """In a query: any word that begins so."""

    __slots__ = ()


class Match(NamedTuple):
    """A document that was found; `rank` is 0 where matches are not ranked."""

    kind: str
    id: UUID
    at: datetime
    rank: float


def terms(tx: Transaction, text: str) -> list[Term]:
    """The different words of a query, as documents have them."""
    rows = tx.rows(
        f"""select word, case when {COUNTED} then coalesce(documents, 0) end
            from unnest(tsvector_to_array(to_tsvector('words', %s))) as t (word) left join search_words using (word) order by word""",
        (text,),
    )
    return [Term(*row) for row in rows]


def beginning(tx: Transaction, text: str) -> tuple[list[str], int]:
    """What words that begin with a word of letters and digits are in a query, and in how many documents they stand, about."""
    row = tx.row("select tsvector_to_array(to_tsvector('words', %s))", (text,))
    start = row[0][0] if row and row[0] else text.lower()
    rows = tx.rows(
        "select word, documents from search_words where word like %s || '%%' and documents > 0 order by documents desc, word limit %s",
        (start, MOST_BEGUN + 1),
    )
    documents = sum(number for _, number in rows)
    # The index reads all that a beginning has, of named words only what it must; but nobody knows the long numbers.
    if len(rows) > MOST_BEGUN or any(letter.isdigit() for letter in start):
        return [Beginning(start)], documents
    return [word for word, _ in rows] or [start], documents


def nearly(tx: Transaction, words: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """For each of these the known words one slip away, some others among them, and how many documents have them.

    Neither numbers and addresses nor very long words are among them.
    """
    rows = tx.rows(
        """select asked.word, found.word, found.documents from unnest(%s::text[]) as asked (word)
           cross join lateral (
               select word, documents from search_words k
               where search_slips(k.word) && search_slips(asked.word) and k.word !~ '[0-9@]' and length(k.word) <= 20 and documents > 0
               order by documents desc, word limit %s) found""",
        ([word for word in words if len(word) <= _LONGEST_NEARLY], MOST_ALIKE),
    )
    return _by_word(rows)


def alike(tx: Transaction, words: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """For each of these the known words that look like it, and how many documents have them. Reads far more than `nearly`."""
    tx.execute("select set_config('pg_trgm.similarity_threshold', %s, true)", (str(ALIKE),))
    rows = tx.rows(
        """select asked.word, found.word, found.documents from unnest(%s::text[]) as asked (word)
           cross join lateral (
               select word, documents from search_words k
               where k.word %% asked.word and length(k.word) between length(asked.word) - 2 and length(asked.word) + 2 and documents > 0
               order by similarity(k.word, asked.word) desc, documents desc limit %s) found""",
        (list(words), MOST_ALIKE),
    )
    return _by_word(rows)


def _by_word(rows: Sequence[Row]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for asked, word, documents in rows:
        found.setdefault(asked, []).append((word, documents))
    return found


def query_of(choices: Sequence[Sequence[str]]) -> str:
    """A `tsquery`: one word of each choice."""
    return " & ".join("(" + " | ".join(_quoted(word) for word in choice) + ")" for choice in choices)


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'" + (":*" if isinstance(word, Beginning) else "")


def expected(tx: Transaction, word: str) -> int:
    """How many documents have a word that nobody counts, as the planner knows it from the last analysis."""
    row = tx.row("explain (format json) select from search_documents where words @@ %s::tsquery", (_quoted(word),))
    assert row is not None  # noqa: S101 - there is always a plan
    return int(row[0][0]["Plan"]["Plan Rows"])


def sizes(tx: Transaction) -> dict[str, int]:
    """How many records there are of each kind, about."""
    rows = tx.rows(
        """select kind, greatest(reltuples, 0)::bigint from unnest(%s::text[], %s::text[]) as t (kind, name)
           join pg_class on pg_class.oid = name::regclass""",
        (list(_TABLES), list(_TABLES.values())),
    )
    return dict(rows)


def ranked(tx: Transaction, query: str, looked_up: str, kinds: Sequence[str]) -> list[Match] | None:
    """All matches, the best first, then the newest; None: there are more than `MOST_RANKED`.

    `looked_up`: the part of the query that is looked up in the index; what has it is read, and compared with the whole.
    """
    read_by("bitmap", tx)
    conditions = Conditions(["words @@ %(looked_up)s::tsquery"])
    if set(kinds) != set(KINDS):
        conditions.add("array[kind] && %(kinds)s::text[]", kinds=list(kinds))
    rows = tx.rows(
        f"""with found as materialized (
               select kind, record_id, at, words from search_documents
               {conditions.sql()} limit %(most)s),
           counted as (select count(*) as n from found)
           select kind, record_id, at, ts_rank(%(weights)s, words, %(query)s::tsquery)::float8 as rank from found, counted
           where n < %(most)s and words @@ %(query)s::tsquery
           union all
           select null, null, null, null from counted where n >= %(most)s
           order by rank desc, at desc, record_id desc""",
        conditions.params | {"query": query, "looked_up": looked_up, "most": MOST_RANKED + 1, "weights": _WEIGHTS},
    )
    return None if rows and rows[0][0] is None else [Match(*row) for row in rows]


def read_by(way: Literal["bitmap", "order"], tx: Transaction) -> None:
    """Have the next statements look words up in their index, or read documents in the order of an index."""
    # What a word's frequency is the planner only guesses, and a wrong guess reads the whole table.
    tx.execute(
        """select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', %(bitmap)s, true),
                  set_config('enable_indexscan', %(order)s, true), set_config('enable_indexonlyscan', %(order)s, true)""",
        {"bitmap": "on" if way == "bitmap" else "off", "order": "off" if way == "bitmap" else "on"},
    )


def shown(tx: Transaction, matches: Sequence[Match], rows: Rows, query: str) -> dict[tuple[str, UUID], dict[str, Any]]:
    """What a list shows of those of these that are there and within the rows.

    A communication has a `snippet`: a piece of its text where words of the query stand, such words between `START` and `STOP`.
    """
    tx.execute("select set_config(name, 'on', true) from unnest(array['enable_indexscan', 'enable_bitmapscan', 'enable_seqscan']) name")
    found: dict[tuple[str, UUID], dict[str, Any]] = {}
    for kind in KINDS:
        ids = [match.id for match in matches if match.kind == kind]
        if ids:
            found |= {(kind, row["id"]): row for row in _SHOW[kind](tx, ids, rows, query)}
    return found


def _cases(tx: Transaction, ids: list[UUID], rows: Rows, _query: str) -> list[dict[str, Any]]:
    conditions = Conditions(["id = any(%(ids)s)"], {"ids": ids})
    rows.restrict(conditions)
    return tx.dicts(
        f"""select id, number, title, subject, state, status, priority, unit, owner, customer_name, customer_email, opened_at
            from cases {conditions.sql()}""",
        conditions.params,
    )


def _contacts(tx: Transaction, ids: list[UUID], rows: Rows, _query: str) -> list[dict[str, Any]]:
    conditions = Conditions(["id = any(%(ids)s)"], {"ids": ids})
    if rows.owner is not None and rows.unit is None:
        conditions.add("exists (select from cases where contact_id = contacts.id and owner = %(row_owner)s)", row_owner=rows.owner)
    return tx.dicts(f"select id, name, email, created_at from contacts {conditions.sql()}", conditions.params)


def _communications(tx: Transaction, ids: list[UUID], rows: Rows, query: str) -> list[dict[str, Any]]:
    conditions = Conditions(["id = any(%(ids)s)", "erased_at is null"], {"ids": ids})
    rows.restrict_communications(conditions)
    return tx.dicts(
        f"""select id, subject_line, sender, sender_name, direction, method, received_at,
                   array(select case_id from case_communications l where l.communication_id = communications.id order by position)
                       as case_ids,
                   ts_headline('words', translate(left(body, %(most)s), %(marks)s, ''), %(query)s::tsquery, %(options)s) as snippet
            from communications {conditions.sql()}""",
        conditions.params
        | {
            "query": query,
            "most": MOST_SHOWN_FROM,
            "marks": START + STOP,
            "options": f"MaxWords=30, MinWords=12, StartSel={START}, StopSel={STOP}",
        },
    )


_SHOW = {"case": _cases, "contact": _contacts, "communication": _communications}
