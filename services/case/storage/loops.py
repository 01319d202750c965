"""What the caps against mail loops count (EDGE-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.case.domain.loops import ROBOTS, Joining, Span
from shared.storage import Transaction, arrays


def openings(tx: Transaction, senders: Sequence[tuple[str, Sequence[UUID], Span]]) -> dict[str, list[datetime]]:
    """When mails of these senders that opened cases were received, within each one's span.

    A sender comes as an address in small letters with the contacts that have it: the index is by contact. Mail of an address that several
    share may be nobody's.
    """
    wanted: list[tuple[UUID | None, str, Span]] = [(contact, sender, span) for sender, own, span in senders for contact in own]
    shared: list[tuple[UUID | None, str, Span]] = [(None, sender, span) for sender, own, span in senders if len(own) > 1]
    found: dict[str, list[datetime]] = {}
    for those, condition in ((wanted, "contact_id = w.contact_id"), (shared, "contact_id is null")):
        if not those:
            continue
        # `offset 0` keeps this a look into the index for each sender, whatever the planner thinks of their number.
        rows = tx.rows(
            f"""select w.sender, c.received_at
                from unnest(%b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[]) as w (contact_id, sender, since, until)
                cross join lateral (
                    select received_at from communications
                    where {condition} and received_at > w.since and received_at < w.until
                      and effect = 'opens' and message_id <> '' and lower(sender) = w.sender offset 0) c""",
            (
                arrays.uuids(contact for contact, _, _ in those),
                arrays.texts(sender for _, sender, _ in those),
                arrays.moments(span.since for _, _, span in those),
                arrays.moments(span.until for _, _, span in those),
            ),
        )
        for sender, received_at in rows:
            found.setdefault(sender, []).append(received_at)
    return found


def joins(tx: Transaction, cases: Mapping[UUID, Span]) -> dict[Joining, list[datetime]]:
    """When customers' mails that joined these cases were received, within each one's span, by sender and for robots together."""
    rows = tx.rows(
        """select w.case_id, c.sender, c.is_robot, c.received_at
           from unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[]) as w (case_id, since, until)
           cross join lateral (
               select lower(m.sender) as sender, m.robot <> 'none' as is_robot, m.received_at
               from case_communications l join communications m on m.id = l.communication_id
               where l.case_id = w.case_id and m.received_at > w.since and m.received_at < w.until
                 and m.effect = 'joins' and m.direction = 'inbound' and m.message_id <> '' offset 0) c""",
        (
            arrays.uuids(cases),
            arrays.moments(span.since for span in cases.values()),
            arrays.moments(span.until for span in cases.values()),
        ),
    )
    found: dict[Joining, list[datetime]] = {}
    for case_id, sender, is_robot, received_at in rows:
        for who in {sender, ROBOTS} if is_robot else {sender}:
            found.setdefault((case_id, who), []).append(received_at)
    return found
