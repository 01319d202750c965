"""Merges of contacts: what was re-pointed, record by record, and what it was before (EDGE-11)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.case.domain.case import Case
from services.case.domain.contact_merging import HandleKey, Merge, MovedHandle
from services.case.storage import cases
from services.case.storage.records import Document, columns_of, insert
from shared.storage import Transaction, arrays


class Repointed(NamedTuple):
    """A column that refers to contacts, in a table with `id` and `revision`; rows are locked in the order of their ids."""

    table: str
    column: str


REPOINTED: tuple[Repointed, ...] = (Repointed("communications", "contact_id"), Repointed("leads", "contact_id"))
"""What a merge re-points row by row, in the order in which everybody locks them. Cases come after these: others learn of each of them."""

_MERGE = ", ".join(columns_of(Merge))
# As `records.customer_handle` has it.
_HANDLE = """(m.sender_kind, (case when m.sender_kind = 'email' then lower(h.text) else h.text end))"""
_HANDLE_TEXT = """cross join lateral (
    select case when m.direction = 'outbound' and cardinality(m.recipients) > 0 then m.recipients[1] else m.sender end) as h (text)"""


class MergeRecord(NamedTuple):
    """A row that a merge changed. Field names are those of the table `contact_merge_records`."""

    merge_id: UUID
    record_table: str
    record_id: UUID
    old_values: Document
    new_values: Document


def record(merge_id: UUID, table: str, record_id: UUID, old: dict[str, Any], new: dict[str, Any]) -> MergeRecord:
    """The record of one row's change."""
    return MergeRecord(merge_id, table, record_id, Document(orjson.dumps(old)), Document(orjson.dumps(new)))


def add(tx: Transaction, merge: Merge, handles: Sequence[MovedHandle]) -> None:
    """Keep a new merge with the handles that it moves."""
    insert(tx, "contact_merges", [merge])
    insert(tx, "contact_merge_handles", handles)


def add_records(tx: Transaction, records: Sequence[MergeRecord]) -> None:
    """Keep what a merge changed."""
    insert(tx, "contact_merge_records", records)


def get(tx: Transaction, merge_id: UUID) -> Merge | None:
    """One merge."""
    row = tx.row(f"select {_MERGE} from contact_merges where id = %s", (merge_id,))
    return None if row is None else Merge(*row)


def undone(tx: Transaction, merge: Merge) -> None:
    """Write that a merge was undone."""
    tx.execute("update contact_merges set undone_by = %s, undone_at = %s where id = %s", (merge.undone_by, merge.undone_at, merge.id))


def handles_of(tx: Transaction, merge_id: UUID) -> list[MovedHandle]:
    """The handles that a merge moved."""
    rows = tx.rows("select merge_id, kind, value, was_own from contact_merge_handles where merge_id = %s", (merge_id,))
    return [MovedHandle(*row) for row in rows]


def brought(tx: Transaction, target: UUID, handles: Collection[HandleKey], besides: UUID) -> dict[HandleKey, bool]:
    """Which of these handles other merges into the target brought that are not undone; whether the target had it itself."""
    rows = tx.rows(
        """select h.kind, h.value, bool_or(h.was_own)
           from unnest(%b::text[], %b::text[]) as wanted (kind, value) join contact_merge_handles h using (kind, value)
           join contact_merges g on g.id = h.merge_id
           where g.target = %b and g.undone_at is null and g.id <> %b group by h.kind, h.value""",
        (arrays.texts(kind for kind, _ in handles), arrays.texts(value for _, value in handles), target, besides),
    )
    return {(row[0], row[1]): row[2] for row in rows}


def repoint(tx: Transaction, merge: Merge) -> None:
    """Re-point all that is the source's, but cases, and record it."""
    for table, column in REPOINTED:
        params = {"merge": merge.id, "source": merge.source, "target": merge.target}
        tx.execute(f"select from {table} where {column} = %(source)s order by id for update", params)
        tx.execute(
            f"""with moved as (
                    update {table} set {column} = %(target)s, revision = revision + 1 where {column} = %(source)s returning id)
                insert into contact_merge_records (merge_id, record_table, record_id, old_values, new_values)
                select %(merge)s, '{table}', id, jsonb_build_object('{column}', %(source)s::uuid),
                       jsonb_build_object('{column}', %(target)s::uuid) from moved""",
            params,
        )


def keep_own(tx: Transaction, merge: Merge, handles: Collection[HandleKey]) -> None:
    """Record which communications by these handles are the target's before the merge: undoing it leaves them there."""
    tx.execute(
        f"""insert into contact_merge_records (merge_id, record_table, record_id, old_values, new_values)
            select %(merge)s, 'communications', m.id, v, v from communications m {_HANDLE_TEXT}
            cross join (select jsonb_build_object('contact_id', %(target)s::uuid)) as o (v)
            where m.contact_id = %(target)s and {_HANDLE} in (select * from unnest(%(kinds)b::text[], %(values)b::text[]))""",
        {"merge": merge.id, "target": merge.target, **_pairs(handles)},
    )


def point_back(tx: Transaction, merge: Merge) -> None:
    """Give back to the source, but cases, what `repoint` recorded."""
    for table, column in REPOINTED:
        params = {"merge": merge.id, "source": merge.source, "target": merge.target}
        chosen = f"""id in (select record_id from contact_merge_records r where r.merge_id = %(merge)s and r.record_table = '{table}'
                       and r.old_values ->> '{column}' = %(source)s::text) and {column} = %(target)s"""
        tx.execute(f"select from {table} where {chosen} order by id for update", params)
        tx.execute(f"update {table} set {column} = %(source)s, revision = revision + 1 where {chosen}", params)


def give_since(tx: Transaction, merge: Merge, handles: Collection[HandleKey]) -> list[UUID]:
    """Give to the source the survivor's communications that came since the merge by these handles; the ids of those."""
    params = {"merge": merge.id, "source": merge.source, "target": merge.target, **_pairs(handles)}
    rows = tx.rows(
        f"""select m.id from communications m {_HANDLE_TEXT}
            where m.contact_id = %(target)s and {_HANDLE} in (select * from unnest(%(kinds)b::text[], %(values)b::text[]))
              and not exists (select from contact_merge_records r
                              where r.merge_id = %(merge)s and r.record_table = 'communications' and r.record_id = m.id)
            order by m.id for update of m""",
        params,
    )
    ids = [row[0] for row in rows]
    tx.execute(
        "update communications set contact_id = %(source)s, revision = revision + 1 where id = any(%(ids)b)",
        {"source": merge.source, "ids": arrays.uuids(ids)},
    )
    return ids


def lock_cases_of(tx: Transaction, contact_id: UUID) -> list[Case]:
    """The cases of a contact, whatever their state, locked in the order of their ids."""
    ids = [row[0] for row in tx.rows("select id from cases where contact_id = %s", (contact_id,))]
    # Nobody can give the contact another case: that needs the lock which a merge holds alone.
    return list(cases.lock(tx, ids).values())


def lock_recorded_cases(
    tx: Transaction, merge: Merge, since: Collection[UUID]
) -> tuple[list[tuple[Case, dict[str, Any], dict[str, Any]]], list[Case]]:
    """The survivor's cases that this merge re-pointed, each with what its customer was and became; and those that communications `since`
    opened. All locked in the order of their ids.
    """
    recorded = {
        row[0]: (_values(row[1]), _values(row[2]))
        for row in tx.rows(
            "select record_id, old_values, new_values from contact_merge_records where merge_id = %s and record_table = 'cases'",
            (merge.id,),
        )
    }
    opened = tx.rows(
        "select c.id from case_communications l join cases c on c.id = l.case_id and c.communication_id = l.communication_id"
        " where l.communication_id = any(%b)",
        (arrays.uuids(since),),
    )
    locked = cases.lock(tx, [*recorded, *(row[0] for row in opened)])
    ours = [case for case in locked.values() if case.contact_id == merge.target]
    return [(case, *recorded[case.id]) for case in ours if case.id in recorded], [case for case in ours if case.id not in recorded]


def contact_record(tx: Transaction, merge: Merge) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the survivor took over: the fields' values before, and what they became."""
    row = tx.row(
        """select old_values, new_values from contact_merge_records
           where merge_id = %s and record_table = 'contacts' and record_id = %s""",
        (merge.id, merge.target),
    )
    return (_values(row[0]), _values(row[1])) if row else ({}, {})


def ids_with_merged(tx: Transaction, contact_id: UUID) -> list[UUID]:
    """A contact, and all who were merged into it, directly or not."""
    rows = tx.rows(
        """with recursive together (id) as (
               values (%s::uuid) union select c.id from contacts c join together t on c.merged_into = t.id)
           select id from together""",
        (contact_id,),
    )
    return [row[0] for row in rows]


def merges_of(tx: Transaction, contact_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The merges into or of this contact, the newest first."""
    return tx.dicts(
        """select g.id, g.source, s.name as source_name, g.target, t.name as target_name, g.merged_by, g.merged_at, g.undone_by, g.undone_at
           from contact_merges g join contacts s on s.id = g.source join contacts t on t.id = g.target
           where g.source = %(id)s or g.target = %(id)s order by g.merged_at desc, g.id desc limit %(limit)s""",
        {"id": contact_id, "limit": limit},
    )


def _values(kept: dict[str, Any]) -> dict[str, Any]:
    """A record's values, with ids as such."""
    return {field: UUID(value) if field.endswith("_id") and value is not None else value for field, value in kept.items()}


def _pairs(handles: Collection[HandleKey]) -> dict[str, arrays.Array]:
    return {"kinds": arrays.texts(kind for kind, _ in handles), "values": arrays.texts(value for _, value in handles)}
