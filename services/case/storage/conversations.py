"""Where conversations and quoted numbers lead: to cases, and from merged ones to those that go on in their stead (COM-7, EDGE-11)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.case.domain.quoting import QuotedCase
from shared.storage import Transaction, arrays

CaseWithContact = tuple[UUID, UUID | None]
_GATE = "hashtext(current_schema() || ' where conversations lead')"


@dataclass(slots=True)
class Threads:
    """The cases that conversations lead to, each with its contact, in the order they were opened.

    `closed`: which of them are. `with_staff`: the conversations that are with staff, about a case.
    """

    cases: dict[UUID, list[CaseWithContact]] = field(default_factory=dict)
    closed: set[UUID] = field(default_factory=set)
    with_staff: set[UUID] = field(default_factory=set)


def hold_still(tx: Transaction) -> None:
    """Where conversations lead does not change until this transaction ends; any number may hold it so at once."""
    tx.execute(f"select pg_advisory_xact_lock_shared({_GATE})")


def change_ways(tx: Transaction) -> None:
    """Wait until nobody relies on where conversations lead, and let nobody until this transaction ends. To be called before any lock."""
    tx.execute(f"select pg_advisory_xact_lock({_GATE})")


def lead(tx: Transaction, conversations: Sequence[UUID]) -> Threads:
    """Where these conversations lead: to the cases that began in them or joined them, or in whose stead these go on.

    A case's own id names a conversation too: that of our messages to staff about it, which they answer.
    """
    rows = tx.rows(
        """select thread, id, contact_id, merged_into, state in ('completed', 'cancelled') from (
               select conversation_id as thread, id, contact_id, merged_into, state, opened_at, number from cases
               where conversation_id = any(%(ids)b)
               union all
               select id, id, contact_id, merged_into, state, opened_at, number from cases where id = any(%(ids)b)
               union all
               select j.conversation_id, c.id, c.contact_id, c.merged_into, c.state, c.opened_at, c.number from joined_conversations j
               join cases c on c.id = j.case_id where j.conversation_id = any(%(ids)b)) found
           order by opened_at, number""",
        {"ids": arrays.uuids(conversations)},
    )
    ends = _ends(tx, {id for _, id, _, merged_into, _ in rows if merged_into is not None})
    threads = Threads()
    for conversation, case_id, contact, _, is_closed in rows:
        end = ends.get(case_id)
        found, is_over = ((end.id, end.contact_id), end.is_closed) if end else ((case_id, contact), is_closed)
        leads_to = threads.cases.setdefault(conversation, [])
        if found not in leads_to:
            leads_to.append(found)
        if case_id == conversation:
            threads.with_staff.add(conversation)
        if is_over:
            threads.closed.add(found[0])
    return threads


def quoted(tx: Transaction, quotes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], QuotedCase]:
    """The cases with these numbers, each quoted by an address (in small letters); unknown numbers are left out.

    Whom a merged case knows may quote it, and is led to the one that goes on.
    """
    rows = tx.rows(
        """select w.number, w.sender, c.id, c.contact_id,
                  exists (select from handles h where h.kind = 'email' and h.value = w.sender and h.contact_id = c.contact_id)
                  or exists (
                      select from case_communications l join communications m on m.id = l.communication_id
                      where l.case_id = c.id
                        and (m.sender_kind = 'email' and lower(m.sender) = w.sender
                             or exists (select from unnest(m.recipients) r (address) where lower(r.address) = w.sender))),
                  c.state in ('completed', 'cancelled'), c.merged_into
           from unnest(%b::text[], %b::text[]) as w (number, sender) join cases c using (number)""",
        (arrays.texts(number for number, _ in quotes), arrays.texts(sender for _, sender in quotes)),
    )
    ends = _ends(tx, {id for _, _, id, _, _, _, merged_into in rows if merged_into is not None})
    found: dict[tuple[str, str], QuotedCase] = {}
    for number, sender, id, contact, is_known, is_closed, _ in rows:
        case = QuotedCase(id, contact, is_known, is_closed)
        end = ends.get(id)
        found[number, sender] = case._replace(id=end.id, contact_id=end.contact_id, is_closed=end.is_closed) if end else case
    return found


@dataclass(frozen=True, slots=True)
class _End:
    id: UUID
    contact_id: UUID | None
    is_closed: bool


def _ends(tx: Transaction, case_ids: Collection[UUID]) -> dict[UUID, _End]:
    if not case_ids:
        return {}
    rows = tx.rows(
        """with recursive way (start, id, merged_into, contact_id, state) as (
               select id, id, merged_into, contact_id, state from cases where id = any(%b)
               union
               select way.start, c.id, c.merged_into, c.contact_id, c.state from way join cases c on c.id = way.merged_into)
           select start, id, contact_id, state in ('completed', 'cancelled') from way where merged_into is null""",
        (arrays.uuids(case_ids),),
    )
    return {start: _End(*end) for start, *end in rows}
