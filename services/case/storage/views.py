"""Reading for the API: lists by key, and single records with what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self
from uuid import UUID

from shared.storage import Transaction

CASE_COLUMNS = """id, number, revision, config_version, subject, title, communication_id, conversation_id, method,
    contact_id, account_id, customer_name, customer_email, state, status, status_before, urgency, impact, priority, category, unit, owner,
    waiting_for_customer, needs_review, reason, opened_at, responded_at, resolved_at, completed_at, expected_completion_at,
    changed_at, changed_by, response_category, temporary_category, final_category, awaiting_acceptance, estimated_completion_at,
    legal_hold, merged_into, parent_id, customer_updated_at"""
_COMMUNICATION = """id, revision, config_version, conversation_id, effect, direction, method, channel_account, location,
    sender_kind, sender, sender_name, recipients, contact_id, subject_line, robot, message_id, occurred_at, received_at, expired_at,
    suggested_case, reason, old, entered_by, files_removed_at, erased_at,
    (select jsonb_build_object('stage', stage, 'rang_at', rang_at, 'answered_at', answered_at, 'answered_by', answered_by,
                               'ended_at', ended_at, 'outcome', outcome, 'duration_seconds', seconds)
     from calls where calls.communication_id = communications.id) as call,
    (select jsonb_build_object('state', state, 'error', error, 'at', changed_at, 'definition', definition)
     from deliveries where deliveries.communication_id = communications.id) as delivery,
    (select min(i.item_id::text)::uuid from communication_items i
     where i.communication_id = communications.id and i.kind = 'task') as task_id,
    (select min(i.item_id::text)::uuid from communication_items i
     where i.communication_id = communications.id and i.kind = 'lead') as lead_id,
    array(select case_id from case_communications l where l.communication_id = communications.id order by position) as case_ids"""


@dataclass(slots=True)
class Conditions:
    """Conditions of a query that must all hold, with their parameters."""

    texts: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)

    def add(self, text: str, **params: Any) -> None:
        """Add a condition over named parameters."""
        self.texts.append(text)
        self.params |= params

    def sql(self) -> str:
        """The conditions as a `where` clause, or nothing."""
        return f"where {' and '.join(self.texts)}" if self.texts else ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which cases the reader may see: all of them, those of a unit (and their own), or only their own.

    With a communication of one of these they see that too; and those that they entered, or from which they opened or joined a case,
    wherever that went.
    """

    unit: str | None = None
    owner: str | None = None

    @classmethod
    def reached_by(cls, scope: Literal["own", "unit", "all"], unit: str, user: str) -> Self:
        """Those that this user, of this unit, reaches."""
        return cls() if scope == "all" else cls(unit if scope == "unit" else None, user)

    def restrict(self, conditions: Conditions) -> None:
        """Add what limits a query of `cases` to these rows."""
        if self.unit is not None:
            conditions.add("(unit = %(row_unit)s or owner = %(row_owner)s)", row_unit=self.unit, row_owner=self.owner)
        elif self.owner is not None:
            conditions.add("owner = %(row_owner)s", row_owner=self.owner)

    def restrict_communications(self, conditions: Conditions) -> None:
        """Add what limits a query of `communications` to those that feed a case among these rows or are about a lead that the reader
        reaches likewise; for a unit, also to those of no case and no lead.
        """
        if self.unit is None and self.owner is None:
            return
        inner = Conditions()
        self.restrict(inner)
        fed = "case_communications l join cases on cases.id = l.case_id where l.communication_id = communications.id"
        seen = f"exists (select from {fed} and {' and '.join(inner.texts)})"
        about = "communication_items i join leads on leads.id = i.item_id and i.kind = 'lead' where i.communication_id = communications.id"
        seen = f"{seen} or exists (select from {about} and {' and '.join(inner.texts)})"
        if self.unit is not None:
            fed_none = "not exists (select from case_communications l where l.communication_id = communications.id)"
            seen = f"{seen} or {fed_none} and not exists (select from {about})"
        own = """exists (select from case_communications l join history h on h.case_id = l.case_id
                         where l.communication_id = communications.id and h.field = 'communication'
                           and h.new_value = communications.id::text and h.changed_by = %(row_owner)s)"""
        conditions.add(f"({seen} or entered_by = %(row_owner)s or {own})", **inner.params)


def list_cases(tx: Transaction, filters: dict[str, Any], rows: Rows, after: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
    """Cases, the newest first. `filters`: columns to values; None filters nothing. Whole lists with their orders: `storage.lists`."""
    conditions = Conditions()
    rows.restrict(conditions)
    for column in ("state", "unit", "owner", "subject", "number", "contact_id"):
        if filters.get(column) is not None:
            conditions.add(f"{column} = %({column})s", **{column: filters[column]})
    if after is not None:
        conditions.add("(opened_at, id) < (%(at)s::timestamptz, %(id)s::uuid)", at=after[0], id=after[1])
    sql = f"select {CASE_COLUMNS} from cases {conditions.sql()} order by opened_at desc, id desc limit {int(limit)}"
    return tx.dicts(sql, conditions.params)


def show_case(tx: Transaction, case_id: UUID, with_communications: bool) -> dict[str, Any] | None:
    """A case, and its communications where they are asked for."""
    found = tx.dicts(f"select {CASE_COLUMNS} from cases where id = %s", (case_id,))
    if not found:
        return None
    if not with_communications:
        return found[0]
    communications = tx.dicts(
        f"""select {_COMMUNICATION}, body, own_text_length from communications
            where id in (select communication_id from case_communications where case_id = %s) order by received_at, id""",
        (case_id,),
    )
    return found[0] | {"communications": _with_attachments(tx, communications)}


def communications_of_lead(tx: Transaction, lead_id: UUID, most: int) -> list[dict[str, Any]]:
    """The newest communications about a lead, in the order in which they came. That it was opened from may belong to others' cases."""
    found = tx.dicts(
        f"""select {_COMMUNICATION}, body, own_text_length from communications
            where id in (select communication_id from communication_items where kind = 'lead' and item_id = %s)
            order by received_at desc, id desc limit {int(most)}""",
        (lead_id,),
    )
    return _with_attachments(tx, found[::-1])


def history(tx: Transaction, case_id: UUID, after: int, limit: int) -> list[dict[str, Any]]:
    """The history of a case, the oldest first, after the entry with this id."""
    return tx.dicts(
        """select id, revision, field, old_value as old, new_value as new, changed_by as "by", changed_at as at
           from history where case_id = %s and id > %s order by id limit %s""",
        (case_id, after, limit),
    )


def list_communications(
    tx: Transaction, filters: dict[str, Any], rows: Rows, after: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """Communications without their text, the newest first."""
    conditions = Conditions()
    rows.restrict_communications(conditions)
    for column in ("conversation_id", "contact_id", "method", "message_id", "effect", "reason"):
        if filters.get(column) is not None:
            conditions.add(f"{column} = %({column})s", **{column: filters[column]})
    if after is not None:
        conditions.add("(received_at, id) < (%(at)s::timestamptz, %(id)s::uuid)", at=after[0], id=after[1])
    return tx.dicts(
        f"select {_COMMUNICATION} from communications {conditions.sql()} order by received_at desc, id desc limit {int(limit)}",
        conditions.params,
    )


def show_communication(tx: Transaction, communication_id: UUID, rows: Rows) -> dict[str, Any] | None:
    """A communication with its text, attachments, script answers, and the contacts who share its sender's handle."""
    conditions = Conditions()
    rows.restrict_communications(conditions)
    conditions.add("id = %(id)s", id=communication_id)
    found = tx.dicts(
        f"""select {_COMMUNICATION}, body, body_truncated, own_text_length, in_reply_to, reference_ids, raw_sha256, raw_size,
                   script_answers,
                   greatest(occurred_at, (
                       select max(m.occurred_at) from case_communications l join case_communications o using (case_id)
                       join communications m on m.id = o.communication_id and m.conversation_id = communications.conversation_id
                           and m.robot <> 'notice'
                       where l.communication_id = communications.id)) as last_activity_at
            from communications {conditions.sql()}""",
        conditions.params,
    )
    if not found:
        return None
    candidates = tx.dicts(
        """select c.id, c.name from handles h join contacts c on c.id = h.contact_id where h.kind = %s and h.value = lower(%s)
           order by c.created_at, c.id""",
        (found[0]["sender_kind"], found[0]["sender"]),
    )
    return _with_attachments(tx, found)[0] | {"candidates": candidates}


def reaches(tx: Transaction, communication_id: UUID, rows: Rows) -> bool:
    """Whether this communication is among those that the reader may see."""
    conditions = Conditions()
    rows.restrict_communications(conditions)
    conditions.add("id = %(id)s", id=communication_id)
    return bool(tx.rows(f"select 1 from communications {conditions.sql()}", conditions.params))


class StoredFile(NamedTuple):
    """A file of a communication, by its content's digest; None: it is not kept any more."""

    sha256: str | None
    size: int
    filename: str
    content_type: str
    danger: str


class RawMessage(NamedTuple):
    """A message as it came; `is_mail`: it is one of RFC 5322, not a gateway's own form."""

    sha256: str
    size: int
    is_mail: bool


def attachment(tx: Transaction, communication_id: UUID, position: int, rows: Rows) -> StoredFile | None:
    """One file of a communication that is within these rows."""
    conditions = Conditions()
    rows.restrict_communications(conditions)
    conditions.add("communications.id = %(id)s and position = %(position)s", id=communication_id, position=position)
    row = tx.row(
        f"""select a.sha256, a.size, a.filename, a.content_type, a.danger
            from communications join attachments a on a.communication_id = communications.id {conditions.sql()}""",
        conditions.params,
    )
    return None if row is None else StoredFile(*row)


def raw_message(tx: Transaction, communication_id: UUID, rows: Rows) -> RawMessage | None:
    """The message that a communication within these rows came as, if it was kept."""
    conditions = Conditions()
    rows.restrict_communications(conditions)
    conditions.add("id = %(id)s and raw_sha256 is not null", id=communication_id)
    row = tx.row(f"select raw_sha256, raw_size, message_id <> '' from communications {conditions.sql()}", conditions.params)
    return None if row is None else RawMessage(*row)


def _with_attachments(tx: Transaction, communications: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = tx.dicts(
        """select communication_id, position, sha256, size, filename, content_type, is_inline as inline, danger
           from attachments where communication_id = any(%s) order by communication_id, position""",
        ([communication["id"] for communication in communications],),
    )
    by_communication: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        by_communication.setdefault(row.pop("communication_id"), []).append(row)
    return [communication | {"attachments": by_communication.get(communication["id"], [])} for communication in communications]


def counts(tx: Transaction) -> dict[str, int]:
    """How many records of each kind this service owns; of communications those that did not go out by themselves."""
    row = tx.row(
        """select (select count(*) from communications where robot <> 'notice'),
                  (select count(*) from cases), (select count(*) from contacts),
                  (select count(*) from dead_letters where state = 'open')"""
    )
    assert row is not None  # noqa: S101 - an aggregate always gives a row
    return dict(zip(("communications", "cases", "contacts", "dead_letters"), row, strict=True))
