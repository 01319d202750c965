"""The caps against mail loops, with what they have to know for a batch (EDGE-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.case import metrics
from services.case.domain.loops import Frequent, LoopBreaker, Span
from services.case.handlers.records import HandleKey
from services.case.handlers.rules import Rules
from services.case.storage import loops
from services.case.storage.contacts import Contact
from shared.observability import get_logger
from shared.schemas.events import CommunicationReceived
from shared.storage import Transaction

LOOP = "loop"
"""The reason of what was recorded because a cap was met."""

log = get_logger(__name__)


def is_capped(data: CommunicationReceived) -> bool:
    """Whether caps are for this at all: they are for mail that comes in, the only channel whose answers go out by machine."""
    return data.direction == "inbound" and bool(data.message_id) and data.sender.kind == "email"


def load(
    tx: Transaction,
    rules: Rules,
    mails: Sequence[tuple[CommunicationReceived, Sequence[UUID]]],
    contacts: Mapping[HandleKey, Sequence[Contact]],
    frequent: Frequent,
) -> LoopBreaker:
    """What was counted before for these mails, each with the cases that it would join (none: it may open one).

    Of a sender without a contact nothing is asked, for nothing that it sent has opened a case; of one who writes seldom neither.
    """
    breaker = LoopBreaker(rules.caps)
    senders: dict[str, Span] = {}
    joined: dict[UUID, Span] = {}
    for data, case_ids in mails:
        if not is_capped(data):
            continue
        span = breaker.span(data.received_at)
        for case_id in case_ids:
            joined[case_id] = _both(joined.get(case_id), span)
        sender = data.sender.value.lower()
        if not case_ids and frequent.is_frequent(sender, data.received_at, rules.caps) and ("email", sender) in contacts:
            senders[sender] = _both(senders.get(sender), span)
    if senders:
        known = [(sender, [contact.id for contact in contacts["email", sender]], span) for sender, span in senders.items()]
        breaker.opened = loops.openings(tx, known)
    if joined:
        breaker.joined = loops.joins(tx, joined)
    return breaker


def tell(breaker: LoopBreaker, contacts: Mapping[HandleKey, Sequence[Contact]]) -> None:
    """Tell the operator of the loops that were broken."""
    for (cap, what), held in breaker.broken.items():
        metrics.LOOPS.labels(cap.value).inc(held)
        ids = {"case_id": str(what)} if isinstance(what, UUID) else {"contact_ids": [str(c.id) for c in contacts.get(("email", what), ())]}
        log.warning("mail loop broken", cap=cap.value, held=held, **ids)


def _both(one: Span | None, other: Span) -> Span:
    return other if one is None else Span(min(one.since, other.since), max(one.until, other.until))
