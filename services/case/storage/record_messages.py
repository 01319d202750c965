"""Messages that belong to no case: about leads, and to contacts; and what else communications are about (NOTE-2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.case import Change
from services.case.domain.leads.lead import Lead
from services.case.domain.messages import MessageFile
from services.case.domain.notes import RecordKind, record_entries
from services.case.storage import notes
from services.case.storage.messages import Written
from services.case.storage.records import insert
from shared.storage import Transaction, arrays

LEAD, TASK = "lead", "task"


class CommunicationItem(NamedTuple):
    """That a communication is about a lead or a task. Field names are those of the table `communication_items`."""

    communication_id: UUID
    kind: str
    item_id: UUID


class LeadThread(NamedTuple):
    """A lead that a conversation belongs to: its id names the conversation."""

    id: UUID
    contact_id: UUID | None
    is_open: bool
    number: str
    title: str
    lead_type: str
    status: str
    priority: int
    unit: str
    owner: str | None


_WRITTEN = """select c.recipients[1], c.subject_line, c.body, d.state,
                     (select count(*) from attachments a where a.communication_id = c.id), c.erased_at is not null
              from communications c join deliveries d on d.communication_id = c.id"""


def add(tx: Transaction, items: Sequence[CommunicationItem]) -> None:
    """Keep what communications are about."""
    insert(tx, "communication_items", items, "on conflict do nothing")


def add_to_leads(tx: Transaction, items: Sequence[CommunicationItem], by: str, at: datetime) -> None:
    """Keep that communications are about leads, with the history of these. `by`: who wrote, or let them in."""
    add(tx, items)
    told = [(item.item_id, Change("communication", None, str(item.communication_id))) for item in items]
    notes.add_history(tx, [entry for lead, change in told for entry in record_entries(RecordKind.LEAD, lead, None, (change,), by, at)])


def leads_of(tx: Transaction, conversations: Sequence[UUID]) -> dict[UUID, LeadThread]:
    """Those of these conversations that are of leads."""
    rows = tx.rows(
        """select id, contact_id, state in ('pending', 'in_progress'), number, title, type, status, priority, unit, owner
           from leads where id = any(%b)""",
        (arrays.uuids(conversations),),
    )
    return {row[0]: LeadThread(*row) for row in rows}


def last_mail(tx: Transaction, lead: Lead) -> str:
    """The Message-ID of the mail that the customer wrote last about this lead, which may have been opened from it; empty: none."""
    row = tx.row(
        """select c.message_id from communications c
           where c.direction = 'inbound' and c.message_id <> '' and c.robot = 'none'
             and (c.id = %(opened_from)s::uuid
                  or c.id in (select communication_id from communication_items where kind = 'lead' and item_id = %(lead)s))
           order by c.received_at desc, c.id limit 1""",
        {"lead": lead.id, "opened_from": lead.communication_id},
    )
    return str(row[0]) if row else ""


def files_of_lead(tx: Transaction, lead_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[MessageFile]:
    """These files of the lead's communications, each by its communication and position, in their order; unknown ones are left out."""
    rows = tx.rows(
        """select a.sha256, a.size, a.filename, a.content_type, a.danger
           from unnest(%(ids)b::uuid[], %(positions)b::int[]) with ordinality as w (communication_id, position, place)
           join attachments a using (communication_id, position)
           where a.communication_id in (select communication_id from communication_items where kind = 'lead' and item_id = %(lead)s)
           order by w.place""",
        {"ids": arrays.uuids(id for id, _ in wanted), "positions": arrays.ints(place for _, place in wanted), "lead": lead_id},
    )
    return [MessageFile(*row) for row in rows]


def written_about_lead(tx: Transaction, lead_id: UUID, communication_id: UUID) -> Written | None:
    """A message about this lead."""
    row = tx.row(
        f"{_WRITTEN} join communication_items i on i.communication_id = c.id where c.id = %s and i.kind = 'lead' and i.item_id = %s",
        (communication_id, lead_id),
    )
    return None if row is None else Written(*row)


def task_of(tx: Transaction, communication_id: UUID) -> UUID | None:
    """The task that a message was written for."""
    row = tx.row("select item_id from communication_items where communication_id = %s and kind = 'task'", (communication_id,))
    return row[0] if row else None


def written_to_contact(tx: Transaction, contact_id: UUID, communication_id: UUID) -> Written | None:
    """A message to this contact about no case, lead or task."""
    row = tx.row(
        f"""{_WRITTEN} where c.id = %s and c.contact_id = %s and d.definition = ''
              and not exists (select from case_communications l where l.communication_id = c.id)
              and not exists (select from communication_items i where i.communication_id = c.id)""",
        (communication_id, contact_id),
    )
    return None if row is None else Written(*row)


def files_of_message(tx: Transaction, communication_id: UUID) -> list[MessageFile]:
    """The files of a message, in their order."""
    rows = tx.rows(
        "select sha256, size, filename, content_type, danger from attachments where communication_id = %s order by position",
        (communication_id,),
    )
    return [MessageFile(*row) for row in rows]
