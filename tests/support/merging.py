"""What tests of merges and splits share: the case service's tables row by row, and cases to merge."""

from __future__ import annotations

from typing import Any

from shared.storage import Database
from tests.support.tables import MESSAGING, whole_of

Rows = dict[str, dict[str, dict[str, Any]]]
"""Table -> a row as text -> its columns."""

ASIDE = MESSAGING | {"commands", "dead_letters", "search_queue"}
"""Tables that tell of what was done, not of what there is."""


def every_row(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of the service's own, sorted."""
    return whole_of(database, ASIDE)


def differences(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]], key: str = "id") -> set[tuple[str, str]]:
    """(table, column) of what differs; (table, "new") and (table, "gone") for rows that one side does not have.

    Rows are told apart by their `id`; those of tables without one as a whole.
    """
    found: set[tuple[str, str]] = set()
    for table in before.keys() | after.keys():
        old = {str(row.get(key, row)): row for row in before.get(table, [])}
        new = {str(row.get(key, row)): row for row in after.get(table, [])}
        found |= {(table, "new") for _ in new.keys() - old.keys()} | {(table, "gone") for _ in old.keys() - new.keys()}
        for id in old.keys() & new.keys():
            found |= {(table, column) for column in old[id] if old[id][column] != new[id][column]}
    return found
