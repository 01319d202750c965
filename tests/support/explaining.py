"""What PostgreSQL does for queries: which they are, their plans, and how many pages they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Cursor

from shared.storage import Database, Transaction
from shared.storage.database import Row

Params = Sequence[Any] | dict[str, Any]


class Statement(NamedTuple):
    """A statement as it was run."""

    sql: str
    params: Params


class _Recording(Transaction):
    def __init__(self, tx: Transaction, statements: list[Statement]) -> None:
        super().__init__(tx._connection, "/casestream/test")
        self._statements = statements

    def execute(self, sql: str, params: Params = ()) -> Cursor[Row]:
        self._statements.append(Statement(sql, params))
        return super().execute(sql, params)

    def dicts(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        self._statements.append(Statement(sql, params))
        return super().dicts(sql, params)


class RecordingDatabase(Database):
    """Keeps what is run in transactions that only read."""

    def __init__(self, url: str) -> None:
        super().__init__(url, service="case")
        self.statements: list[Statement] = []

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with super().read() as tx:
            yield _Recording(tx, self.statements)


@contextmanager
def recorded(database: Database) -> Iterator[tuple[Transaction, list[Statement]]]:
    """A read-only transaction, and the statements that are run in it."""
    statements: list[Statement] = []
    with database.read() as tx:
        yield _Recording(tx, statements), statements


class Explained:
    """The plans of some statements."""

    def __init__(self, plans: list[dict[str, Any]]) -> None:
        self.plans = plans

    @property
    def buffers(self) -> int:
        """Pages of 8 KB that were touched, in memory or not."""
        return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in self.plans)

    @property
    def nodes(self) -> set[tuple[str, str]]:
        """Every kind of node with the index or table that it reads."""
        return {node for plan in self.plans for node in _nodes(plan)}

    @property
    def indexes(self) -> set[str]:
        """Every index that was read."""
        return {name for kind, name in self.nodes if "Index" in kind}

    @property
    def scanned(self) -> set[str]:
        """Every table that was read from its beginning."""
        return {name for kind, name in self.nodes if kind == "Seq Scan"}


def _nodes(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield plan["Node Type"], plan.get("Index Name") or plan.get("Relation Name") or ""
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def explain(database: Database, statements: Sequence[Statement]) -> Explained:
    """Run them again, one after the other in a read-only transaction, and have each explained."""
    plans = []
    with database.read() as tx:
        for sql, params in statements:
            row = tx.row(f"explain (analyze, buffers, timing off, format json) {sql}", params)
            assert row is not None
            plans.append(row[0][0]["Plan"])
    return Explained(plans)
