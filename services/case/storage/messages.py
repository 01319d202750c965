"""Messages to customers: what became of them, whom they may go to, and what goes with them (NOTE-2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.case.domain.messages import MessageFile, Reachable
from services.case.storage.records import columns_of, insert
from shared.storage import Transaction, arrays

QUEUED, FAILED, BOUNCED = "queued", "failed", "bounced"


class Delivery(NamedTuple):
    """What became of a message. Field names are those of the table `deliveries`."""

    communication_id: UUID
    revision: int
    changed_at: datetime
    state: str
    error: str
    definition: str


class HandedIn(NamedTuple):
    """A file that waits for its message. Field names are those of the table `message_files`."""

    id: UUID
    size: int
    handed_in_at: datetime
    handed_in_by: str
    sha256: str
    filename: str
    content_type: str


class Written(NamedTuple):
    """A message as it was written. `state`: what became of it."""

    recipient: str
    subject_line: str
    text: str
    state: str
    files: int
    is_erased: bool


def keep(tx: Transaction, news: Sequence[Delivery]) -> None:
    """Keep what became of these messages, one word for each; what is older than what is known changes nothing."""
    columns = [name for name in columns_of(Delivery) if name not in ("communication_id", "definition")]
    settings = ", ".join(f"{name} = excluded.{name}" for name in columns)
    insert(
        tx,
        "deliveries",
        sorted(news, key=lambda one: one.communication_id),
        f"on conflict (communication_id) do update set {settings} where deliveries.revision < excluded.revision",
    )


def reachable(tx: Transaction, email: str, contact_id: UUID | None) -> list[Reachable]:
    """The email addresses of a customer: `email`, which the case or lead has, first, then the contact's; each as it is written, once.

    `came_back`: the last of our messages to it bounced, and nothing has come from it since.
    """
    rows = tx.rows(
        """with known (address, place) as (
               select %(email)s::text, 0
               union all select email, 1 from contacts where id = %(contact)s
               union all select value, 2 from handles where contact_id = %(contact)s and kind = 'email')
           select distinct on (lower(k.address)) k.address, k.place, coalesce(last.state = 'bounced' and not exists (
                      select from communications c where c.contact_id = %(contact)s and c.direction = 'inbound'
                        and lower(c.sender) = lower(k.address) and c.received_at > last.changed_at), false)
           from known k left join lateral (
               select d.state, d.changed_at from communications c join deliveries d on d.communication_id = c.id
               where c.contact_id = %(contact)s and c.direction = 'outbound' and lower(c.recipients[1]) = lower(k.address)
               order by c.received_at desc, c.id limit 1) last on true
           where k.address <> '' order by lower(k.address), k.place""",
        {"email": email, "contact": contact_id},
    )
    return [Reachable(address, came_back) for address, _, came_back in sorted(rows, key=lambda row: (row[1], row[0]))]


def last_mail(tx: Transaction, case_id: UUID) -> str:
    """The Message-ID of the mail that the customer wrote last about this case; empty: they wrote none."""
    row = tx.row(
        """select c.message_id from case_communications l join communications c on c.id = l.communication_id
           where l.case_id = %s and c.direction = 'inbound' and c.message_id <> '' and c.robot = 'none'
           order by c.received_at desc, c.id limit 1""",
        (case_id,),
    )
    return str(row[0]) if row else ""


def files_of_case(tx: Transaction, case_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[MessageFile]:
    """These files of the case's communications, each by its communication and position, in their order; unknown ones are left out."""
    rows = tx.rows(
        """select a.sha256, a.size, a.filename, a.content_type, a.danger
           from unnest(%b::uuid[], %b::int[]) with ordinality as w (communication_id, position, place)
           join attachments a using (communication_id, position)
           where exists (select from case_communications l where l.communication_id = a.communication_id and l.case_id = %s)
           order by w.place""",
        (arrays.uuids(id for id, _ in wanted), arrays.ints(position for _, position in wanted), case_id),
    )
    return [MessageFile(*row) for row in rows]


def hand_in(tx: Transaction, file: HandedIn, forget_before: datetime) -> None:
    """Keep a file for its message, and forget those that were handed in before."""
    tx.execute("delete from message_files where handed_in_at < %s", (forget_before,))
    insert(tx, "message_files", [file], "on conflict (id) do nothing")


def handed_in(tx: Transaction, ids: Sequence[UUID], user: str, since: datetime) -> list[MessageFile]:
    """These files, in their order, as far as this user has handed them in."""
    rows = tx.rows(
        """select f.sha256, f.size, f.filename, f.content_type
           from unnest(%b::uuid[]) with ordinality as w (id, place) join message_files f using (id)
           where f.handed_in_by = %s and f.handed_in_at >= %s order by w.place""",
        (arrays.uuids(ids), user, since),
    )
    return [MessageFile(*row) for row in rows]


def written(tx: Transaction, case_id: UUID, communication_id: UUID) -> Written | None:
    """A message of this case."""
    row = tx.row(
        """select c.recipients[1], c.subject_line, c.body, d.state,
                  (select count(*) from attachments a where a.communication_id = c.id), c.erased_at is not null
           from communications c join deliveries d on d.communication_id = c.id
           join case_communications l on l.communication_id = c.id
           where c.id = %s and l.case_id = %s""",
        (communication_id, case_id),
    )
    return None if row is None else Written(*row)


class AboutCase(NamedTuple):
    """What a message needs of the case that it is recorded with, which goes on in the stead of the one that was merged into it."""

    id: UUID
    method: str
    contact_id: UUID | None


def about_cases(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, AboutCase]:
    """These cases, or those that go on in their stead, by the id asked for; of cases and customers that were erased nothing."""
    rows = tx.rows(
        """with recursive way (start, id, merged_into) as (
               select id, id, merged_into from cases where id = any(%b)
               union
               select w.start, k.id, k.merged_into from way w join cases k on k.id = w.merged_into)
           select w.start, k.id, k.method, k.contact_id from way w join cases k on k.id = w.id
           left join contacts p on p.id = k.contact_id
           where w.merged_into is null and k.forgotten_at is null and p.erased_at is null""",
        (arrays.uuids(ids),),
    )
    return {start: AboutCase(id, method, contact_id) for start, id, method, contact_id in rows}
