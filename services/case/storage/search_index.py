"""Search documents: what cases, contacts and communications are found by, made from the queue that triggers fill."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.storage import Transaction

_LONGEST_TEXT = 100_000
"""Characters of a communication that it is found by; PostgreSQL's tsvector holds about a megabyte."""


def _apart(text: str) -> str:
    """An address as it is, and in its pieces."""
    return f"{text} || ' ' || translate({text}, '@._+-', '     ')"


# Weights: A for what a record is called, B for whom it is of, D for what was written. A telephone number is found by its last digits too,
# because people write it with and without the country's prefix.
DOCUMENTS = {
    "case": f"""
        select 'case' as kind, id as record_id, opened_at as at,
               setweight(to_tsvector('words', title || ' ' || number || ' ' || replace(number, '-', ' ')), 'A')
               || setweight(to_tsvector('words', customer_name || ' ' || {_apart("customer_email")}), 'B') as words
        from cases""",
    "contact": f"""
        select 'contact' as kind, id as record_id, created_at as at,
               setweight(to_tsvector('words', name), 'A')
               || setweight(to_tsvector('words', {_apart("email")} || ' ' || coalesce((
                      select string_agg({_apart("value")} || case when value ~ '^[+0-9 ()/-]{{6,}}$'
                                 then ' ' || d.digits || ' ' || right(d.digits, 8) else '' end, ' ')
                      from handles h, regexp_replace(h.value, '[^0-9]', '', 'g') as d (digits)
                      where h.contact_id = contacts.id), '')), 'B') as words
        from contacts""",
    "communication": f"""
        select 'communication' as kind, id as record_id, received_at as at,
               setweight(to_tsvector('words', subject_line), 'A')
               || setweight(to_tsvector('words', sender_name || ' ' || {_apart("sender")}), 'B')
               || setweight(to_tsvector('words', left(body, {_LONGEST_TEXT})), 'D') as words
        from communications""",
}
_ALIVE = {"case": "true", "contact": "true", "communication": "erased_at is null"}
COUNTED = "word !~ '[0-9]{5}' and length(word) <= 40"
"""Words that are counted and corrected; long numbers are neither."""


def make_next(tx: Transaction, most: int) -> int:
    """Make the documents of up to `most` records of the queue anew, in the caller's transaction; how many entries that took off it.

    One worker at a time: two could write an older state over a newer one. 0: nothing to do, or another is at work.
    """
    row = tx.row("select pg_try_advisory_xact_lock(hashtext('case_service.search'))")
    if row != (True,):
        return 0
    taken = tx.rows(
        """delete from search_queue where sequence in (select sequence from search_queue order by sequence limit %s)
           returning kind, record_id""",
        (most,),
    )
    if taken:
        _make(tx, sorted(set(taken)))
    return len(taken)


def _make(tx: Transaction, records: Sequence[tuple[str, UUID]]) -> None:
    by_kind = {kind: [id for its, id in records if its == kind] for kind in DOCUMENTS}
    gone = tx.rows(
        f"""with gone as (
                delete from search_documents d using unnest(%s::text[], %s::uuid[]) as q (kind, record_id)
                where d.kind = q.kind and d.record_id = q.record_id returning d.words)
            insert into search_words (word, documents)
            select word, -count(*) from gone, unnest(tsvector_to_array(words)) as w (word) where {COUNTED} group by word
            on conflict (word) do update set documents = search_words.documents + excluded.documents
            returning word""",
        ([kind for kind, _ in records], [id for _, id in records]),
    )
    made = " union all ".join(f"({DOCUMENTS[kind]} where id = any(%({kind})s) and {_ALIVE[kind]})" for kind in DOCUMENTS)
    tx.execute(
        f"""with made as (
                insert into search_documents (kind, record_id, at, words) select kind, record_id, at, words from ({made}) m returning words)
            insert into search_words (word, documents)
            select word, count(*) from made, unnest(tsvector_to_array(words)) as w (word) where {COUNTED} group by word
            on conflict (word) do update set documents = search_words.documents + excluded.documents""",
        by_kind,
    )
    if gone:
        # What was erased must not live on as a suggestion.
        tx.execute("delete from search_words where word = any(%s) and documents <= 0", ([word for (word,) in gone],))


def make_all(tx: Transaction, kind: str) -> None:
    """Make the documents of every record of a kind that has none, without counting words: for loading many at once."""
    tx.execute(
        f"""insert into search_documents (kind, record_id, at, words)
            select kind, record_id, at, words from ({DOCUMENTS[kind]} where {_ALIVE[kind]}) m on conflict do nothing"""
    )


def count_words(tx: Transaction) -> None:
    """Count the words of all documents from the beginning."""
    tx.execute("delete from search_words")
    # ts_stat would do the same, and keeps its words in a tree that numbers in their order turn into a list.
    tx.execute(
        f"""insert into search_words (word, documents)
            select word, count(*) from search_documents, unnest(tsvector_to_array(words)) as w (word) where {COUNTED} group by word"""
    )


def waiting(tx: Transaction) -> int:
    """How many entries the queue has, counted up to 10,000."""
    row = tx.row("select count(*) from (select from search_queue limit 10000) w")
    assert row is not None  # noqa: S101 - an aggregate always gives a row
    return int(row[0])
