"""Drafts of the configuration, by their names. Nothing of them is in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.storage import Transaction


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration in the making."""

    name: str
    revision: int
    source: str
    """YAML as it was saved, perhaps with problems."""
    based_on: int
    """The version that was in force when it was begun; 0: there was none."""
    saved_by: str
    saved_at: datetime


def lock(tx: Transaction) -> None:
    """Let one transaction at a time change drafts, until this one ends: they are few, and seldom changed."""
    tx.execute("select pg_advisory_xact_lock(hashtext(current_schema() || ' drafts'))")


def count(tx: Transaction) -> int:
    """How many there are."""
    row = tx.row("select count(*) from configuration_drafts")
    return 0 if row is None else int(row[0])


def one(tx: Transaction, name: str) -> Draft | None:
    """The draft of this name."""
    row = tx.row(f"select {_COLUMNS} from configuration_drafts where name = %s", (name,))
    return None if row is None else Draft(*row)


def listed(tx: Transaction, limit: int, after: str | None) -> list[Draft]:
    """Up to `limit` drafts by name, after this one."""
    rows = tx.rows(
        f"select {_COLUMNS} from configuration_drafts where %s::text is null or name > %s order by name limit %s", (after, after, limit)
    )
    return [Draft(*row) for row in rows]


def save(tx: Transaction, draft: Draft) -> None:
    """Keep it, instead of what was kept under its name."""
    tx.execute(
        f"""insert into configuration_drafts ({_COLUMNS}) values (%s, %s, %s, %s, %s, %s)
            on conflict (name) do update set revision = excluded.revision, source = excluded.source, based_on = excluded.based_on,
                saved_by = excluded.saved_by, saved_at = excluded.saved_at""",
        (draft.name, draft.revision, draft.source, draft.based_on, draft.saved_by, draft.saved_at),
    )


def remove(tx: Transaction, name: str) -> None:
    """Let it go."""
    tx.execute("delete from configuration_drafts where name = %s", (name,))


_COLUMNS = "name, revision, source, based_on, saved_by, saved_at"
