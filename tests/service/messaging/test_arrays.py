"""Columns as binary arrays: what goes in comes out, NULLs and awkward texts too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared.storage import Database, arrays
from shared.storage.arrays import Array
from tests.support.tally import create_schema, service_url


@pytest.fixture
def own_schema(empty_database: str) -> Iterator[Database]:
    create_schema(empty_database)
    database = Database(service_url(empty_database), pool_size=1)
    yield database
    database.close()


SUMMER = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (arrays.uuids, [UUID(int=0), None, UUID(int=2**128 - 1)]),
        (arrays.texts, ["", None, "plain", 'a "quoted" {brace}, \\ and a\nline', "NULL", "häßlich 🙂"]),
        (arrays.blobs, [b"", None, b"\x00\xff"]),
        (arrays.bools, [True, None, False]),
        (arrays.small_ints, [-32768, None, 32767]),
        (arrays.ints, [-(2**31), None, 2**31 - 1]),
        (arrays.big_ints, [-(2**63), None, 2**63 - 1]),
        (arrays.moments, [SUMMER, None, SUMMER, datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]),
    ],
)
def test_what_goes_in_comes_out(own_schema: Database, array: Any, values: list[object]) -> None:
    with own_schema.transaction() as tx:
        made: Array = array(values)
        assert [
            row[0] for row in tx.rows(f"select v from unnest(%b::{made.type}[]) with ordinality as t(v, n) order by n", (made,))
        ] == values
        assert tx.rows(f"select v from unnest(%b::{made.type}[]) as t(v)", (array([]),)) == []


def test_documents_are_jsonb(own_schema: Database) -> None:
    with own_schema.transaction() as tx:
        rows = tx.rows("select v->>'a' from unnest(%b::jsonb[]) as t(v)", (arrays.documents([b'{"a": "b"}', None]),))
    assert rows == [("b",), (None,)]


def test_arrays_within_a_column_keep_their_items(own_schema: Database) -> None:
    items = [[], ["a", "", "NULL"], ['with "quotes", \\slashes, {braces}', "two\nlines"]]
    with own_schema.transaction() as tx:
        rows = tx.rows("select v::text[] from unnest(%b::text[]) with ordinality as t(v, n) order by n", (arrays.arrays_text(items),))
    assert [row[0] for row in rows] == items


def test_rows_are_inserted_by_column(own_schema: Database) -> None:
    with own_schema.transaction() as tx:
        tx.execute("create table arrays_given (id uuid primary key, tags text[], at timestamptz)")
        columns = {"id": arrays.uuids([UUID(int=1)]), "tags": arrays.arrays_text([["x"]]), "at": arrays.moments([SUMMER])}
        for _ in range(2):
            arrays.insert(tx, "arrays_given", columns, "on conflict do nothing", {"tags": "text[]"})
        assert tx.rows("select id, tags, at from arrays_given") == [(UUID(int=1), ["x"], SUMMER)]


def test_text_that_no_database_holds_is_refused(own_schema: Database) -> None:
    with pytest.raises(psycopg.DataError), own_schema.transaction() as tx:
        tx.rows("select unnest(%b::text[])", (arrays.texts(["a\x00b"]),))
    with pytest.raises(UnicodeEncodeError):
        arrays.texts(["\ud800"])
