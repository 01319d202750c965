"""Expiry of communications (COM-8): a clock for each, moved on lazily by the activity of its conversation."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from services.sla.domain.clocks import Clock, ClockKind, Moment, start_clock
from services.sla.domain.policy import Policy
from services.sla.domain.records import NO_FACTS, RETENTION, Facts, ItemKind, Outcome, Record
from shared.calendars import ROUND_THE_CLOCK, CalendarError, due_micros


class CommunicationFact(Struct, frozen=True, gc=False):
    """A communication as an event tells it. Its conversation is in `facts` too. Ids are UUIDs as text, all in small letters."""

    communication_id: str
    conversation_id: str
    revision: int
    config_version: int
    occurred_at: Moment
    is_inbound: bool
    is_expired: bool
    facts: Facts


def apply_communication(record: Record | None, fact: CommunicationFact, policy: Policy, now: Moment) -> Outcome | None:
    """The communication's record after `fact`; None: it changes nothing."""
    if record is not None and (fact.revision <= record.revision or record.forget_at is not None):
        return None
    if fact.is_expired:
        kept = record.clocks if record is not None else ()
        gone = tuple([replace(clock, next_at=None, closed_at=clock.closed_at or now) for clock in kept])
        return Outcome(Record(ItemKind.COMMUNICATION, fact.revision, fact.config_version, gone, NO_FACTS, now + RETENTION), [], fact.facts)
    started_at = min(fact.occurred_at, now)
    due_at = expires_at(policy, fact.facts.method, started_at)
    if due_at is None or not fact.is_inbound:
        return None
    clock = record.clocks[0] if record is not None and record.clocks else _expiry(started_at, due_at)
    return Outcome(Record(ItemKind.COMMUNICATION, fact.revision, fact.config_version, (clock,), fact.facts), [], fact.facts)


def apply_activity(record: Record | None, fact: CommunicationFact, policy: Policy, now: Moment) -> Record | None:
    """The conversation's record after a communication in it; None: it changes nothing.

    It is kept only where something in the conversation can expire, and for as long as that could take.
    """
    active_at = min(fact.occurred_at, now)
    if record is not None and record.clocks[0].started_at >= active_at:
        return None
    due_at = expires_at(policy, fact.facts.method, active_at) if fact.is_inbound else None
    if record is None and due_at is None:
        return None
    if record is not None:  # as long as its longest-lived communication
        left = record.clocks[0].due_at - record.clocks[0].started_at
        due_at = max(due_at or 0, active_at + left)
    clock = _expiry(active_at, due_at or active_at)
    forget_at = max(now, clock.due_at) + RETENTION
    return Record(ItemKind.CONVERSATION, 0, fact.config_version, (clock,), NO_FACTS, forget_at)


def postponed(record: Record, active_at: Moment, policy: Policy) -> Record | None:
    """The record of a communication whose time is over but whose conversation was active since; None: it is over indeed."""
    clock = record.clocks[0]
    due_at = expires_at(policy, record.facts.method, active_at) if active_at > clock.started_at else None
    if due_at is None or due_at <= clock.due_at:
        return None
    moved = replace(_expiry(active_at, due_at), events=clock.events)
    return replace(record, clocks=(moved,))


def expires_at(policy: Policy, method: str, active_at: Moment) -> Moment | None:
    """When a communication of `method`, last active then, expires; None: never."""
    after = policy.expiries.get(method)
    if after is None:
        return None
    try:
        return due_micros(after, active_at, policy.calendar)
    except CalendarError:
        return None


def _expiry(started_at: Moment, due_at: Moment) -> Clock:
    return start_clock(ClockKind.EXPIRY, started_at, due_at, ROUND_THE_CLOCK, None)
