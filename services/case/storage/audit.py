"""Seals over the histories: what is not sealed yet, and the chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from services.case.domain.audit import Entry, Seal, Sealed
from shared.storage import Transaction, arrays


class _Source(NamedTuple):
    """A table whose rows are sealed: the columns that stay, and those whose texts privacy may erase."""

    values: tuple[str, ...]
    texts: tuple[str, ...]

    def columns(self) -> str:
        return ", ".join(f"t.{name}" for name in (*self.values, *self.texts))


_TEXTS = ("old_value", "new_value")
SOURCES = {
    "history": _Source(("case_id", "revision", "field", "changed_by", "changed_at"), _TEXTS),
    "record_history": _Source(("kind", "record_id", "revision", "field", "changed_by", "changed_at"), _TEXTS),
    "reads": _Source(("kind", "record_id", "reader", "read_at"), ()),
}


def _entry(source: str, row: Sequence[Any]) -> Entry:
    id, *columns = row
    # A time is the same moment in whatever zone a connection shows it; its digest must be, too.
    values: list[Any] = [value.astimezone(UTC) if isinstance(value, datetime) else value for value in columns]
    count = len(SOURCES[source].values)
    return Entry(source, id, tuple(values[:count]), tuple(values[count:]))


def take_turn(tx: Transaction) -> bool:
    """Whether this transaction alone may seal; False: another one does, or erases entries (see the trigger `wait_for_sealing`)."""
    row = tx.row("select pg_try_advisory_xact_lock(hashtext(current_schema() || ' audit'))")
    return bool(row and row[0])


def unsealed(tx: Transaction, source: str, most: int) -> list[Entry]:
    """Up to `most` entries of a history that no seal covers, the oldest first."""
    rows = tx.rows(
        f"""select t.id, {SOURCES[source].columns()} from {source} t
            where t.id >= (select below from audit_marks where source = %(source)s)
              and not exists (select from audit_entries e where e.source = %(source)s and e.entry_id = t.id)
            order by t.id limit %(most)s""",
        {"source": source, "most": most},
    )
    return [_entry(source, row) for row in rows]


def advance(tx: Transaction, source: str) -> None:
    """Move the mark below which everything is sealed; only once all entries that are seen now have been sealed.

    Ids are given before they are seen. So the mark waits until every transaction that was under way when its place was noted is over,
    and what those brought has been sealed.
    """
    tx.execute(
        f"""update audit_marks m set
                below = case when is_over and none_left then m.pending_below else m.below end,
                pending_below = case when m.pending_below is null or (is_over and none_left) then highest + 1 else m.pending_below end,
                pending_until = case when m.pending_below is null or (is_over and none_left)
                                     then pg_snapshot_xmax(pg_current_snapshot()) else m.pending_until end
            from (select a.source, a.pending_until <= pg_snapshot_xmin(pg_current_snapshot()) as is_over,
                         not exists (
                             select from {source} t where t.id >= a.below and t.id < a.pending_below
                             and not exists (select from audit_entries e where e.source = a.source and e.entry_id = t.id)) as none_left,
                         coalesce((select max(entry_id) from audit_entries e where e.source = a.source), 0) as highest
                  from audit_marks a where a.source = %(source)s) s
            where m.source = s.source""",
        {"source": source},
    )


def last_seal(tx: Transaction) -> Seal | None:
    """The end of the chain."""
    row = tx.row(f"select {_SEAL} from audit_seals order by number desc limit 1")
    return None if row is None else Seal(*row)


def add(tx: Transaction, seal: Seal, entries: Sequence[Sealed]) -> None:
    """Keep a seal and what it covers, in this order."""
    tx.execute(f"insert into audit_seals ({_SEAL}) values (%s, %s, %s, %s, %s, %s)", seal)
    tx.execute(
        """insert into audit_entries (seal, position, source, entry_id, salt, text_digest, digest)
           select %s, w.* from unnest(%b::int[], %b::text[], %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[]) as w""",
        (
            seal.number,
            arrays.ints(range(len(entries))),
            arrays.texts(entry.source for entry in entries),
            arrays.big_ints(entry.entry_id for entry in entries),
            arrays.blobs(entry.salt for entry in entries),
            arrays.blobs(entry.text_digest for entry in entries),
            arrays.blobs(entry.digest for entry in entries),
        ),
    )


def chain(tx: Transaction, after: int, most: int) -> Iterator[tuple[Seal, list[tuple[Sealed, Entry | None]]]]:
    """Up to `most` seals after this number, each with what it covers and what the histories have now."""
    seals = [Seal(*row) for row in tx.rows(f"select {_SEAL} from audit_seals where number > %s order by number limit %s", (after, most))]
    for seal in seals:
        kept = [
            Sealed(*row)
            for row in tx.rows(
                "select source, entry_id, salt, text_digest, digest from audit_entries where seal = %s order by position", (seal.number,)
            )
        ]
        found: dict[tuple[str, int], Entry] = {}
        for name, source in SOURCES.items():
            ids = [one.entry_id for one in kept if one.source == name]
            if ids:
                rows = tx.rows(
                    f"select t.id, {source.columns()} from {name} t where t.id between %s and %s and t.id = any(%b)",
                    (min(ids), max(ids), arrays.big_ints(ids)),
                )
                found |= {(name, row[0]): _entry(name, row) for row in rows}
        yield seal, [(one, found.get((one.source, one.entry_id))) for one in kept]


def count_unsealed(tx: Transaction) -> int:
    """How many entries no seal covers, wherever they are."""
    counts = " + ".join(
        f"(select count(*) from {name} t where not exists (select from audit_entries e where e.source = '{name}' and e.entry_id = t.id))"
        for name in SOURCES
    )
    row = tx.row(f"select {counts}")
    assert row is not None  # noqa: S101 - an aggregate always gives a row
    return int(row[0])


_SEAL = "number, sealed_at, entries, previous, root, digest"
