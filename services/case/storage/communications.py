"""Communications with their attachments, and which cases they feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from services.case.storage.records import Document, insert
from shared.schemas.parts import Handle
from shared.storage import Transaction, arrays


class Communication(NamedTuple):
    """A communication as it is kept. Field names are the columns."""

    id: UUID
    revision: int
    config_version: int
    conversation_id: UUID
    effect: str
    direction: str
    method: str
    channel_account: str
    location: str
    sender_kind: str
    sender: str
    sender_name: str
    recipients: tuple[str, ...]
    contact_id: UUID | None
    subject_line: str
    body: str
    body_truncated: bool
    own_text_length: int | None
    message_id: str
    in_reply_to: str
    reference_ids: tuple[str, ...]
    robot: str
    raw_sha256: str | None
    raw_size: int | None
    occurred_at: datetime
    received_at: datetime
    script_answers: Document
    suggested_case: UUID | None
    reason: str
    old: bool
    entered_by: str


class Attachment(NamedTuple):
    """A file that came with a communication, by its content's digest."""

    communication_id: UUID
    position: int
    sha256: str
    size: int
    filename: str
    content_type: str
    is_inline: bool
    danger: str


class CaseCommunication(NamedTuple):
    """That a communication feeds a case. The case at position 0 gives the communication's events their key, which never changes: only
    what was decided when it was recorded has that position.
    """

    communication_id: UUID
    case_id: UUID
    position: int


class JoinedConversation(NamedTuple):
    """A conversation that began with a mail which joined a case by its number (EDGE-1): what answers that mail joins as well."""

    conversation_id: UUID
    case_id: UUID


@dataclass(frozen=True, slots=True)
class Expiring:
    """What an expiry needs to know of a communication."""

    id: UUID
    revision: int
    config_version: int
    conversation_id: UUID
    method: str
    direction: str
    robot: str
    subject_line: str
    contact_id: UUID | None
    customer_name: str
    customer_email: str
    occurred_at: datetime
    is_expired: bool
    case_ids: Sequence[UUID]
    key: UUID


@dataclass(frozen=True, slots=True)
class Kept:
    """What a command of staff needs to know of a communication that is kept; `key`: that of its events."""

    communication_id: UUID
    revision: int
    config_version: int
    conversation_id: UUID
    effect: str
    direction: str
    method: str
    channel_account: str
    sender: Handle
    recipients: Sequence[str]
    contact_id: UUID | None
    subject_line: str
    robot: str
    reason: str
    suggested_case: UUID | None
    occurred_at: datetime
    old: bool
    is_expired: bool
    is_erased: bool
    script_answers: Sequence[dict[str, Any]]
    case_ids: Sequence[UUID]
    key: UUID
    next_position: int
    """That of the next case which it feeds."""


# A split may have taken that case's link away; the key stays.
_KEY = """coalesce((select case_id from case_communications where communication_id = c.id and position = 0),
                  (select case_id from moved_communications where communication_id = c.id and position = 0), c.id)"""
_CASES = "array(select case_id from case_communications where communication_id = c.id order by position)"


def known(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these are recorded already."""
    return {row[0] for row in tx.rows("select id from communications where id = any(%b)", (arrays.uuids(ids),))}


def add(
    tx: Transaction,
    communications: Sequence[Communication],
    attachments: Sequence[Attachment],
    links: Sequence[CaseCommunication],
    joined: Sequence[JoinedConversation],
) -> None:
    """Record communications with what came along, and the cases they feed.

    One that another replica records at this moment fails the statement: done again, the batch knows it.
    """
    insert(tx, "communications", communications)
    insert(tx, "attachments", attachments)
    insert(tx, "case_communications", links)
    insert(tx, "joined_conversations", joined, "on conflict do nothing")


def lock_expiring(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Expiring]:
    """Lock these communications in the order of their ids, and load them with the cases they feed."""
    tx.execute("select id from communications where id = any(%s) order by id for update", (list(ids),))
    rows = tx.rows(
        f"""select c.id, c.revision, c.config_version, c.conversation_id, c.method, c.direction, c.robot, c.subject_line, c.contact_id,
                  coalesce(p.name, c.sender_name), coalesce(p.email, case c.sender_kind when 'email' then c.sender else '' end),
                  c.occurred_at, c.expired_at is not null, {_CASES}, {_KEY}
           from communications c left join contacts p on p.id = c.contact_id where c.id = any(%s)""",
        (list(ids),),
    )
    return {row[0]: Expiring(*row) for row in rows}


def unexpired_by_case(tx: Transaction, case_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """The customers' own communications (inbound; of robots only what opened them) on each of these cases that have not expired.

    Old ones are not among them: they never expire, and would keep their cases from it.
    """
    rows = tx.rows(
        """select l.case_id, c.id from case_communications l join communications c on c.id = l.communication_id
           where l.case_id = any(%s) and c.expired_at is null and c.direction = 'inbound'
             and (c.robot = 'none' or c.effect = 'opens') and not c.old""",
        (list(case_ids),),
    )
    found: dict[UUID, set[UUID]] = {}
    for case_id, communication_id in rows:
        found.setdefault(case_id, set()).add(communication_id)
    return found


def expire(tx: Transaction, ids: Sequence[UUID], now: datetime) -> None:
    """Mark these as expired; they are locked."""
    tx.execute("update communications set expired_at = %s, revision = revision + 1 where id = any(%s)", (now, list(ids)))


def lock(tx: Transaction, communication_id: UUID) -> Kept | None:
    """Lock a communication, and load it. Whoever locks cases too does so afterwards."""
    return lock_all(tx, [communication_id]).get(communication_id)


def lock_all(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Kept]:
    """Lock these communications in the order of their ids, and load them."""
    # Two statements: the second sees what the holder of the lock has committed, in every table.
    tx.execute("select from communications where id = any(%s) order by id for update", (list(ids),))
    rows = tx.rows(
        f"""select id, revision, config_version, conversation_id, effect, direction, method, channel_account, sender_kind, sender,
                   sender_name, recipients, contact_id, subject_line, robot, reason, suggested_case, occurred_at, old,
                   expired_at is not null, erased_at is not null, script_answers, {_CASES}, {_KEY},
                   coalesce((select max(position) from case_communications where communication_id = c.id), 0) + 1
            from communications c where id = any(%s)""",
        (list(ids),),
    )
    return {row[0]: _kept(row) for row in rows}


def _kept(row: Sequence[Any]) -> Kept:
    values = list(row)
    kind, value, name = values[8:11]
    values[8:11] = [Handle(kind=kind, value=value, name=name)]
    return Kept(*values)


def count_up(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Count the revision of these, which are locked: the cases that they feed have changed."""
    tx.execute("update communications set revision = revision + 1 where id = any(%s)", (list(ids),))


def relate(tx: Transaction, kept: Kept, links: Sequence[CaseCommunication], joined: Sequence[JoinedConversation]) -> None:
    """Write what a command changed of a communication that is locked, and the further cases that it feeds."""
    tx.execute(
        "update communications set revision = %s, effect = %s, reason = %s, suggested_case = %s, contact_id = %s where id = %s",
        (kept.revision, kept.effect, kept.reason, kept.suggested_case, kept.contact_id, kept.communication_id),
    )
    insert(tx, "case_communications", links)
    insert(tx, "joined_conversations", joined, "on conflict do nothing")


def answer(tx: Transaction, kept: Kept) -> None:
    """Write the script answers of a communication that is locked, and its revision."""
    tx.execute(
        "update communications set revision = %s, script_answers = %s::jsonb where id = %s",
        (kept.revision, orjson.dumps(list(kept.script_answers)).decode(), kept.communication_id),
    )
