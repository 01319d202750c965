"""All that is kept of one contact: locked and erased together, or given out (EDGE-17).

Whatever table comes to hold something of a person is named here: in `erase_contact` and in `SECTIONS`. A test compares them with the
schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.case.domain.case import Case
from services.case.domain.erasure import KEPT_CASE_FIELDS, KEPT_LEAD_FIELDS, KEPT_RECORD_FIELDS
from services.case.domain.retention import ERASED
from services.case.storage import cases, contacts
from shared.storage import Transaction, arrays


@dataclass(frozen=True, slots=True)
class Person:
    """A contact with all that is theirs, locked."""

    id: UUID
    revision: int
    is_erased: bool
    communications: Sequence[UUID]
    """Those that are not erased yet, each with its revision in `revisions`."""
    revisions: dict[UUID, int]
    cases: dict[UUID, Case]
    """Theirs, and those that their communications feed."""
    fed: dict[UUID, tuple[UUID, ...]]
    """By communication, the cases that it feeds."""
    held: tuple[str, ...]
    """Numbers of those cases that are on legal hold."""
    merged_into: UUID | None
    """The contact that they turned out to be: all that was theirs is that one's now."""
    merged: tuple[UUID, ...]
    """Contacts that turned out to be this one."""


def lock(tx: Transaction, contact_id: UUID) -> Person | None:
    """Lock a contact's communications, their cases and then the contact, each in the order of ids. Nobody records by handles meanwhile."""
    contacts.alone(tx)
    rows = tx.rows(
        "select id, revision from communications where contact_id = %s and erased_at is null order by id for update", (contact_id,)
    )
    ids = [row[0] for row in rows]
    links = tx.rows(
        "select communication_id, case_id from case_communications where communication_id = any(%b) order by position", (arrays.uuids(ids),)
    )
    fed: dict[UUID, tuple[UUID, ...]] = dict.fromkeys(ids, ())
    for communication, case in links:
        fed[communication] += (case,)
    own = [row[0] for row in tx.rows("select id from cases where contact_id = %s", (contact_id,))]
    concerned = sorted({*own, *(case for _, case in links)})
    locked = cases.lock(tx, concerned)
    held = tx.rows("select number from cases where id = any(%b) and legal_hold order by number", (arrays.uuids(concerned),))
    merged = [
        row[0]
        for row in tx.rows(
            """with recursive same (id) as (
                   select id from contacts where merged_into = %s
                   union
                   select c.id from same join contacts c on c.merged_into = same.id)
               select id from same order by id""",
            (contact_id,),
        )
    ]
    tx.execute("select from contacts where id = any(%b) order by id for update", (arrays.uuids([contact_id, *merged]),))
    found = tx.row("select revision, erased_at is not null, merged_into from contacts where id = %s", (contact_id,))
    if found is None:
        return None
    revision, is_erased, into = found
    return Person(contact_id, revision, is_erased, ids, dict(rows), locked, fed, tuple(row[0] for row in held), into, tuple(merged))


def erase_contact(tx: Transaction, person: Person, own_cases: Sequence[UUID], now: datetime) -> None:
    """Erase what is kept of a locked contact besides communications and the rows of cases, which are erased with them."""
    values = {
        "contact": person.id,
        "contacts": arrays.uuids([person.id, *person.merged]),
        "cases": arrays.uuids(own_cases),
        "mark": ERASED,
        "now": now,
        "case_fields": arrays.texts(sorted(KEPT_CASE_FIELDS)),
        "record_fields": arrays.texts(sorted(KEPT_RECORD_FIELDS)),
        "lead_fields": arrays.texts(sorted(KEPT_LEAD_FIELDS)),
    }
    both = "old_value = case when old_value is null then null else %(mark)s end, "
    both += "new_value = case when new_value is null then null else %(mark)s end"
    tx.execute(
        f"""update history set {both} where field <> all(%(case_fields)b)
            and (case_id = any(%(cases)b) or case_id in (select d.id from deleted_cases d join communications m on m.id = d.communication_id
                                                         where m.contact_id = %(contact)s))""",
        values,
    )
    tx.execute(
        """update deleted_cases set reason = '' where communication_id in (
               select id from communications where contact_id = %(contact)s)""",
        values,
    )
    # Why it was merged or split, somebody wrote; the rest of what a merge keeps are states and times.
    tx.execute(
        """update case_merges set reason = '', before = jsonb_set(before, '{reason}', '""')
           where case_id = any(%(cases)b) or into_id = any(%(cases)b)""",
        values,
    )
    tx.execute("update case_splits set reason = '' where case_id = any(%(cases)b) or new_id = any(%(cases)b)", values)
    tx.execute(
        """update answers set text = case when text = '' then '' else %(mark)s end,
                              comment = case when comment = '' then '' else %(mark)s end
           where case_id = any(%(cases)b)""",
        values,
    )
    tx.execute(
        f"""update record_history set {both}
            where kind = 'contact' and record_id = any(%(contacts)b) and field <> all(%(record_fields)b)""",
        values,
    )
    tx.execute(
        """update feedback_answers set comment = %(mark)s where comment <> '' and feedback_id in (
               select id from feedback where case_id = any(%(cases)b))""",
        values,
    )
    leads = "select id from leads where contact_id = any(%(contacts)b)"
    tx.execute(
        f"""update record_history set {both}
            where kind = 'lead' and record_id in ({leads}) and field <> all(%(lead_fields)b)""",
        values,
    )
    tx.execute(f"update notes set text = %(mark)s where kind = 'lead' and record_id in ({leads})", values)
    tx.execute(
        """update leads set title = %(mark)s, description = '', customer_name = '', customer_email = '', customer_phone = '', reason = '',
                            revision = revision + 1
           where contact_id = any(%(contacts)b)""",
        values,
    )
    # An account that nobody is left of tells who they were.
    tx.execute(
        """update accounts a set name = %(mark)s, revision = revision + 1
           where a.id in (select account_id from contacts where id = any(%(contacts)b))
             and not exists (select from contacts c where c.account_id = a.id and c.erased_at is null and not c.id = any(%(contacts)b))""",
        values,
    )
    tx.execute(
        """update notes set text = %(mark)s
           where kind = 'contact' and record_id = any(%(contacts)b) or kind = 'case' and record_id = any(%(cases)b)
              or kind = 'account' and record_id in (select a.id from accounts a join contacts c on c.account_id = a.id
                                                    where c.id = any(%(contacts)b) and a.name = %(mark)s)""",
        values,
    )
    tx.execute(
        """update commands set response = jsonb_set(response, '{content}', jsonb_build_object('id', response -> 'content' -> 'id'))
           where response -> 'content' ->> 'id' in (
               select id::text from unnest(%(contacts)b::uuid[]) as t (id)
               union all select id::text from unnest(%(cases)b::uuid[]) as t (id)
               union all select id::text from leads where contact_id = any(%(contacts)b))""",
        values,
    )
    # What merges keep for their undoing are names and handles: they are final now.
    for table in ("contact_merge_handles", "contact_merge_records"):
        tx.execute(
            f"""delete from {table} where merge_id in (
                    select id from contact_merges where source = any(%(contacts)b) or target = any(%(contacts)b))""",
            values,
        )
    tx.execute("delete from contact_merges where source = any(%(contacts)b) or target = any(%(contacts)b)", values)
    # What is known of a handle that others have too stays theirs.
    tx.execute(
        """delete from undeliverable_handles u using handles h
           where h.contact_id = any(%(contacts)b) and h.kind = u.kind and h.value = u.value
             and not exists (select from handles o where o.kind = u.kind and o.value = u.value and o.contact_id <> all(%(contacts)b))""",
        values,
    )
    tx.execute("delete from handles where contact_id = any(%(contacts)b)", values)
    tx.execute(
        """update contacts set name = %(mark)s, email = '', erased_at = %(now)s, revision = revision + 1
           where id = any(%(contacts)b)""",
        values,
    )


class Section(NamedTuple):
    """A part of what is given out of a contact: its name, and the query whose rows it lists."""

    name: str
    sql: str


_CASES = "(select id from cases where contact_id = %(contact)s)"
_MAILS = "(select id from communications where contact_id = %(contact)s)"
SECTIONS = (
    Section("contact", "select to_jsonb(c) from contacts c where id = %(contact)s"),
    Section("account", "select to_jsonb(a) from accounts a where id = (select account_id from contacts where id = %(contact)s)"),
    Section("merged_contacts", "select to_jsonb(m) from contact_merges m where target = %(contact)s order by merged_at"),
    Section("handles", "select to_jsonb(h) from handles h where contact_id = %(contact)s order by kind, value"),
    Section(
        "undeliverable_handles",
        """select to_jsonb(u) from handles h join undeliverable_handles u using (kind, value)
           where h.contact_id = %(contact)s order by u.kind, u.value""",
    ),
    Section(
        "communications",
        f"""select to_jsonb(c) || jsonb_build_object('case_ids', array(
                   select case_id from case_communications l where l.communication_id = c.id order by position))
            from communications c where id in {_MAILS} order by received_at, id""",
    ),
    Section("attachments", f"select to_jsonb(a) from attachments a where communication_id in {_MAILS} order by communication_id, position"),
    Section("deliveries", f"select to_jsonb(d) from deliveries d where communication_id in {_MAILS} order by communication_id"),
    Section("calls", f"select to_jsonb(c) from calls c where communication_id in {_MAILS} order by communication_id"),
    Section("cases", "select to_jsonb(c) from cases c where contact_id = %(contact)s order by opened_at, id"),
    Section("answers", f"select to_jsonb(a) from answers a where case_id in {_CASES} order by case_id, given_at"),
    Section("leads", "select to_jsonb(l) from leads l where contact_id = %(contact)s order by opened_at, id"),
    Section(
        "lead_history",
        """select to_jsonb(h) from record_history h
           where kind = 'lead' and record_id in (select id from leads where contact_id = %(contact)s) order by id""",
    ),
    Section("products", f"select to_jsonb(p) from case_products p where case_id in {_CASES} order by id"),
    Section(
        "feedback",
        f"""select to_jsonb(f) || jsonb_build_object('answers', (select jsonb_agg(to_jsonb(a) order by position) from feedback_answers a
                                                                 where a.feedback_id = f.id))
            from feedback f where case_id in {_CASES} order by given_at""",
    ),
    Section("case_merges", f"select to_jsonb(m) from case_merges m where case_id in {_CASES} order by merged_at"),
    Section("case_splits", f"select to_jsonb(s) from case_splits s where case_id in {_CASES} order by split_at"),
    Section("deleted_cases", f"select to_jsonb(d) from deleted_cases d where communication_id in {_MAILS} order by deleted_at"),
    Section("case_history", f"select to_jsonb(h) from history h where case_id in {_CASES} order by id"),
    Section("contact_history", "select to_jsonb(h) from record_history h where kind = 'contact' and record_id = %(contact)s order by id"),
    Section(
        "notes",
        f"""select to_jsonb(n) from notes n
            where kind = 'contact' and record_id = %(contact)s or kind = 'case' and record_id in {_CASES}
               or kind = 'lead' and record_id in (select id from leads where contact_id = %(contact)s) order by written_at, id""",
    ),
)


def exists(tx: Transaction, contact_id: UUID) -> bool:
    """Whether there is such a contact."""
    return tx.row("select 1 from contacts where id = %s", (contact_id,)) is not None


def sections(tx: Transaction, contact_id: UUID) -> Iterator[tuple[str, list[Any]]]:
    """All that is kept of a contact, section by section; each row as its columns have it."""
    for section in SECTIONS:
        yield section.name, [row[0] for row in tx.rows(section.sql, {"contact": contact_id})]


class KeptFile(NamedTuple):
    """A content that belongs to a contact's communication; `position` -1: the message as it came."""

    communication_id: UUID
    position: int
    sha256: str
    size: int
    filename: str


def files(tx: Transaction, contact_id: UUID) -> list[KeptFile]:
    """The contents that are still kept of a contact's communications."""
    rows = tx.rows(
        """select c.id, -1, c.raw_sha256, c.raw_size, 'message', c.received_at from communications c
           where c.contact_id = %(contact)s and c.raw_sha256 is not null
           union all
           select c.id, a.position, a.sha256, a.size, a.filename, c.received_at from communications c
           join attachments a on a.communication_id = c.id where c.contact_id = %(contact)s and a.sha256 is not null
           order by 6, 1, 2""",
        {"contact": contact_id},
    )
    return [KeptFile(*row[:5]) for row in rows]
