"""Replies to closed cases, in a batch of communications: what they reopen, and what they open instead (CASE-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.case.domain import late_replies
from services.case.domain.answers import Answers
from services.case.domain.case import SYSTEM, Case, HistoryEntry, entries
from services.case.domain.late_replies import LateReply
from services.case.domain.refusals import PriorityRefused
from services.case.domain.routing import Routed
from services.case.handlers.events import emit_case
from services.case.handlers.records import Opening, opening_of
from services.case.handlers.rules import Rules
from services.case.storage import answers as kept_answers
from services.case.storage import cases, links
from services.case.storage.conversations import CaseWithContact
from services.case.storage.links import CaseLink
from shared.schemas.envelope import Event
from shared.schemas.events import CaseStatusChanged, CommunicationReceived
from shared.storage import Transaction


@dataclass(slots=True)
class LateReplies:
    """What a batch knows and does about closed cases. Of those that are not in `closed` no subject has anything done."""

    closed: dict[UUID, Case] = field(default_factory=dict)
    """Locked."""
    answers: dict[UUID, Answers] = field(default_factory=dict)
    follow_ups: dict[UUID, CaseWithContact] = field(default_factory=dict)
    """By closed case, the open one that goes on in its stead."""
    with_staff: set[UUID] = field(default_factory=set)
    """Conversations in which staff answer our messages: no customer's."""
    reopened: dict[UUID, tuple[Case, Event]] = field(default_factory=dict)
    left: dict[UUID, Answers] = field(default_factory=dict)
    """By reopened case, the answers that it keeps."""
    links: list[CaseLink] = field(default_factory=list)
    history: list[HistoryEntry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a reply goes: the cases it joins, and what it opens beside."""

    cases: list[CaseWithContact]
    opening: Opening | None = None


def load(
    tx: Transaction,
    rules: Rules,
    closed: set[UUID],
    with_staff: set[UUID],
    threaded: Iterable[tuple[CommunicationReceived, Sequence[UUID]]],
) -> LateReplies:
    """Lock the closed cases that replies of this batch reach and nothing but closed ones. Asks nothing where no subject wants it."""
    if not closed or not rules.heeds_late_replies:
        return LateReplies()
    late = {id for data, ids in threaded if _is_reply(data, with_staff) and ids and closed.issuperset(ids) for id in ids}
    if not late:
        return LateReplies()
    ids = sorted(late)
    found = cases.lock(tx, ids)
    # Meanwhile another replica may have reopened one.
    still = {id: case for id, case in found.items() if case.state.is_closed}
    return LateReplies(still, kept_answers.of_cases(tx, list(still)), links.open_follow_ups(tx, ids), with_staff)


def reach(
    batch: LateReplies, event: Event, cases_of_it: list[CaseWithContact], rules: Rules, rules_of: Callable[[int], Rules], now: datetime
) -> Reached:
    """What this reply does, given the cases that it joins. Nothing, unless all of them are closed: an open one takes it in."""
    data: CommunicationReceived = event.data
    ids = [id for id, _ in cases_of_it]
    if not _is_reply(data, batch.with_staff) or not ids or not all(id in batch.closed for id in ids):
        return Reached(cases_of_it)
    case = late_replies.deciding([batch.closed[id] for id in ids])
    subject = rules.subjects.get(case.subject)
    if subject is None or subject.late_reply is LateReply.RECORD:
        return Reached(cases_of_it)
    if subject.late_reply is LateReply.REOPEN:
        _reopen(batch, event, case, rules_of(case.config_version), now)
        return Reached(cases_of_it)
    for id in ids:
        going_on = batch.follow_ups.get(id)
        if going_on is not None:
            return Reached([going_on, *(one for one in cases_of_it if one != going_on)])
    if not data.opens_case:
        return Reached(cases_of_it)
    try:
        opening = opening_of(data.communication_id, Routed(subject.code), rules)
    except PriorityRefused:
        return Reached(cases_of_it)
    batch.links.append(CaseLink(opening.id, case.id, links.FOLLOW_UP, SYSTEM, now))
    batch.history.append(HistoryEntry(case.id, None, "followed up", None, str(opening.id), SYSTEM, now))
    return Reached(cases_of_it, opening)


def opened(batch: LateReplies, reached: Reached, contact: UUID | None) -> None:
    """The reply has opened a case beside these: later ones of the batch join it."""
    if reached.opening is not None:
        batch.follow_ups |= {id: (reached.opening.id, contact) for id, _ in reached.cases}


def save(tx: Transaction, batch: LateReplies, now: datetime) -> None:
    """Write what was reopened and linked, and say so."""
    if batch.reopened:
        cases.change(tx, [case for case, _ in batch.reopened.values()])
        for case_id in batch.reopened:
            kept_answers.change(tx, case_id, batch.answers[case_id], batch.left[case_id])
        for case, event in batch.reopened.values():
            emit_case(tx, CaseStatusChanged, case, event.id, now, event.traceparent)
    links.add(tx, batch.links)
    cases.add_history(tx, batch.history)


def _is_reply(data: CommunicationReceived, with_staff: set[UUID]) -> bool:
    return data.conversation_id not in with_staff and late_replies.is_reply(data.direction, data.robot, data.old)


def _reopen(batch: LateReplies, event: Event, case: Case, rules: Rules, now: datetime) -> None:
    subject = rules.subjects.get(case.subject)
    done = late_replies.reopened(case, subject.life_cycle, now, batch.answers[case.id]) if subject else None
    if done is None:
        return
    del batch.closed[case.id]
    batch.reopened[case.id] = (done.case, event)
    batch.left[case.id] = done.answers
    batch.history += entries(done.case, done.changes)
